"""Write a scenario for people: one line an entry, under comments that say where it comes from."""

from collections.abc import Sequence
from typing import Any

import yaml

from harness.search.shrink import Data

WIDTH = 110


def text(data: Data, comments: Sequence[str]) -> str:
    """Return a scenario with its phases spelled out as YAML, under these lines of comment."""
    phases = [
        {key: _lines(value) if isinstance(value, list) else value for key, value in phase.items()}
        for phase in data["phases"]
    ]
    body = yaml.dump(
        {**data, "description": _Block(data["description"].strip() + "\n"), "phases": phases},
        Dumper=_Dumper,
        sort_keys=False,
        width=WIDTH,
        allow_unicode=True,
        default_flow_style=None,
    )
    return "".join(f"# {line}\n" for line in comments) + body


class _Line(dict[str, Any]):
    """A mapping that is written on one line."""


class _Block(str):
    """A text that is written as a literal block."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """The safe dumper, which also writes the two classes above."""


def _lines(entries: Sequence[Data]) -> list[Data]:
    return [_Line(entry) for entry in entries]


def _represent_line(dumper: yaml.SafeDumper, entry: _Line) -> yaml.Node:
    return dumper.represent_mapping("tag:yaml.org,2002:map", entry, flow_style=True)


def _represent_block(dumper: yaml.SafeDumper, block: _Block) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", str(block), style="|")


_Dumper.add_representer(_Line, _represent_line)
_Dumper.add_representer(_Block, _represent_block)
