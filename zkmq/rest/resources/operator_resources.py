"""What operators ask of a queue: look, count, move and delete items, pause (rest.md 11)."""

from dataclasses import asdict
from typing import Any

from starlette.responses import Response

from zkmq import Queue
from zkmq.operating.changes import Changed
from zkmq.operating.inspection import Peeked
from zkmq.rest.http.http_errors import HttpError
from zkmq.rest.http.request_target import check_path, decode_path
from zkmq.rest.queues.endpoint_queues import EndpointQueues
from zkmq.rest.queues.error_translation import NO_SUCH_ITEM
from zkmq.rest.resources.queue_calls import Routes, arguments, as_json, data64, on_queue, route
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
    peeked = await queues.call(name, Queue.peek, n, place=place)
    return as_json([_shown(each) for each in peeked])


async def _inspect(call: RestCall, queues: EndpointQueues, name: str) -> Response:
    id = _item_of(call)
    item = await queues.call(name, Queue.inspect, id)
    if item is None:
        message = f"{name} {id} not found: it is done, purged, or was never put"
        raise HttpError(404, message, extra={"error": NO_SUCH_ITEM})
    return as_json(_shown(item))


async def _delete(call: RestCall, queues: EndpointQueues, name: str) -> Response:
    return _changed("deleted", await queues.call(name, Queue.delete, _item_of(call)))


async def _stats(_call: RestCall, queues: EndpointQueues, name: str) -> Response:
    return as_json(asdict(await queues.call(name, Queue.stats)))


async def _kick(call: RestCall, queues: EndpointQueues, name: str) -> Response:
    fields = await arguments(call, name, "n", "place")
    n = fields.integer("n", 1, least=1, most=_MOST_MOVED)
    place = fields.text("place", "dead", "dead", "partial")
    return _changed("kicked", await queues.call(name, Queue.kick, n, place=place))


async def _redrive(call: RestCall, queues: EndpointQueues, name: str) -> Response:
    fields = await arguments(call, name, "to", "n", "ids", "place")
    to = fields.text("to", "")
    check_path(f"/{to}")
    if not to or "/" in to:
        raise HttpError(400, f"{name} bad arguments: to: expected a queue's name, got {to!r}")
    n = fields.integer("n", 1, least=1, most=_MOST_MOVED)
    ids = fields.texts("ids") if fields.has("ids") else None
    place = fields.text("place", "dead", "dead", "partial")
    moved = await queues.call(name, Queue.redrive, f"/{to}", n, ids=ids, place=place)
    return _changed("redriven", moved)


async def _purge(call: RestCall, queues: EndpointQueues, name: str) -> Response:
    fields = await arguments(call, name, "priority")
    chosen = [fields.integer("priority", 0, least=0, most=999)] if fields.has("priority") else []
    return _changed("purged", await queues.call(name, Queue.purge, *chosen))


async def _pause(call: RestCall, queues: EndpointQueues, name: str) -> Response:
    fields = await arguments(call, name, "reason", "force")
    reason, force = fields.text("reason", ""), fields.flag("force")
    return _charter(await queues.call(name, Queue.pause, reason, force=force))


async def _resume(call: RestCall, queues: EndpointQueues, name: str) -> Response:
    await arguments(call, name)
    return _charter(await queues.call(name, Queue.resume))


def _item_of(call: RestCall) -> str:
    return decode_path(f"/{call.parts[1]}")[1:]


def _shown(item: Peeked) -> dict[str, Any]:
    return {**asdict(item), "data": None} | data64(item.data)


def _charter(charter: Charter) -> Response:
    told = asdict(charter)
    del told["others"]  # which this release does not know
    return as_json(told)


def _changed(what: str, changed: Changed) -> Response:
    return as_json({what: changed.count, "zxid": changed.zxid})


ROUTES: Routes = (
    route("item", "items/([^/]+)", {"GET": on_queue(_inspect), "DELETE": on_queue(_delete)}),
    route("stats", "stats", {"GET": on_queue(_stats)}),
    route("kick", "kick", {"POST": on_queue(_kick)}),
    route("redrive", "redrive", {"POST": on_queue(_redrive)}),
    route("purge", "purge", {"POST": on_queue(_purge)}),
    route("pause", "pause", {"POST": on_queue(_pause)}),
    route("resume", "resume", {"POST": on_queue(_resume)}),
)
