"""The operations on queues in the OpenAPI document (rest.md 11)."""

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

_MANY: Schema = {**INT32, "minimum": 1}
_UP_TO_500: Schema = {**_MANY, "maximum": 500}
_FLAG: Schema = {"type": "boolean"}
_CONSUMER: dict[str, Schema] = {
    "session_s": {"type": "number", "minimum": 1},
    "label": TEXT,
    "order": {"enum": list(ORDERS)},
    "on_crash": {"enum": ["requeue", "partial"]},
    "max_deliveries": _MANY,
}
_KEY = header(
    "Idempotency-Key",
    {"type": "string", "pattern": "^[!-~]{1,200}$"},
    "The same key again: done once, and the same answer.",
)


def paths() -> dict[str, Part]:
    """Return the resources of a queue."""
    queue = in_path("queue", "The queue: the znode of this name below the endpoint's root.")
    named = (
        in_path("consumer", "The consumer."),
        in_path("item", "The item's id, or its name in any delivery."),
    )
    return {
        f"/queues/v1/{{queue}}/{below}": {
            "parameters": [queue, *(each for each in named if f"{{{each['name']}}}" in below)],
            **operations,
        }
        for below, operations in (_of_queue() | _of_consumer()).items()
    }


def _of_queue() -> dict[str, Part]:
    other = {**TEXT, "description": "The name of a queue at this endpoint, not of this one."}
    aside: dict[str, Schema] = {"n": _MANY, "place": {"enum": ["dead", "partial"]}}
    pause: dict[str, Schema] = {"reason": TEXT, "force": _FLAG}
    return {
        "items": {"get": _peek(), "post": _put()},
        "items/{item}": {
            "get": _looks("Look at one item, wherever it is.", ref("Peeked")),
            "delete": _delete(),
        },
        "stats": {"get": _looks("How many items are where.", ref("Stats"))},
        "kick": _does("Bring items back that were put aside.", aside, _changed("kicked")),
        "redrive": _does(
            "Move items that were put aside to another queue.",
            {"to": other, **aside, "ids": sequence(TEXT)},
            _changed("redriven"),
            409,
            required="to",
        ),
        "purge": _does(
            "Forget what waits, of one priority or all.",
            {"priority": _PRIORITY},
            _changed("purged"),
        ),
        "pause": _does("Let no consumer take items until `resume`.", pause, ref("Charter"), 409),
        "resume": _does("Let consumers take items again.", {}, ref("Charter"), 409),
        "consumers": _does("Open a consumer.", _CONSUMER, ref("Consumer"), status="201"),
    }


def _of_consumer() -> dict[str, Part]:
    keep = {
        "summary": "Keep a consumer alive.",
        "responses": {"200": answer("It is."), **errors(409, 415)},
    }
    end = {
        "summary": "End a consumer; its items are released.",
        "responses": {"204": answer("Ended, or it was none."), **errors()},
    }
    return {
        "consumers/{consumer}": {"put": keep, "delete": end},
        "consumers/{consumer}/reserve": _reserve(),
        "consumers/{consumer}/done": _ends("Acknowledge items: they are gone for ever."),
        "consumers/{consumer}/release": _ends(
            "Give items back.", delay_s=_SECONDS, to={"enum": ["place", "back"]}
        ),
        "consumers/{consumer}/bury": _ends("Put items aside until `kick`.", reason=TEXT),
        "consumers/{consumer}/touch": _ends("Start the items' time to run anew."),
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
            query("n", _UP_TO_500, "How many."),
            query("place", {"enum": ["items", "dead", "partial", "delayed"]}, "Where."),
        ]
    }


def _delete() -> Part:
    deleted = as_json(
        "How many were deleted: 0 if there is no such item any more.",
        record({"deleted": {"enum": [0, 1]}, "zxid": maybe(INT64)}),
    )
    return {
        "summary": "Delete one item for ever, which no consumer holds.",
        "responses": {"200": deleted, **errors(409)},
    }


def _reserve() -> Part:
    arguments = {"n": _UP_TO_500, "wait_s": _SECONDS, "done": sequence(TEXT), "sync": _FLAG}
    items = sequence(ref("Delivery"), minItems=1)
    part = _does("Take items, most urgent and oldest first.", arguments, items, 409, 422)
    part["post"]["parameters"] = [_KEY]
    part["post"]["responses"]["204"] = answer(
        "There were none. `Zkmq-Paused: true` if the queue is paused, and `Zkmq-Looked: false` if "
        "there was no time to look: then this says nothing of the queue."
    )
    return part


def _ends(summary: str, **options: Schema) -> Part:
    arguments = {"ids": sequence(TEXT, minItems=1), **options}
    part = _does(summary, arguments, ref("Applied"), 409, required="ids")
    part["post"]["responses"]["200"]["description"] = "Done, all of them."
    return part


def _does(
    summary: str,
    arguments: dict[str, Schema],
    result: Schema,
    *more: int,
    required: str | None = None,
    status: str = "200",
) -> Part:
    """Describe a POST of JSON arguments; `more` are its errors beside those of all of them."""
    optional = [name for name in arguments if name != required]
    schema = record(arguments, *optional, additionalProperties=False)
    return {
        "post": {
            "summary": summary,
            "requestBody": body(JSON, schema, required=required is not None),
            "responses": {status: as_json("Done.", result), **errors(408, 413, 415, *more)},
        }
    }


def _changed(what: str) -> Schema:
    return record({what: _COUNT, "zxid": maybe(INT64)})


def _looks(summary: str, result: Schema) -> Part:
    return {"summary": summary, "responses": {"200": as_json("Found.", result), **errors()}}
