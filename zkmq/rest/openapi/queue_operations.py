"""The operations on queues in the OpenAPI document (rest.md 11)."""

from typing import Any

from zkmq.rest.http.negotiation import JSON, OCTETS
from zkmq.rest.openapi.parts import Part, answer, as_json, body, errors, header, in_path, query
from zkmq.rest.openapi.schemas import (
    BASE64,
    INT32,
    INT64,
    TEXT,
    Schema,
    maybe,
    record,
    ref,
    sequence,
)
from zkmq.taking.order import ORDERS

_COUNT: Schema = {"type": "integer", "minimum": 0}
_SECONDS: Schema = {"type": "number", "minimum": 0}
_PRIORITY: Schema = {"type": "integer", "minimum": 0, "maximum": 999}
_OPTIONS: dict[str, Schema] = {
    "priority": _PRIORITY,
    "delay_s": _SECONDS,
    "ttr_s": {"type": "number", "exclusiveMinimum": 0},
    "expires_s": {"type": "number", "exclusiveMinimum": 0},
    "dedup_id": TEXT,
    "content_type": TEXT,
    "group": TEXT,
}
_HEADERS: Schema = {"type": "object", "additionalProperties": TEXT, "maxProperties": 64}
_IDS = sequence(TEXT, minItems=1)

SCHEMAS: dict[str, Schema] = {
    "Entry": record(
        {"data64": BASE64, "headers": _HEADERS, **_OPTIONS},
        "headers",
        *_OPTIONS,
        additionalProperties=False,
    ),
    "Accepted": record(
        {"ids": sequence(maybe(TEXT)), "zxid": maybe(INT64), "duplicates": sequence(_COUNT)}
    ),
    "Delivery": record(
        {
            "id": {**TEXT, "description": "The item, the same in every delivery."},
            "name": {**TEXT, "description": "This delivery of it."},
            "data64": BASE64,
            "priority": _PRIORITY,
            "delivery": {**_COUNT, "description": "1 the first time."},
            "fence": {**maybe(INT64), "description": "Grows with every delivery."},
            "put_zxid": maybe(INT64),
            "headers": _HEADERS,
            "content_type": maybe(TEXT),
            "group": maybe(TEXT),
        }
    ),
    "Peeked": record(
        {
            "name": TEXT,
            "data64": BASE64,
            "priority": _PRIORITY,
            "deliveries": _COUNT,
            "reason": maybe(TEXT),
            "headers": _HEADERS,
            "content_type": maybe(TEXT),
            "due_ms": maybe(_COUNT),
            "place": {"enum": ["items", "held", "delayed", "partial", "dead", None]},
            "consumer": maybe(TEXT),
            "group": maybe(TEXT),
        }
    ),
    "Stats": record(
        {
            "waiting": {"type": "object", "additionalProperties": _COUNT},
            **dict.fromkeys(
                ("held", "delayed", "partial", "dead", "consumers", "producers", "skipped"), _COUNT
            ),
            "order": {"enum": ["strict", "relaxed", "mixed", None]},
            "paused": maybe(TEXT),
            "oldest_s": maybe(_COUNT),
        }
    ),
    "Consumer": record({"consumer": TEXT, "session": TEXT, "session_s": _SECONDS}),
    "Applied": record({"zxid": maybe(INT64)}),
    "Charter": record(
        {
            "min_reader": _COUNT,
            "min_writer": _COUNT,
            "features": sequence(TEXT),
            "segment_items": _COUNT,
            "paused": {
                **maybe(TEXT),
                "description": "The reason of a pause; null if there is none.",
            },
        }
    ),
}

_KEY = header(
    "Idempotency-Key",
    {"type": "string", "pattern": "^[!-~]{1,200}$"},
    "The same key again: done once, and the same answer.",
)
_CONSUMER = "/queues/v1/{queue}/consumers/{consumer}"


def paths() -> dict[str, Part]:
    """Return the resources of a queue."""
    queue = in_path("queue", "The queue: the znode of this name below the endpoint's root.")
    named = (
        queue,
        in_path("consumer", "The consumer."),
        in_path("item", "The item's id, or its name in any delivery."),
    )
    of_queue: dict[str, Part] = {
        "/queues/v1/{queue}/items": {"get": _peek(), "post": _put()},
        "/queues/v1/{queue}/items/{item}": _item(),
        "/queues/v1/{queue}/stats": {"get": _looks("How many items are where.", ref("Stats"))},
        "/queues/v1/{queue}/kick": {"post": _kick()},
        "/queues/v1/{queue}/redrive": {"post": _redrive()},
        "/queues/v1/{queue}/purge": {"post": _purge()},
        "/queues/v1/{queue}/pause": {"post": _pause()},
        "/queues/v1/{queue}/resume": {
            "post": _does("Let consumers take items again.", {}, ref("Charter"), 409)
        },
        "/queues/v1/{queue}/consumers": {"post": _open()},
    }
    of_consumer: dict[str, Part] = {
        _CONSUMER: {"put": _beat(), "delete": _close()},
        f"{_CONSUMER}/reserve": {"post": _reserve()},
        f"{_CONSUMER}/done": {"post": _ends("Acknowledge items: they are gone for ever.")},
        f"{_CONSUMER}/release": {
            "post": _ends("Give items back.", delay_s=_SECONDS, to={"enum": ["place", "back"]})
        },
        f"{_CONSUMER}/bury": {"post": _ends("Put items aside until `kick`.", reason=TEXT)},
        f"{_CONSUMER}/touch": {"post": _ends("Start the items' time to run anew.")},
    }
    return {
        path: {
            "parameters": [each for each in named if f"{{{each['name']}}}" in path],
            **operations,
        }
        for path, operations in (of_queue | of_consumer).items()
    }


def _put() -> Part:
    items = sequence(ref("Entry"), minItems=1, maxItems=500)
    content = {JSON: {"schema": items}, OCTETS: {"schema": {}}}
    options = [query(name, schema, "Of a raw body.") for name, schema in _OPTIONS.items()]
    return {
        "summary": "Put one item (a raw body), or several together (JSON).",
        "parameters": [_KEY, *options],
        "requestBody": {"content": content},
        "responses": {
            "201": as_json("In the queue.", ref("Accepted")),
            **errors(408, 413, 415, 422, 429),
        },
    }


def _peek() -> Part:
    return _looks("Look at the first items without taking them.", sequence(ref("Peeked"))) | {
        "parameters": [
            query("n", {**INT32, "minimum": 1, "maximum": 500}, "How many."),
            query("place", {"enum": ["items", "dead", "partial", "delayed"]}, "Where."),
        ]
    }


def _item() -> dict[str, Part]:
    deleted = as_json(
        "How many were deleted: 0 if there is no such item any more.",
        record({"deleted": {"enum": [0, 1]}, "zxid": maybe(INT64)}),
    )
    return {
        "get": _looks("Look at one item, wherever it is.", ref("Peeked")),
        "delete": {
            "summary": "Delete one item for ever, which no consumer holds.",
            "responses": {"200": deleted, **errors(409)},
        },
    }


def _redrive() -> Part:
    arguments: dict[str, Schema] = {
        "to": {**TEXT, "description": "The name of a queue at this endpoint, not of this one."},
        "n": {**INT32, "minimum": 1},
        "ids": sequence(TEXT),
        "place": {"enum": ["dead", "partial"]},
    }
    moved = record({"redriven": _COUNT, "zxid": maybe(INT64)})
    operation = _does("Move items that were put aside to another queue.", arguments, moved, 409)
    operation["requestBody"] = body(
        JSON,
        record(arguments, "n", "ids", "place", additionalProperties=False),
        required=True,
    )
    return operation


def _pause() -> Part:
    arguments = {"reason": TEXT, "force": {"type": "boolean"}}
    return _does("Let no consumer take items until `resume`.", arguments, ref("Charter"), 409)


def _kick() -> Part:
    arguments = {"n": {**INT32, "minimum": 1}, "place": {"enum": ["dead", "partial"]}}
    kicked = record({"kicked": _COUNT, "zxid": maybe(INT64)})
    return _does("Bring items back that were put aside.", arguments, kicked)


def _purge() -> Part:
    purged = record({"purged": _COUNT, "zxid": maybe(INT64)})
    return _does("Forget what waits, of one priority or all.", {"priority": _PRIORITY}, purged)


def _open() -> Part:
    arguments = {
        "session_s": {"type": "number", "minimum": 1},
        "label": TEXT,
        "order": {"enum": list(ORDERS)},
        "on_crash": {"enum": ["requeue", "partial"]},
        "max_deliveries": {**INT32, "minimum": 1},
    }
    operation = _does("Open a consumer.", arguments, ref("Consumer"))
    operation["responses"]["201"] = operation["responses"].pop("200")
    return operation


def _beat() -> Part:
    return {
        "summary": "Keep a consumer alive.",
        "responses": {"200": answer("It is."), **errors(409, 415)},
    }


def _close() -> Part:
    return {
        "summary": "End a consumer; its items are released.",
        "responses": {"204": answer("Ended, or it was none."), **errors()},
    }


def _reserve() -> Part:
    arguments: dict[str, Any] = {
        "n": {**INT32, "minimum": 1, "maximum": 500},
        "wait_s": _SECONDS,
        "done": sequence(TEXT),
        "sync": {"type": "boolean"},
    }
    items = sequence(ref("Delivery"), minItems=1)
    operation = _does("Take items, most urgent and oldest first.", arguments, items, 409)
    operation["parameters"] = [_KEY]
    operation["responses"]["204"] = answer(
        "There were none. `Zkmq-Paused: true` if the queue is paused, and `Zkmq-Looked: false` if "
        "there was no time to look: then this says nothing of the queue."
    )
    operation["responses"] |= errors(408, 409, 413, 415, 422)
    return operation


def _ends(summary: str, **options: Schema) -> Part:
    arguments = {"ids": _IDS, **options}
    schema = record(arguments, *options, additionalProperties=False)
    return {
        "summary": summary,
        "requestBody": body(JSON, schema, required=True),
        "responses": {
            "200": as_json("Done, all of them.", ref("Applied")),
            **errors(408, 409, 413, 415),
        },
    }


def _does(summary: str, arguments: dict[str, Schema], result: Schema, *more: int) -> Part:
    schema = record(arguments, *arguments, additionalProperties=False)
    return {
        "summary": summary,
        "requestBody": body(JSON, schema),
        "responses": {"200": as_json("Done.", result), **errors(408, 413, 415, *more)},
    }


def _looks(summary: str, result: Schema) -> Part:
    return {"summary": summary, "responses": {"200": as_json("Found.", result), **errors()}}
