"""What operators ask of a queue: look, count, move and delete items, pause (rest.md 11)."""

import re
from dataclasses import asdict
from typing import Any

from starlette.responses import Response

from zkmq.operating.inspection import Peeked
from zkmq.rest.http.http_errors import HttpError
from zkmq.rest.http.request_target import check_path, decode_path
from zkmq.rest.queues.endpoint_queues import EndpointQueues
from zkmq.rest.queues.error_translation import NO_SUCH_ITEM
from zkmq.rest.resources.dispatch import Handler
from zkmq.rest.resources.queue_calls import (
    ONE_QUEUE,
    Routes,
    arguments,
    as_json,
    data64,
    on_queue,
    resource,
)
from zkmq.rest.resources.rest_call import RestCall
from zkmq.tree.compatibility.charter import Charter

_MOST_PEEKED = 500
_MOST_MOVED = 10**9


async def peek(call: RestCall, queues: EndpointQueues, name: str) -> Response:
    """Show the first items of a place, without taking them."""
    n = call.query.integer("n", 1, name, allowed=range(1, _MOST_PEEKED + 1))
    place = call.query.get("place") or "items"
    if place not in ("items", "dead", "partial", "delayed"):
        raise HttpError(400, f"{name} bad place {place}: expected items, dead, partial or delayed")
    found = await queues.existing(name)
    peeked = await queues.run(found.queue.peek, n, place=place)
    return as_json([_shown(each) for each in peeked])


async def _inspect(call: RestCall, queues: EndpointQueues, name: str) -> Response:
    id = _item_of(call)
    found = await queues.existing(name)
    item = await queues.run(found.queue.inspect, id)
    if item is None:
        message = f"{name} {id} not found: it is done, purged, or was never put"
        raise HttpError(404, message, extra={"error": NO_SUCH_ITEM})
    return as_json(_shown(item))


async def _delete(call: RestCall, queues: EndpointQueues, name: str) -> Response:
    id = _item_of(call)
    found = await queues.existing(name)
    changed = await queues.run(found.queue.delete, id)
    return as_json({"deleted": changed.count, "zxid": changed.zxid})


async def _stats(_call: RestCall, queues: EndpointQueues, name: str) -> Response:
    found = await queues.existing(name)
    return as_json(asdict(await queues.run(found.queue.stats)))


async def _kick(call: RestCall, queues: EndpointQueues, name: str) -> Response:
    fields = await arguments(call, name, "n", "place")
    n = fields.integer("n", 1, least=1, most=_MOST_MOVED)
    place = fields.text("place", "dead", "dead", "partial")
    found = await queues.existing(name)
    changed = await queues.run(found.queue.kick, n, place=place)
    return as_json({"kicked": changed.count, "zxid": changed.zxid})


async def _redrive(call: RestCall, queues: EndpointQueues, name: str) -> Response:
    fields = await arguments(call, name, "to", "n", "ids", "place")
    to = fields.text("to", "")
    check_path(f"/{to}")
    if not to or "/" in to:
        raise HttpError(400, f"{name} bad arguments: to: expected a queue's name, got {to!r}")
    n = fields.integer("n", 1, least=1, most=_MOST_MOVED)
    ids = fields.texts("ids") if fields.has("ids") else None
    place = fields.text("place", "dead", "dead", "partial")
    found = await queues.existing(name)
    changed = await queues.run(found.queue.redrive, f"/{to}", n, ids=ids, place=place)
    return as_json({"redriven": changed.count, "zxid": changed.zxid})


async def _purge(call: RestCall, queues: EndpointQueues, name: str) -> Response:
    fields = await arguments(call, name, "priority")
    chosen = [fields.integer("priority", 0, least=0, most=999)] if fields.has("priority") else []
    found = await queues.existing(name)
    changed = await queues.run(found.queue.purge, *chosen)
    return as_json({"purged": changed.count, "zxid": changed.zxid})


async def _pause(call: RestCall, queues: EndpointQueues, name: str) -> Response:
    fields = await arguments(call, name, "reason", "force")
    reason, force = fields.text("reason", ""), fields.flag("force")
    found = await queues.existing(name)
    return _charter(await queues.run(found.queue.pause, reason, force=force))


async def _resume(call: RestCall, queues: EndpointQueues, name: str) -> Response:
    await arguments(call, name)
    found = await queues.existing(name)
    return _charter(await queues.run(found.queue.resume))


def _item_of(call: RestCall) -> str:
    return decode_path(f"/{call.parts[1]}")[1:]


def _shown(item: Peeked) -> dict[str, Any]:
    return {**asdict(item), "data": None} | data64(item.data)


def _charter(charter: Charter) -> Response:
    told = asdict(charter)
    del told["others"]  # which this release does not know
    return as_json(told)


def _posted(name: str, handler: Handler) -> tuple[re.Pattern[str], Any]:
    return re.compile(f"{ONE_QUEUE}/{name}"), resource(f"queue-{name}", {"POST": handler})


ROUTES: Routes = (
    (
        re.compile(f"{ONE_QUEUE}/items/([^/]+)"),
        resource("queue-item", {"GET": on_queue(_inspect), "DELETE": on_queue(_delete)}),
    ),
    (re.compile(f"{ONE_QUEUE}/stats"), resource("queue-stats", {"GET": on_queue(_stats)})),
    _posted("kick", on_queue(_kick)),
    _posted("redrive", on_queue(_redrive)),
    _posted("purge", on_queue(_purge)),
    _posted("pause", on_queue(_pause)),
    _posted("resume", on_queue(_resume)),
)
