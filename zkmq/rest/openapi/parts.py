"""The parts of an operation in OpenAPI: parameters, bodies, answers and errors."""

from typing import Any

from zkmq.rest.http.negotiation import JSON, JSONP, OCTETS, XML
from zkmq.rest.openapi.schemas import TEXT, Schema, ref

Part = dict[str, Any]

# The errors that any operation on an endpoint may answer.
_ALWAYS = (400, 401, 403, 404, 406, 414, 431, 500, 502, 503, 504)
_ERRORS = {
    400: "An argument, a path or a name that cannot be meant.",
    401: "An unknown or expired session, or HTTP authentication is required.",
    403: "Not permitted by the access control list, or the endpoint is read-only.",
    404: "No such znode, session or resource.",
    406: "None of the acceptable representations is offered.",
    408: "The body did not arrive in time.",
    409: "The znode exists, or has children; or the items are not held.",
    412: "The version or the tag does not match.",
    413: "Larger than ZooKeeper takes.",
    414: "The URL is too long.",
    415: "The body is announced as another type.",
    422: "The Idempotency-Key was used for another request.",
    429: "The queue is full.",
    431: "The headers are too long.",
    500: "A fault of the gateway.",
    502: "Another failure in ZooKeeper.",
    503: "ZooKeeper, or room for one more, is not there at present.",
    504: "No answer in time; a write's outcome may be unknown.",
}


def query(name: str, schema: Schema, description: str, *, required: bool = False) -> Part:
    """Describe a query parameter."""
    where = {"name": name, "in": "query", "required": required}
    return {**where, "description": description, "schema": schema}


def in_path(name: str, description: str) -> Part:
    """Describe a part of the path."""
    schema = {"type": "string", "minLength": 1}
    return {
        "name": name, "in": "path", "required": True, "description": description, "schema": schema
    }  # fmt: skip


def header(name: str, schema: Schema, description: str) -> Part:
    """Describe a request header."""
    return {"name": name, "in": "header", "description": description, "schema": schema}


def flag(name: str, description: str) -> Part:
    """Describe a query parameter that is set if its value is exactly `true`."""
    return query(name, {"enum": ["true", "false"]}, description)


def body(media: str, schema: Schema, *, required: bool = False) -> Part:
    """Describe a request body."""
    return {"required": required, "content": {media: {"schema": schema}}}


def answer(description: str, name: str | None = None, *, octets: bool = False) -> Part:
    """Describe an answer: a schema in every format, or no body."""
    if name is None:
        return {"description": description}
    content: Part = {JSON: {"schema": ref(name)}, XML: {"schema": TEXT}, JSONP: {"schema": TEXT}}
    if octets:
        content[OCTETS] = {"schema": {}}
    return {"description": description, "content": content}


def as_json(description: str, schema: Schema) -> Part:
    """Describe an answer that is always JSON."""
    return {"description": description, "content": {JSON: {"schema": schema}}}


def errors(*statuses: int) -> Part:
    """Describe the errors of an operation: those of any operation, and `statuses`."""
    every = sorted({*_ALWAYS, *statuses})
    return {str(status): answer(_ERRORS[status], "Error", octets=True) for status in every}
