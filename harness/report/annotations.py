"""Annotations of a scenario's file, as GitHub, Gitea and Forgejo read them from a job's output.

`::error file=a.yaml,line=3,title=what::why` shows at that line of the file, and in the list of a
run's errors.
"""

import os
import re
from pathlib import Path
from typing import Literal

from harness.report.batch_summary import Row

Level = Literal["error", "warning", "notice"]

_PLACE = re.compile(r"(?P<file>[^:\n]+):(?P<line>\d+): (?P<text>.*)", re.DOTALL)


def annotation(level: Level, file: Path, text: str, *, title: str) -> str:
    """Return one annotation, in one line; the path is relative to the current folder.

    A text that begins with `FILE:LINE: ` is shown at that line, another at the first.
    """
    line = 1
    if (found := _PLACE.fullmatch(text)) and Path(found["file"]) == file:
        line, text = int(found["line"]), found["text"]
    place = {"file": os.path.relpath(file), "line": str(line), "title": title}
    told = ",".join(f"{key}={_property(value)}" for key, value in place.items())
    return f"::{level} {told}::{_data(text)}"


def of_row(file: Path, row: Row) -> str | None:
    """Return the annotation of a scenario that a person should look at; None if it went well."""
    if row.state == "as expected":
        return None
    if row.state == "skipped":
        return annotation("notice", file, row.reason, title=f"{row.scenario}: skipped")
    expected = f", expected {row.expected}" if row.expected else ""
    return annotation("error", file, row.sentence, title=f"{row.scenario}: {row.verdict}{expected}")


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
