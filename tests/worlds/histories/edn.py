"""A reader of the EDN that an exported history consists of: maps, keywords, numbers, strings."""

import json
import re
from collections.abc import Iterator
from typing import Any

_WORD = re.compile(r'\s*,?\s*([{}]|"(?:[^"\\]|\\.)*"|[^\s,{}"]+)')


def read(text: str) -> list[Any]:
    """Return every form of a text; keywords as strings with their colon."""
    words = iter(_WORD.findall(text))
    return [_form(word, words) for word in words]


def _form(word: str, words: Iterator[str]) -> Any:
    if word == "{":
        return dict(_pairs(words))
    if word == "nil":
        return None
    return word if word.startswith(":") else json.loads(word)


def _pairs(words: Iterator[str]) -> Iterator[tuple[Any, Any]]:
    for word in words:
        if word == "}":
            return
        yield _form(word, words), _form(next(words), words)
    raise ValueError("EDN: expected '}', got the end of the text")
