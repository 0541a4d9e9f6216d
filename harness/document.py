"""A YAML file with the line of each of its keys, so that an error can name the place."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness.errors import ScenarioError

Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """What the safe loader made of a file, and where each key stands.

    Attributes:
        data: the root mapping.
        lines: line number, from 1, of each key and list element by its place.
    """

    path: Path
    data: dict[str, Any]
    lines: dict[Place, int]

    def error(self, place: Sequence[str | int], message: str) -> ScenarioError:
        """Make the error `file:line: key: message`; the nearest known place gives the line."""
        steps = tuple(place)
        known = steps
        while known and known not in self.lines:
            known = known[:-1]
        where = f"{self.path}:{self.lines.get(known, 1)}"
        key = dotted(steps)
        return ScenarioError(f"{where}: {key}: {message}" if key else f"{where}: {message}")


def load(path: Path) -> Document:
    """Read a YAML file whose root is a mapping.

    Raises:
        ScenarioError: no such file, not YAML, a key twice, or the root is something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(
            f"{path}: expected a readable YAML file, got {_reason(error)}"
        ) from error
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else 1
        problem = getattr(error, "problem", None) or "no YAML"
        raise ScenarioError(f"{path}:{line}: expected YAML, got: {problem}") from error
    if not isinstance(data, dict) or root is None:
        raise ScenarioError(f"{path}:1: expected a mapping of keys, got {_kind(data)}")
    document = Document(path, data, {})
    _walk(document, root, ())
    return document


def dotted(place: Sequence[str | int]) -> str:
    """Write a place as a person would: `faults[1].kill.target`."""
    text = ""
    for step in place:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text


def _walk(document: Document, node: yaml.Node, place: Place) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*place, str(key.value))
            twice = inner in document.lines
            document.lines[inner] = key.start_mark.line + 1
            if twice:
                raise document.error(inner, "expected each key once, got it twice")
            _walk(document, value, inner)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            document.lines[(*place, number)] = value.start_mark.line + 1
            _walk(document, value, (*place, number))


def _kind(data: object) -> str:
    return "an empty file" if data is None else f"a {type(data).__name__}"


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file (`harness list` shows what there is)"
    if isinstance(error, IsADirectoryError):
        return "a directory"
    return "bytes that are not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
