"""Transactions, `POST multi/v1/`: all operations take effect, or none (rest.md 9)."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from kazoo.exceptions import RolledBackError, RuntimeInconsistency
from kazoo.protocol.serialization import CheckVersion, Create, Delete, SetData, Transaction
from kazoo.protocol.states import ZnodeStat
from starlette.responses import Response

from zkmq.rest.http.http_errors import HttpError
from zkmq.rest.http.representations import stat_fields
from zkmq.rest.http.request_target import INT32, check_path
from zkmq.rest.http.statuses import http_error
from zkmq.rest.resources.rest_call import RestCall
from zkmq.rest.upstream.async_session import AsyncSession

_KEYS = {
    "create": {"op", "path", "data64", "ephemeral", "sequence"},
    "set": {"op", "path", "data64", "version"},
    "delete": {"op", "path", "version"},
    "check": {"op", "path", "version"},
}
_EPHEMERAL, _SEQUENCE = 1, 2
# A JSON body may be longer than the request: base64 makes four bytes of three.
_JSON_FACTOR = 2


async def post(call: RestCall, connection: AsyncSession) -> Response:
    """Apply a JSON list of operations as one transaction.

    The answer's `results` are in the same order. Each has its `path`, which for a create is the
    real one, and for a set the new stat. If an operation fails, nothing is applied, and the answer
    has the status and the `index` of that operation.
    """
    limits = call.config.limits
    operations = _checked(
        await call.json_body(_JSON_FACTOR * limits.packet_bytes, "multi"), limits.operations
    )
    requests = [_request(call, connection, index, op) for index, op in enumerate(operations)]
    size = len(Transaction(requests).serialize())
    if size > limits.packet_bytes - 64:  # the request's own header
        raise HttpError(413, f"multi too large: expected at most {limits.packet_bytes} bytes")
    results = await connection.commit(requests)
    _raise_first_failure(operations, results)
    answers = [_answer(op, result) for op, result in zip(operations, results, strict=True)]
    return call.answer("multi", {"results": answers})


def _checked(body: Any, most: int) -> list[dict[str, Any]]:
    if not isinstance(body, list) or not body:
        raise HttpError(400, "multi bad arguments: expected a list of operations")
    if len(body) > most:
        raise HttpError(413, f"multi too large: expected at most {most} operations")
    for index, operation in enumerate(body):
        if not isinstance(operation, dict) or str(operation.get("op")) not in _KEYS:
            raise _bad(index, f"expected an object with op, one of {', '.join(_KEYS)}")
        if unknown := set(operation) - _KEYS[operation["op"]]:
            raise _bad(index, f"unexpected {', '.join(sorted(unknown))}")
    return body


def _request(
    call: RestCall, connection: AsyncSession, index: int, operation: dict[str, Any]
) -> Any:
    path = operation.get("path")
    if not isinstance(path, str):
        raise _bad(index, "expected path, a string")
    kind = operation["op"]
    flags = _flags(call, index, operation)
    try:
        check_path(f"{path}0" if flags & _SEQUENCE else path)
    except HttpError as error:
        raise _bad(index, error.message) from error
    if kind == "delete" and path == "/":
        raise _bad(index, "the root cannot be deleted")
    rooted = connection.rooted(path) + ("/" if flags and path.endswith("/") else "")
    if kind == "create":
        return Create(rooted, _data(index, operation), connection.acl, flags)
    version = _version(index, operation)
    if kind == "set":
        return SetData(rooted, _data(index, operation), version)
    return Delete(rooted, version) if kind == "delete" else CheckVersion(rooted, version)


def _flags(call: RestCall, index: int, operation: dict[str, Any]) -> int:
    values = [operation.get(name, False) for name in ("ephemeral", "sequence")]
    if not all(isinstance(value, bool) for value in values):
        raise _bad(index, "expected ephemeral and sequence to be true or false")
    if values[0] and not call.query.get("session"):
        raise _bad(index, "ephemeral needs session=")
    return (_EPHEMERAL if values[0] else 0) | (_SEQUENCE if values[1] else 0)


def _data(index: int, operation: dict[str, Any]) -> bytes | None:
    text = operation.get("data64", "")
    if text is None:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise _bad(index, "expected data64 in base64, or null") from error


def _version(index: int, operation: dict[str, Any]) -> int:
    version = operation.get("version", -1)
    if not isinstance(version, int) or isinstance(version, bool) or version not in INT32:
        raise _bad(index, f"bad version {version}")
    return version


def _bad(index: int, message: str) -> HttpError:
    return HttpError(400, f"multi[{index}] bad arguments: {message}", extra={"index": index})


def _raise_first_failure(operations: list[dict[str, Any]], results: list[Any]) -> None:
    failures = [
        (index, result)
        for index, result in enumerate(results)
        if isinstance(result, Exception)
        and not isinstance(result, RolledBackError | RuntimeInconsistency)
    ]
    if not failures:
        return
    index, cause = failures[0]
    # The server answered, so certainly nothing was applied.
    error = http_error(cause, f"multi[{index}] {operations[index]['path']}", changes=False)
    raise HttpError(error.status, error.message, headers=error.headers, extra={"index": index})


def _answer(operation: Mapping[str, Any], result: Any) -> dict[str, object]:
    path = result if isinstance(result, str) else operation["path"]
    answer = {"op": operation["op"], "path": path}
    return answer | stat_fields(result) if isinstance(result, ZnodeStat) else answer
