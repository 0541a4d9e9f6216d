"""The undo ledger: what was done to a quorum and not yet undone, on disk before it is done.

One file for each quorum, one JSON object a line: an injection with its `owner`, or `{"end": id}`.
`harness clean`, `heal` and the next run heal each open entry whose owner is gone.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cluster.engine import labels


class LedgerFile:
    """The ledger of one quorum."""

    def __init__(self, run: str) -> None:
        self.path = folder() / f"{run}.jsonl"

    def begin(self, entry: Mapping[str, Any]) -> None:
        """Note an injection, before it is done: `id`, and what its undoing needs."""
        self._append({**entry, "owner": str(labels.Owner.me())})

    def end(self, id: int) -> None:
        """Note that it is undone, or was never done."""
        self._append({"end": id})

    def open(self) -> list[dict[str, Any]]:
        """Return the entries that were not undone, in order; ignore a line cut off by a kill."""
        entries: dict[int, dict[str, Any]] = {}
        for line in self._lines():
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                continue  # it was cut off before its injection was begun
            if "end" in entry:
                entries.pop(entry["end"], None)
            else:
                entries[entry["id"]] = entry
        return list(entries.values())

    def left(self) -> list[dict[str, Any]]:
        """Return the open entries that are not `held`: no process will undo them."""
        return [entry for entry in self.open() if not held(entry)]

    def remove(self) -> None:
        """Delete the file; for a quorum that is gone or renewed."""
        self.path.unlink(missing_ok=True)

    def _append(self, entry: Mapping[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            # On a line of its own, also behind one that was cut off.
            file.write("\n" + json.dumps(entry) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _lines(self) -> list[str]:
        try:
            return self.path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:  # nothing was begun, or another process has just removed it
            return []


def held(entry: Mapping[str, Any]) -> bool:
    """Tell whether an entry's owner lives, or its time (by hand) is not over yet."""
    owner = labels.Owner.parse(entry["owner"])
    if owner.alive():
        return True
    # A machine that was started again counts its uptime anew.
    return owner.boot == labels.Owner.me().boot and entry.get("until_s", 0) > uptime_s()


def uptime_s() -> float:
    """Return the machine's uptime, which all processes share and no fault moves."""
    return float(Path("/proc/uptime").read_text().split()[0])


def known() -> set[str]:
    """Return the runs that have a ledger here."""
    return {path.stem for path in folder().glob("*.jsonl")}


def folder() -> Path:
    """Return where ledgers are kept: one folder for this user, whichever checkout runs."""
    state = os.environ.get("XDG_STATE_HOME")
    home = Path.home() / ".local" / "state"
    base = Path(state) if state else home
    writable = os.access(base if base.exists() else Path.home(), os.W_OK)
    return (base if writable else Path(tempfile.gettempdir())) / "zkmq" / "ledgers"
