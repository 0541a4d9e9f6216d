"""Runs that were recorded on a real quorum, and are judged anew.

`recorded/NAME/` has history, scenario and plan of one `harness run`, and the story of it.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from harness import run
from harness.common.run_folder import RunFolder
from harness.scenario import loading

RECORDED = Path(__file__).parent / "recorded"
WIPED, STALE, TWIN = "wiped-member-votes", "zookeeper-4925", "wiped-member-votes-disk-kept"

Edit = Callable[[dict[str, Any]], dict[str, Any] | None]
"""Returns an event as it shall be; None to leave it out."""


def judged(name: str, place: Path, edit: Edit | None = None) -> RunFolder:
    """Copy a recorded run to a new folder in `place`, its events edited, and judge it."""
    folder = RunFolder(place / name)
    shutil.copytree(RECORDED / name, folder.path)
    folder.logs.mkdir()
    if edit is not None:
        events = map(msgspec.json.decode, folder.history.read_bytes().splitlines())
        kept = [event for event in map(edit, events) if event is not None]
        lines = (msgspec.json.encode(event | {"index": n}) for n, event in enumerate(kept))
        folder.history.write_bytes(b"\n".join(lines) + b"\n")
    run.check(loading.load(folder.scenario), f"findings/{name}", folder)
    return folder


def story_of(name: str) -> list[str]:
    """Return the lines that the report tells of a run; they were compared with its history."""
    return (RECORDED / name / "story.txt").read_text().splitlines()
