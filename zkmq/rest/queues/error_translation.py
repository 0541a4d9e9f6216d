"""Translate the queue's errors to HTTP statuses and codes, and back."""

from collections.abc import Mapping
from typing import Any

from zkmq import errors
from zkmq.rest.http.http_errors import HttpError
from zkmq.rest.http.statuses import RETRY

# What `inspect` answers with 404; every other 404 is of a wrong path.
NO_SUCH_ITEM = "no-such-item"
# What some errors tell beside their message.
_DETAILS = ("clients", "code")
# The most specific class first: the first that matches is used.
_CODES: tuple[tuple[type[errors.ZkmqError], int, str], ...] = (
    (errors.AckUnknownError, 504, "ack-unknown"),
    (errors.OutcomeUnknownError, 504, "outcome-unknown"),
    (errors.PartlyPutError, 504, "outcome-unknown"),
    (errors.ValueTooLargeError, 413, "value-too-large"),
    (errors.BadArgumentError, 400, "bad-argument"),
    (errors.ConsumerLostError, 409, "consumer-lost"),
    (errors.NotHeldError, 409, "not-held"),
    (errors.ItemHeldError, 409, "item-held"),
    (errors.ClientsTooOldError, 409, "clients-too-old"),
    (errors.QueueFullError, 429, "queue-full"),
    (errors.ClosedError, 503, "closed"),
    (errors.NoQuorumError, 503, "no-quorum"),
    (errors.AccessDeniedError, 403, "access-denied"),
    (errors.ServerRefusedError, 403, "server-refused"),
    (errors.OutdatedClientError, 409, "outdated-client"),
    (errors.IncompatibleTreeError, 404, "incompatible-tree"),
    (errors.NotAppliedError, 503, "not-applied"),
    (errors.ZkmqError, 504, "outcome-unknown"),
)


def to_http(error: errors.ZkmqError, subject: str) -> HttpError:
    """Turn the queue's error into an answer. `error` in its body is the code."""
    status, code = next((s, c) for kind, s, c in _CODES if isinstance(error, kind))
    details = {name: getattr(error, name) for name in _DETAILS if hasattr(error, name)}
    extra: dict[str, object] = {"error": code, **details}
    if not error.definite:
        extra["outcome"] = "unknown"
    headers = RETRY if status in (429, 503) else None
    return HttpError(status, f"{subject} {error}", headers=headers, extra=extra)


def from_http(status: int, body: Mapping[str, Any]) -> errors.ZkmqError:
    """Turn an answer back into the error that the queue raised at the gateway."""
    message = str(body.get("message", f"the gateway answered {status}"))
    code = body.get("error")
    kind = next((k for k, _, c in _CODES if c == code), None)
    if kind is None:
        kind = _by_status(status, body)
    error = kind.__new__(kind)  # without `__init__`, since the message is already complete
    Exception.__init__(error, message)
    for name in _DETAILS:
        if name in body:
            value = body[name]
            setattr(error, name, tuple(value) if isinstance(value, list) else value)
    return error


def _by_status(status: int, body: Mapping[str, Any]) -> type[errors.ZkmqError]:
    """Choose an error for an answer of another server; by default the outcome is unknown."""
    if body.get("outcome") == "unknown" or status >= 500:
        return errors.OutcomeUnknownError
    return errors.AccessDeniedError if status in (401, 403) else errors.BadArgumentError
