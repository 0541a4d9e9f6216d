"""Decode the znode path and the query parameters of a request target (rest.md 1.3, 1.4)."""

import re
from urllib.parse import unquote, unquote_to_bytes

from zkmq.rest.http.http_errors import HttpError

_BROKEN_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_ENCODED_SLASH = re.compile("%2f", re.IGNORECASE)
# The characters that ZooKeeper refuses in paths. It sees characters beyond U+FFFF as surrogates.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\uf8ff\ufff0-\uffff\U00010000-\U0010ffff]")
_INTEGER = re.compile(r"[+-]?[0-9]+")
INT32 = range(-(2**31), 2**31)
INT64 = range(-(2**63), 2**63)


def decode_path(raw: str) -> str:
    """Turn the raw (ASCII, percent-encoded) path after `znodes/v1` into a znode path.

    Raises:
        HttpError: 400, the path is not one that ZooKeeper accepts.
    """
    if _ENCODED_SLASH.search(raw):
        raise HttpError(400, f"{raw} bad arguments: %2F inside a path")
    return check_path(_unescape(raw))


def check_path(path: str) -> str:
    """Return `path` if ZooKeeper accepts it.

    Raises:
        HttpError: 400, with what is wrong.
    """
    if path == "/":
        return path
    if not path.startswith("/"):
        raise HttpError(400, f"{path} bad arguments: a path begins with /")
    if _FORBIDDEN.search(path):
        raise HttpError(400, f"{path} bad arguments: a character ZooKeeper refuses")
    for segment in path[1:].split("/"):
        if segment in ("", ".", ".."):
            raise HttpError(400, f"{path} bad arguments: segment {segment!r}")
    return path


def child_path(parent: str, name: str) -> str:
    """Join a znode path and a child's name, which may be several segments, or empty."""
    return f"/{name}" if parent == "/" else f"{parent}/{name}"


class Query:
    """The query parameters of a request, form-decoded. Of a repeated name, the first counts."""

    def __init__(self, query_string: str) -> None:
        self._raw: dict[str, str] = {}
        for part in query_string.split("&") if query_string else ():
            name, _, value = part.partition("=")
            self._raw.setdefault(unquote(name.replace("+", " ")), value)

    def get(self, name: str) -> str | None:
        """Return a parameter's value; None if it is not given.

        Raises:
            HttpError: 400, broken escapes or not UTF-8.
        """
        raw = self._raw.get(name)
        return None if raw is None else _unescape(raw.replace("+", " "))

    def flag(self, name: str) -> bool:
        """Whether a parameter is exactly `true`."""
        return self.get(name) == "true"

    def integer(self, name: str, default: int, subject: str, *, allowed: range = INT32) -> int:
        """Return a decimal integer of `allowed`.

        Raises:
            HttpError: 400 `<subject> bad <name> <value>`.
        """
        text = self.get(name)
        if text is None:
            return default
        # The length bound keeps int() cheap; no allowed number is longer.
        if len(text) > 20 or not _INTEGER.fullmatch(text) or int(text) not in allowed:
            raise HttpError(400, f"{subject} bad {name} {text}")
        return int(text)

    def seconds(self, name: str, default: float, *, most: float) -> float:
        """Return a non-negative number of seconds, at most `most`.

        Raises:
            HttpError: 400, not such a number.
        """
        text = self.get(name)
        if text is None:
            return default
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) or float(text) > most:
            raise HttpError(400, f"bad {name} {text}: expected seconds from 0 to {most:g}")
        return float(text)


def _unescape(raw: str) -> str:
    if "%" not in raw:
        return raw
    if _BROKEN_ESCAPE.search(raw):
        raise HttpError(400, f"{raw} bad arguments: broken escape")
    try:
        return unquote_to_bytes(raw).decode()
    except UnicodeDecodeError as error:
        raise HttpError(400, f"{raw} bad arguments: not UTF-8") from error
