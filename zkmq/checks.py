"""Check the arguments of a call before anything is sent.

Each function returns the value, or raises a BadArgumentError that says what was expected.
"""

import inspect
import math
from collections.abc import Collection, Sequence
from typing import Any

from zkmq.errors import BadArgumentError

# 3,170 years. Readers take a longer time in a header for damage.
MOST_ITEM_S = 1e11


def is_async(function: object) -> bool:
    """Whether a call of `function` gives a coroutine; an object may have an async `__call__`."""
    return any(map(inspect.iscoroutinefunction, (function, getattr(function, "__call__", None))))  # noqa: B004


def handler(value: Any) -> None:
    """Check that a worker's handler is a function which does its work when it is called."""
    if not callable(value):
        raise BadArgumentError(f"work: handler: expected a function, got {value!r}")
    if is_async(value):
        raise BadArgumentError(
            f"work: handler: expected a function that does its work when it is called, got the "
            f"async {value!r}; use zkmq.aio.Queue, or call asyncio.run in the handler"
        )
    if inspect.isgeneratorfunction(value) or inspect.isasyncgenfunction(value):
        raise BadArgumentError(
            f"work: handler: expected a function that does its work when it is called, got the "
            f"generator {value!r}; leave out `yield`"
        )


def items(name: str, values: Any, kind: type[object]) -> None:
    """Check that `values` are items as a reserve returns them, and each is there once."""
    if isinstance(values, kind) or not isinstance(values, Collection):
        raise BadArgumentError(f"{name}: expected a list of items, got {values!r}")
    for value in values:
        if not isinstance(value, kind):
            hint = "; give each item by itself, as in done(*items)"
            raise BadArgumentError(
                f"{name}: expected what a reserve returned ({kind.__name__}), got {value!r}"
                f"{hint if isinstance(value, list | tuple) else ''}"
            )
    if len(set(map(id, values))) < len(values):
        raise BadArgumentError(f"{name}: expected each once")


def some_items(values: Sequence[object], kind: type[object]) -> None:
    """Check the items of a call as `done`: as `items`, and at least one."""
    if not values:
        raise BadArgumentError("items: expected at least one, got none")
    items("items", values, kind)


def choice(name: str, value: str, choices: Sequence[str]) -> str:
    """Check that a word is one of `choices`."""
    if value not in choices:
        raise BadArgumentError(f"{name}: expected one of {', '.join(choices)}, got {value!r}")
    return value


def number(name: str, value: Any, least: int, most: int) -> int:
    """Check that a value is an integer from `least` to `most`."""
    if type(value) is not int or not least <= value <= most:
        raise BadArgumentError(f"{name}: expected an integer from {least} to {most}, got {value!r}")
    return value


def seconds(
    name: str, value: Any, *, zero: bool = True, endless: bool = False, most: float = math.inf
) -> float:
    """Check a length of time. It may be 0 with `zero`, and infinite with `endless`."""
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    if not numeric or math.isnan(value) or (math.isinf(value) and not endless):
        raise BadArgumentError(f"{name}: expected a number of seconds, got {value!r}")
    if value < 0 or (not zero and value == 0):
        least = "0 or more" if zero else "more than 0"
        raise BadArgumentError(f"{name}: expected {least}, got {value!r}")
    if value > most:
        raise BadArgumentError(f"{name}: expected at most {most:g}, got {value!r}")
    return float(value)


def item_seconds(name: str, value: Any, *, zero: bool = True) -> float:
    """Check a length of time that the header of an item, or the name of a bucket, can hold."""
    return seconds(name, value, zero=zero, most=MOST_ITEM_S)


def rate(name: str, value: Any) -> float:
    """Check a number of events in a second."""
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    if not numeric or not 0 < value < math.inf:
        raise BadArgumentError(f"{name}: expected more than 0 a second, got {value!r}")
    return float(value)


def text(name: str, value: Any, most: int, *, least: int = 0) -> str:
    """Check that a string has `least` to `most` characters, and that UTF-8 can encode it."""
    if not isinstance(value, str) or not least <= len(value) <= most:
        length = f"{least} to {most}" if least else f"at most {most}"
        got = repr(value[:40]) if isinstance(value, str) else repr(value)[:40]
        raise BadArgumentError(f"{name}: expected a string of {length} characters, got {got}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise BadArgumentError(
            f"{name}: expected text that UTF-8 can hold, got {value[error.start]!r} at character "
            f"{error.start}; is it from an argument or a file name in another encoding?"
        ) from error
    return value


def path(value: Any) -> str:
    """Check that a ZooKeeper server accepts an absolute path; remove a slash at the end."""
    parts = value[1:].rstrip("/").split("/") if isinstance(value, str) else [""]
    fits = all(part not in {"", ".", ".."} and part.isprintable() for part in parts)
    if not fits or not value.startswith("/") or parts[0] == "zookeeper":
        raise BadArgumentError(f"path: expected an absolute path like /queue, got {value!r}")
    return "/" + "/".join(parts)
