"""The OpenAPI document: all resources of an endpoint and of the gateway."""

from typing import Any

from zkmq.rest.http.negotiation import EVENTS, OCTETS
from zkmq.rest.openapi import queue_operations
from zkmq.rest.openapi.parts import (
    Part,
    answer,
    as_json,
    body,
    errors,
    flag,
    header,
    in_path,
    query,
)
from zkmq.rest.openapi.schemas import INT32, INT64, SCHEMAS, TEXT, ref, sequence
from zkmq.rest.resources.wadl import WADL

_SESSION = query("session", TEXT, "The session to act in; unknown or expired: 401.")
_CALLBACK = query(
    "callback",
    {"type": "string", "pattern": "^[A-Za-z0-9_]+$"},
    "The function's name in a JSONP answer.",
)
_VERSION = query("version", INT32, "The version the znode must have; -1 is any.")
_NULL = flag("null", "Store null and ignore the body.")
_FORMAT = query("dataformat", {"enum": ["base64", "utf8"]}, "How data is given in the answer.")
_IF_MATCH = header("If-Match", TEXT, "ETags of which one must be the znode's.")
_IF_NONE_MATCH = header("If-None-Match", TEXT, "ETags of which none may be the znode's.")
_OCTETS = body(OCTETS, {})


def document() -> dict[str, Any]:
    """Return the OpenAPI document, relative to an endpoint's context path."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ZooKeeper and the queue over HTTP",
            "version": "1",
            "description": "znodes/v1 and sessions/v1 are the interface of ZooKeeper's own REST "
            "gateway (contrib/rest); the rest is added.",
        },
        "paths": {
            "/znodes/v1/{path}": _znode(),
            "/sessions/v1/": {"post": _open_session()},
            "/sessions/v1/{id}": _session(),
            "/multi/v1/": {"post": _multi()},
            **queue_operations.paths(),
            "/application.wadl": {
                "get": _own("The original's description of itself.", _text(WADL))
            },
            "/healthz": {"get": _own("Whether the process is alive.", answer("It is."))},
            "/readyz": {"get": _readiness()},
            "/metrics": {"get": _own("Metrics, for Prometheus.", _text("text/plain"))},
        },
        "components": {"schemas": SCHEMAS | queue_operations.SCHEMAS},
    }


def _znode() -> Part:
    path = in_path("path", "The znode's path without its first slash; its slashes as they are.")
    return {
        "parameters": [path, _SESSION, _CALLBACK],
        "get": _get_znode(),
        "head": {
            "summary": "Whether a znode exists.",
            "parameters": [_IF_NONE_MATCH],
            "responses": {
                "200": answer("It does."),
                "204": answer("It does (octets)."),
                "304": answer("It does, with one of the tags."),
                **_without_bodies(errors()),
            },
        },
        "put": {
            "summary": "Set a znode's data.",
            "parameters": [_VERSION, _NULL, _FORMAT, _IF_MATCH, _IF_NONE_MATCH],
            "requestBody": _OCTETS,
            "responses": {
                "200": answer("The znode, without its data.", "Stat"),
                "204": answer("Done (octets)."),
                **errors(408, 412, 413, 415),
            },
        },
        "post": _create_znode(),
        "delete": {
            "summary": "Delete a znode without children.",
            "parameters": [_VERSION, _IF_MATCH, _IF_NONE_MATCH],
            "responses": {"204": answer("Done."), **errors(409, 412)},
        },
    }


def _get_znode() -> Part:
    found = answer("The znode, or its children.", octets=True)
    found["content"] = answer("", "Stat", octets=True)["content"]
    found["content"]["application/json"] = {"schema": {"anyOf": [ref("Stat"), ref("Child")]}}
    found["content"][EVENTS] = {"schema": {}}
    return {
        "summary": "Read a znode's data or its children, or wait for them to change.",
        "parameters": [
            query("view", {"enum": ["data", "children"]}, "What to read."),
            _FORMAT,
            query("limit", {**INT32, "minimum": 1}, "At most so many children, sorted."),
            query("after", TEXT, "Only children sorted behind this name."),
            flag("stat", "Children with their metadata."),
            query("watch", {"enum": ["data", "children", "exists"]}, "Wait for news of this."),
            query("since", {**INT64, "minimum": 0}, "News is what is newer than this zxid."),
            query("wait", {"type": "number", "minimum": 0}, "Seconds to wait; then 304."),
            _IF_NONE_MATCH,
            header("Last-Event-ID", TEXT, "As `since`, for a stream of events."),
        ],
        "responses": {
            "200": found,
            "204": answer("Null data (octets)."),
            "304": answer("One of the tags is the znode's; or no news."),
            **errors(),
        },
    }


def _create_znode() -> Part:
    return {
        "summary": "Create a znode below this one.",
        "parameters": [
            query("op", {"enum": ["create"]}, "The operation."),
            query("name", TEXT, "The new znode's name.", required=True),
            _NULL,
            flag("sequence", "Append the parent's counter, ten digits."),
            flag("ephemeral", "It ends with the session."),
        ],
        "requestBody": _OCTETS,
        "responses": {
            "201": answer("Its real path; Location is its URL.", "Path", octets=True),
            **errors(408, 409, 413, 415),
        },
    }


def _open_session() -> Part:
    seconds = {**INT32, "minimum": 0}
    return {
        "summary": "Open a session.",
        "parameters": [
            query("op", {"enum": ["create"]}, "The operation.", required=True),
            query("expire", seconds, "Its end, in seconds after the last heart-beat."),
            _CALLBACK,
        ],
        "responses": {"201": answer("The session.", "Session"), **errors()},
    }


def _session() -> Part:
    return {
        "parameters": [in_path("id", "The session.")],
        "put": {
            "summary": "Send a heart-beat.",
            "requestBody": _OCTETS,
            "responses": {"200": answer("Its clock starts again."), **errors(415)},
        },
        "delete": {
            "summary": "Close a session; its ephemeral znodes are gone with the answer.",
            "responses": {"204": answer("Closed, or it was none."), **errors()},
        },
    }


def _multi() -> Part:
    operations = sequence(ref("Operation"), minItems=1, maxItems=1000)
    return {
        "summary": "Apply all of the operations, or none.",
        "parameters": [_SESSION, _CALLBACK],
        "requestBody": body("application/json", operations, required=True),
        "responses": {
            "200": answer("A result for each operation.", "Results"),
            **errors(408, 409, 412, 413, 415),
        },
    }


def _readiness() -> Part:
    states = as_json("Each endpoint's connection to ZooKeeper.", ref("Readiness"))
    return {
        "summary": "Whether requests can be served.",
        "responses": {"200": states, "503": states},
    }


def _own(summary: str, found: Part) -> Part:
    return {"summary": summary, "responses": {"200": found, **errors()}}


def _text(media: str) -> Part:
    return {"description": "Text.", "content": {media: {"schema": TEXT}}}


def _without_bodies(answers: Part) -> Part:
    return {status: answer(part["description"]) for status, part in answers.items()}
