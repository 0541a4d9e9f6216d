"""Read JSON arguments. An error names the argument and what was expected."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from zkmq.rest.http.http_errors import HttpError


class JsonArguments:
    """A JSON object of arguments. Every method raises `HttpError` 400 for a bad value.

    Raises:
        HttpError: 400, no object, or a key that is none of `known`.
    """

    def __init__(self, value: Any, where: str, *known: str) -> None:
        if not isinstance(value, Mapping):
            raise HttpError(400, f"{where} bad arguments: expected an object")
        if unknown := sorted(set(value) - set(known)):
            takes = f"one of {', '.join(known)}" if known else "none"
            got = ", ".join(unknown)
            raise HttpError(400, f"{where} bad arguments: expected {takes}, got {got}")
        self._value = value
        self._where = where

    def number(self, name: str, default: float, *, least: float, most: float) -> float:
        """Return a number from `least` to `most`."""
        value = self._value.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._bad(name, f"a number, got {value!r}")
        if not least <= value <= most:  # also refuses NaN
            raise self._bad(name, f"{least:g} to {most:g}, got {value!r}")
        return value

    def integer(self, name: str, default: int, *, least: int, most: int) -> int:
        """Return an integer from `least` to `most`."""
        value = self._value.get(name, default)
        if type(value) is not int or not least <= value <= most:
            raise self._bad(name, f"an integer from {least} to {most}, got {value!r}")
        return value

    def flag(self, name: str) -> bool:
        """Return a boolean; False by default."""
        value = self._value.get(name, False)
        if not isinstance(value, bool):
            raise self._bad(name, f"true or false, got {value!r}")
        return value

    def text(self, name: str, default: str, *choices: str) -> str:
        """Return a string, one of `choices` if there are any."""
        value = self._value.get(name, default)
        if not isinstance(value, str) or (choices and value not in choices):
            expected = f"one of {', '.join(choices)}" if choices else "a string"
            raise self._bad(name, f"{expected}, got {value!r}")
        return value

    def texts(self, name: str, *, required: bool = False) -> list[str]:
        """Return a list of strings; empty by default, unless `required`."""
        value = self._value.get(name, [])
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self._bad(name, "a list of strings")
        if required and not value:
            raise self._bad(name, "at least one")
        return value

    def mapping(self, name: str) -> Mapping[str, str]:
        """Return an object whose values are strings."""
        value = self._value.get(name, {})
        if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
            raise self._bad(name, "an object of strings")
        return value

    def data(self, name: str) -> bytes:
        """Return bytes, given in base64."""
        try:
            return base64.b64decode(self._value[name], validate=True)
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            raise self._bad(name, "base64") from error

    def has(self, name: str) -> bool:
        """Whether an argument is given, and not null."""
        return self._value.get(name) is not None

    def _bad(self, name: str, expected: str) -> HttpError:
        return HttpError(400, f"{self._where} bad arguments: {name}: expected {expected}")
