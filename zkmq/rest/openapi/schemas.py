"""The bodies of requests and answers, as JSON Schema (rest.md 3, 9)."""

from typing import Any

Schema = dict[str, Any]

INT32: Schema = {"type": "integer", "format": "int32"}
INT64: Schema = {"type": "integer", "format": "int64"}
TEXT: Schema = {"type": "string"}
URI: Schema = {"type": "string", "format": "uri"}
BASE64: Schema = {"type": "string", "contentEncoding": "base64"}

_METADATA: dict[str, Schema] = {
    "czxid": INT64,
    "mzxid": INT64,
    "ctime": {**INT64, "description": "milliseconds"},
    "mtime": {**INT64, "description": "milliseconds"},
    "version": INT32,
    "cversion": INT32,
    "aversion": INT32,
    "ephemeralOwner": INT64,
    "dataLength": INT32,
    "numChildren": INT32,
    "pzxid": INT64,
}


def record(properties: dict[str, Schema], *optional: str, **more: Any) -> Schema:
    """Return the schema of an object with these properties, all required but `optional`."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, **more}


def maybe(schema: Schema) -> Schema:
    """Return the schema of a value that may be null."""
    return {**schema, "type": [schema["type"], "null"]}


def sequence(items: Schema, **more: Any) -> Schema:
    """Return the schema of an array."""
    return {"type": "array", "items": items, **more}


def ref(name: str) -> Schema:
    """Refer to one of the schemas below."""
    return {"$ref": f"#/components/schemas/{name}"}


SCHEMAS: dict[str, Schema] = {
    "Stat": record(
        {"path": TEXT, "uri": URI, "data64": BASE64, "dataUtf8": TEXT, **_METADATA},
        "data64",
        "dataUtf8",
        description="A znode; neither data key where its data is null or not asked for.",
    ),
    "Child": record(
        {
            "path": TEXT,
            "uri": URI,
            "child_uri_template": TEXT,
            "children": sequence(TEXT),
            "stats": sequence(record({"name": TEXT, **_METADATA})),
            "next": {**TEXT, "description": "The `after` of the next page; absent on the last."},
        },
        "stats",
        "next",
    ),
    "Path": record({"path": TEXT, "uri": URI}),
    "Session": record({"id": {"type": "string", "format": "uuid"}, "uri": URI}),
    "Error": record(
        {
            "request": TEXT,
            "message": TEXT,
            "index": {"type": "integer", "description": "The operation that failed."},
            "outcome": {"const": "unknown", "description": "It may have taken effect, or may yet."},
            "error": {"type": "string", "description": "What the queue raised."},
            "clients": {
                "type": "array",
                "items": TEXT,
                "description": "The clients that are too old.",
            },
            "code": {"type": "integer", "description": "ZooKeeper's error number."},
        },
        "index",
        "outcome",
        "error",
        "clients",
        "code",
    ),
    "Operation": record(
        {
            "op": {"enum": ["create", "set", "delete", "check"]},
            "path": {"type": "string", "pattern": "^/"},
            "data64": {**BASE64, "type": ["string", "null"]},
            "version": INT32,
            "ephemeral": {"type": "boolean"},
            "sequence": {"type": "boolean"},
        },
        "data64",
        "version",
        "ephemeral",
        "sequence",
        additionalProperties=False,
    ),
    "Results": record(
        {"results": sequence(record({"op": TEXT, "path": TEXT, **_METADATA}, *_METADATA))}
    ),
    "Readiness": record(
        {
            "ready": {"type": "boolean"},
            "endpoints": {
                "type": "object",
                "additionalProperties": {"enum": ["connected", "disconnected"]},
            },
        }
    ),
}
