"""The resources of a queue for its producers and consumers (rest.md 11)."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.responses import Response

from zkmq import Item
from zkmq.putting.batches import MAX_BATCH_BYTES, MAX_BATCH_ITEMS
from zkmq.putting.entry import Entry
from zkmq.rest.http.http_errors import HttpError
from zkmq.rest.http.negotiation import takes_json, takes_octets
from zkmq.rest.http.request_target import check_path
from zkmq.rest.queues.endpoint_queues import EndpointQueues
from zkmq.rest.queues.group_commit import fits_one_write
from zkmq.rest.queues.http_consumer import RemoteConsumer
from zkmq.rest.queues.json_arguments import JsonArguments
from zkmq.rest.resources import operator_resources
from zkmq.rest.resources.dispatch import Handler, Resource
from zkmq.rest.resources.queue_calls import Routes, arguments, as_json, data64, on_queue, route
from zkmq.rest.resources.rest_call import RestCall, reply
from zkmq.taking.order import ORDERS
from zkmq.taking.reserve import Reservation

ConsumerHandler = Callable[[RestCall, EndpointQueues, RemoteConsumer], Awaitable[Response]]

_KEY = re.compile(r"[\x21-\x7e]{1,200}")
_DAY_S = 24 * 3600.0
_YEAR_S = 366 * _DAY_S
# As parameters of a put of plain bytes; in a list of items, `headers` too.
_OPTIONS = ("priority", "delay_s", "ttr_s", "expires_s", "dedup_id", "content_type", "group")
_TEXTS = ("dedup_id", "content_type", "group")


def _on_consumer(handler: ConsumerHandler) -> Handler:
    async def of_consumer(call: RestCall, queues: EndpointQueues, _name: str) -> Response:
        consumer = queues.consumer(call.parts[1])
        with consumer.in_call():
            try:
                return await handler(call, queues, consumer)
            finally:
                queues.beat_if_alive(consumer)

    return on_queue(of_consumer)


async def _put(call: RestCall, queues: EndpointQueues, name: str) -> Response:
    key = call.headers.get("idempotency-key")
    if key is not None and not _KEY.fullmatch(key):
        raise HttpError(400, f"{name} bad Idempotency-Key: expected 1 to 200 printable characters")
    entries = await _entries(call, name, key)
    if not fits_one_write(entries):
        raise HttpError(
            413,
            f"{name} too large: expected at most {MAX_BATCH_ITEMS} items and {MAX_BATCH_BYTES} "
            "bytes with 200 for each item, so that all take effect together",
        )
    done = await (await queues.queue(name)).put(entries, key)
    return as_json({"ids": done.ids, "zxid": done.zxid, "duplicates": done.duplicates}, 201)


async def _entries(call: RestCall, name: str, key: str | None) -> list[Entry]:
    most = call.config.limits.packet_bytes
    if takes_octets(call.joined("content-type")):
        data = await call.body(most, name)
        given = ((each, call.query.get(each)) for each in _OPTIONS)
        options = {each: _option(name, each, text) for each, text in given if text is not None}
        return [_entry(JsonArguments(options, name, *_OPTIONS), data, key, 0)]
    listed = await call.json_body(2 * most, name)
    if not isinstance(listed, list) or not listed:
        example = '[{"data64": "Zmlyc3Q=", "priority": 10}]'
        raise HttpError(400, f"{name} bad arguments: expected a list of items, such as {example}")
    fields = [
        JsonArguments(value, f"{name}[{index}]", "data64", "headers", *_OPTIONS)
        for index, value in enumerate(listed)
    ]
    return [_entry(each, each.data("data64"), key, index) for index, each in enumerate(fields)]


def _option(name: str, parameter: str, text: str) -> float | str:
    if parameter in _TEXTS:
        return text
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
        raise HttpError(400, f"{name} bad {parameter} {text}")
    return float(text) if "." in text else int(text)


def _entry(fields: JsonArguments, data: bytes, key: str | None, index: int) -> Entry:
    ttr_s, expires_s = (
        fields.number(name, 0, least=0.001, most=_YEAR_S) if fields.has(name) else None
        for name in ("ttr_s", "expires_s")
    )
    dedup_id = None if key is None else f"{key}#{index}"
    return Entry(
        data=data,
        priority=fields.integer("priority", 100, least=0, most=999),
        delay_s=fields.number("delay_s", 0.0, least=0, most=_YEAR_S),
        ttr_s=ttr_s,
        expires_s=expires_s,
        dedup_id=fields.text("dedup_id", "") if fields.has("dedup_id") else dedup_id,
        headers=fields.mapping("headers") if fields.has("headers") else None,
        content_type=fields.text("content_type", "") if fields.has("content_type") else None,
        group=fields.text("group", "") if fields.has("group") else None,
    )


async def _open_consumer(call: RestCall, queues: EndpointQueues, name: str) -> Response:
    check_path(f"/{name}")
    fields = await arguments(
        call, name, "session_s", "label", "order", "on_crash", "max_deliveries"
    )
    session_s = fields.number("session_s", 10, least=1, most=_DAY_S)
    settings: dict[str, Any] = {
        "label": fields.text("label", "gateway"),
        "order": fields.text("order", "auto", *ORDERS),
        "on_crash": fields.text("on_crash", "requeue", "requeue", "partial"),
    }
    if fields.has("max_deliveries"):
        most = fields.integer("max_deliveries", 1, least=1, most=10**6)
        settings["max_deliveries"] = most
    consumer = await queues.open_consumer(name, session_s, settings)
    answer = {
        "consumer": consumer.id,
        "session": hex(consumer.queue.session_id or 0),
        "session_s": session_s,
    }
    return as_json(answer, 201, {"Location": f"{call.uri.rstrip('/')}/{consumer.id}"})


async def _beat(_call: RestCall, _queues: EndpointQueues, _consumer: RemoteConsumer) -> Response:
    return reply(200)


async def _close_consumer(call: RestCall, queues: EndpointQueues, _name: str) -> Response:
    await queues.close_consumer(call.parts[1])
    return reply(204)


async def _reserve(call: RestCall, _queues: EndpointQueues, consumer: RemoteConsumer) -> Response:
    fields = await arguments(call, consumer.id, "n", "wait_s", "done", "sync")
    n = fields.integer("n", 1, least=1, most=MAX_BATCH_ITEMS)
    wait_s = fields.number("wait_s", 0, least=0, most=call.config.limits.wait_s)
    done, sync = fields.texts("done"), fields.flag("sync")
    found = await consumer.reserves.do(
        call.headers.get("idempotency-key"),
        hash((n, wait_s, tuple(done), sync)),
        lambda: consumer.reserve(n, wait_s=wait_s, done=done, sync=sync),
    )
    headers = reservation_headers(consumer, found)
    if not found.items:
        return reply(204, headers)
    return as_json([_delivery(item) for item in found.items], 200, headers)


def _delivery(item: Item) -> dict[str, object]:
    return {
        "id": item.id,
        "name": item.name,
        **data64(item.data),
        "priority": item.priority,
        "delivery": item.delivery,
        "fence": item.fence,
        "put_zxid": item.put_zxid,
        "headers": item.headers,
        "content_type": item.content_type,
        "group": item.group,
    }


def reservation_headers(consumer: RemoteConsumer, found: Reservation) -> dict[str, str]:
    """Return what a reservation tells beside its items."""
    values = {
        "Zkmq-Consumer": consumer.queue.consumer_id,
        "Zkmq-Zxid": found.zxid,
        "Zkmq-Read-Zxid": found.read_zxid,
        "Zkmq-Done-Zxid": found.done.zxid if found.done else None,
        "Zkmq-Attempts": found.attempts,
        "Zkmq-Window": found.window,
        "Zkmq-Paused": "true" if found.paused else None,
        "Zkmq-Looked": None if found.looked else "false",
    }
    return {name: str(value) for name, value in values.items() if value is not None}


def _ending(verb: str, *options: str) -> ConsumerHandler:
    async def handle(call: RestCall, _queues: EndpointQueues, consumer: RemoteConsumer) -> Response:
        fields = await arguments(call, consumer.id, "ids", *options)
        chosen: dict[str, Any] = {}
        if "delay_s" in options:
            chosen["delay_s"] = fields.number("delay_s", 0.0, least=0, most=_YEAR_S)
            chosen["to"] = fields.text("to", "place", "place", "back")
        if "reason" in options:
            chosen["reason"] = fields.text("reason", "")
        ids = fields.texts("ids", required=True)
        return as_json({"zxid": await consumer.end(verb, ids, **chosen)})

    return handle


def _post(verb: str, handler: ConsumerHandler) -> tuple[re.Pattern[str], Resource]:
    return route(verb, f"{_CONSUMER}/{verb}", {"POST": _on_consumer(handler)})


_CONSUMER = "consumers/([^/]+)"
ROUTES: Routes = (
    route(
        "items",
        "items/?",
        {"GET": on_queue(operator_resources.peek), "POST": on_queue(_put)},
        lambda content_type: takes_json(content_type) or takes_octets(content_type),
    ),
    *operator_resources.ROUTES,
    route("consumers", "consumers/?", {"POST": on_queue(_open_consumer)}),
    route("consumer", _CONSUMER, {"PUT": _on_consumer(_beat), "DELETE": on_queue(_close_consumer)}),
    _post("reserve", _reserve),
    _post("done", _ending("done")),
    _post("release", _ending("release", "delay_s", "to")),
    _post("bury", _ending("bury", "reason")),
    _post("touch", _ending("touch")),
)
