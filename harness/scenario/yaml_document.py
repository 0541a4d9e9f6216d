"""A YAML file with the line of each of its keys, so that an error can name the place.

Only what JSON can say is read: mappings, lists, text, numbers, true, false and null. How much a
file may hold is bounded before anything is built from it, so that no file hangs who reads it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from harness.common import files
from harness.common.harness_errors import ScenarioError

Place = tuple[str | int, ...]

HINT: Final = " (`harness list` shows what there is)"
MAX_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 30
MAX_VALUES: Final = 200_000
"""Values of a document, with each alias counted as all that it stands for."""
MAX_DIGITS: Final = 100
MAX_INT: Final = 2**63 - 1  # what results.json and the history can hold

_YAML = "tag:yaml.org,2002:"
_SCALARS = {_YAML + kind for kind in ("null", "bool", "int", "float", "str")}
_CONTROL = re.compile("[^\\t\\n\\x20-\\x7e\\xa0-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
_scalars = yaml.constructor.SafeConstructor()


@dataclass(frozen=True, slots=True)
class Document:
    """What a file holds, and where each key stands.

    Attributes:
        text: the file as it was read.
        data: the root mapping.
        lines: line number, from 1, of each key and list element by its place.
    """

    path: Path
    text: str
    data: dict[str, Any]
    lines: dict[Place, int]

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "Document":
        """Return a document that stands in no file."""
        return cls(Path("scenario"), "", dict(data), {})

    def where(self, place: Sequence[str | int]) -> str:
        """Return `file:line: key` of a place; the nearest known one gives the line."""
        steps = tuple(place)
        known = steps
        while known and known not in self.lines:
            known = known[:-1]
        where, key = f"{self.path}:{self.lines.get(known, 1)}", dotted(steps)
        return f"{where}: {key}" if key else where

    def error(self, place: Sequence[str | int], message: str) -> ScenarioError:
        """Make the error `file:line: key: message`."""
        return ScenarioError(f"{self.where(place)}: {message}")


def load(path: Path) -> Document:
    """Read a YAML file whose root is a mapping.

    Raises:
        ScenarioError: no such file, not YAML, more than a file may hold, a key twice, or the root
            is something else.
    """
    return parse(path, _read(path))


def parse(path: Path, text: str) -> Document:
    """Read the text of a file whose root is a mapping. Same errors as `load`."""
    root = _root(path, text)
    if not isinstance(root, yaml.MappingNode):
        raise ScenarioError(f"{path}:1: expected a mapping of keys, got {_kind(root)}")
    document = Document(path, text, {}, {})
    document.data.update(_built(document, root, ()))
    return document


def value(text: str, where: str) -> Any:
    """Read one value as it may stand in a file, such as a setting of the command line.

    Raises:
        ScenarioError: it cannot stand in a file; `where:line: expected X, got Y`.
    """
    root = _root(where, text)
    return None if root is None else _built(Document(Path(where), text, {}, {}), root, ())


def _root(where: str | Path, text: str) -> yaml.Node | None:
    try:
        _require_bounds(text)
        return yaml.compose(text, Loader=yaml.CSafeLoader)
    except UnicodeEncodeError as error:  # the command line's bytes may be anything
        raise ScenarioError(f"{where}: expected UTF-8, got {error.object!r}") from error
    except yaml.YAMLError as error:
        line, problem = _told(error, text.encode())
        raise ScenarioError(f"{where}:{line}: {problem}") from error


def dotted(place: Sequence[str | int]) -> str:
    """Write a place as a person would: `faults[1].kill.target`."""
    text = ""
    for step in place:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text


def _read(path: Path) -> str:
    try:
        return files.read(path, "YAML file", at_most=MAX_BYTES, hint=HINT).decode()
    except UnicodeDecodeError as error:
        raise files.unreadable(path, "YAML file", "bytes that are not UTF-8") from error


@dataclass(slots=True)
class _Open:
    """A mapping or list whose end has not come yet."""

    anchor: str | None
    values: int = 1


def _require_bounds(text: str) -> None:
    """Walk over the parser's events, before anything is built. O(bytes).

    Raises:
        _BoundError: more than one document, too deep, or too much.
    """
    open_: list[_Open] = []
    sizes: dict[str, int] = {}
    documents = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            _bound(event, documents, 1, "one document")
        elif isinstance(event, yaml.CollectionStartEvent):
            open_.append(_Open(event.anchor))
            _bound(event, len(open_), MAX_DEPTH, f"at most {MAX_DEPTH} levels")
        elif isinstance(event, yaml.CollectionEndEvent | yaml.ScalarEvent | yaml.AliasEvent):
            _add(event, open_, sizes)


def _add(
    event: yaml.CollectionEndEvent | yaml.ScalarEvent | yaml.AliasEvent,
    open_: list[_Open],
    sizes: dict[str, int],
) -> None:
    """Count the values that end here, in what holds them and under their anchor."""
    size, anchor = 1, None
    if isinstance(event, yaml.AliasEvent):
        inside = any(o.anchor == event.anchor for o in open_)
        _bound(event, int(inside), 0, "an alias of something that is over")
        size = sizes.get(event.anchor or "", 1)  # the composer complains of an unknown one
    elif isinstance(event, yaml.ScalarEvent):
        anchor = event.anchor
    else:
        size, anchor = (ended := open_.pop()).values, ended.anchor
    if anchor is not None:
        sizes[anchor] = size
    if open_:
        open_[-1].values += size
        _bound(event, open_[-1].values, MAX_VALUES, f"at most {MAX_VALUES} values")


class _BoundError(yaml.MarkedYAMLError):
    """A document holds more than it may; its problem is a sentence for the user."""


def _bound(event: Any, got: int, most: int, expected: str) -> None:
    if got > most:
        raise _BoundError(problem=f"expected {expected}", problem_mark=event.start_mark)


def _built(document: Document, node: yaml.Node, place: Place) -> Any:
    """Return what a node stands for, and note the lines of its keys and elements."""
    if isinstance(node, yaml.MappingNode) and node.tag == _YAML + "map":
        return dict(_entries(document, node, place))
    if isinstance(node, yaml.SequenceNode) and node.tag == _YAML + "seq":
        return [
            _built(document, _at(document, (*place, number), value), (*place, number))
            for number, value in enumerate(node.value)
        ]
    return _scalar(document, node, place)


def _entries(document: Document, node: yaml.MappingNode, place: Place) -> Iterator[tuple[str, Any]]:
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag not in _SCALARS:
            line = key.start_mark.line + 1
            raise ScenarioError(f"{document.path}:{line}: expected a word as key, got {_kind(key)}")
        inner = (*place, _printable(document, place, key))
        twice = inner in document.lines
        _at(document, inner, key)
        if twice:
            raise document.error(inner, "expected each key once, got it twice")
        yield key.value, _built(document, value, inner)


def _at(document: Document, place: Place, node: yaml.Node) -> yaml.Node:
    document.lines[place] = node.start_mark.line + 1
    return node


def _scalar(document: Document, node: yaml.Node, place: Place) -> Any:
    if not isinstance(node, yaml.ScalarNode) or node.tag not in _SCALARS:
        wanted = "a mapping, a list, text, a number, true, false or null"
        raise document.error(place, f"expected {wanted}, got {_kind(node)}; quote what is text")
    if node.tag == _YAML + "str":
        return _printable(document, place, node)
    try:
        return _plain(node)
    except (yaml.YAMLError, ValueError, ArithmeticError, LookupError) as error:
        told = node.value if len(node.value) <= MAX_DIGITS else f"{node.value[:20]}..."
        complaint = f"expected a number of at most 64 bits, got {told!r}"
        raise document.error(place, complaint) from error


def _plain(node: yaml.Node) -> Any:
    """Return null, a truth or a number; ValueError, or another, for `0x_` and its like."""
    if len(node.value) > MAX_DIGITS:
        raise ValueError
    value = _scalars.yaml_constructors[node.tag](_scalars, node)
    if isinstance(value, int) and not -MAX_INT <= value <= MAX_INT:
        raise ValueError
    return value


def _printable(document: Document, place: Place, node: yaml.Node) -> str:
    text: str = node.value
    if (found := _CONTROL.search(text)) is not None:
        raise document.error(place, f"expected printable text, got {found[0]!r} in it")
    return text


def _kind(node: yaml.Node | None) -> str:
    if node is None:
        return "an empty file"
    kinds = {"seq": "a list", "map": "a mapping", "null": "null", "str": "text"}
    kind = node.tag.removeprefix(_YAML)
    return kinds.get(kind, f"a value of kind {kind!r}")


def _told(error: yaml.YAMLError, text: bytes) -> tuple[int, str]:
    """Return the line, from 1, and the words of what the parser complained of."""
    if isinstance(error, yaml.reader.ReaderError):
        return text[: error.position].count(b"\n") + 1, f"expected YAML, got: {error.reason}"
    mark = getattr(error, "problem_mark", None)
    line = mark.line + 1 if mark is not None else 1
    problem = getattr(error, "problem", None) or "no YAML"
    return line, problem if isinstance(error, _BoundError) else f"expected YAML, got: {problem}"
