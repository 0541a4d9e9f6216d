"""What each release does with each kind of damaged file: scenarios made, run, and put in a table.

`python tests/proofs/damage_table.py` prints the table of docs/faults.md. `--releases 3.9.6` makes
a part of it. Each cell is a scenario of its own: three servers, 50 items, and one file damaged: of
one follower, which is down or runs, or of all servers, which are down.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import yaml

from cluster.lending import Kept
from harness.commands.running.launch import launch, prepare
from harness.common.harness_errors import HistoryError, RunError, TargetError
from harness.common.settings.quorum_config import Release
from harness.faults.corrupt import OF_RECORDS, OF_THE_DOWN
from harness.scenario import loading
from harness.view import Silent

ITEMS = 50
WHO = {"down": "a follower, down", "running": "a follower, running", "all": "all, down"}
FILES = ("log", "snapshot", "epoch")
HOWS = (
    "flip-bit",
    "truncate",
    "empty",
    "zero-length",
    "drop-record",
    "swap-records",
    "old-snapshot",
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One kind of damage, to which file of whom, in one release."""

    how: str
    file: str
    who: str
    release: str

    def scenario(self) -> dict[str, Any]:
        """Return the scenario that shows what the release does."""
        target = "all" if self.who == "all" else "f"
        corrupt = {"how": self.how, "file": self.file, "target": target}
        faults: list[dict[str, Any]] = [
            {"name": "down", "kill": {"target": target}},
            {"corrupt": corrupt},
            {"start": {"target": target}},
        ]
        if self.who == "running":
            faults = [{"corrupt": corrupt | {"running": True}}, {"restart": {"target": "f"}}]
        return {
            "description": f"{self.how} of {self.file} of {WHO[self.who]}, in {self.release}.",
            "cluster": {"nodes": 3, "zookeeper": self.release},
            "bind": {"f": "a follower"},
            "budget": "majority",
            "phases": [{"workload": [{"put-all": {"count": ITEMS}}]}, {"faults": faults}],
        }


def cells(releases: list[str]) -> Iterator[Cell]:
    """Yield all that can be: some damage is of logs alone, and some needs a server that is down."""
    for release in releases:
        for how in HOWS:
            files = ("log",) if how in OF_RECORDS or how == "old-snapshot" else FILES
            for file in files:
                for who in WHO:
                    if who != "running" or how not in OF_THE_DOWN:
                        yield Cell(how, file, who, release)


def outcome(results: Mapping[str, Any], who: str) -> str:
    """Return in a few words what the damaged servers did, by a judged run."""
    checks = {check["name"]: check for check in results["checks"]}
    reasons = {reason for check in checks.values() for reason in check["reasons"]}
    patterns = checks.get("server-logs", {}).get("details", {}).get("patterns", {})
    silent = "" if patterns.get("corrupt-log") or patterns.get("severe") else ", without a word"
    if "server-lost" in reasons:
        return "refuses to start"
    if lost := results["counts"]["lost"]:
        return f"starts, {lost} of {ITEMS} items lost{silent}"
    if "replicas-differ" in reasons:
        return f"starts, and differs for good{silent}"
    if results["verdict"] == "invalid":
        return f"starts; {', '.join(sorted(reasons))}"
    bit = {fault["name"]: fault["outcome"] for fault in results["faults"]}.get("corrupt")
    if bit != "installed":
        return "not possible"
    return "starts with all" if who == "all" else "starts, and has all again"


def table(found: Mapping[Cell, str]) -> str:
    """Return the table in Markdown: a row for each damage, a column for each release."""
    releases = list(dict.fromkeys(cell.release for cell in found))
    rows = dict.fromkeys((cell.how, cell.file, cell.who) for cell in found)
    lines = [f"| damage | of | {' | '.join(releases)} |", "|---" * (2 + len(releases)) + "|"]
    for how, file, who in rows:
        told = [found.get(Cell(how, file, who, release), "") for release in releases]
        lines.append(f"| `{how}` of {file} | {WHO[who]} | {' | '.join(told)} |")
    return "\n".join(lines)


def main() -> int:
    """Run all scenarios on one quorum after the other, and print the table as it grows."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--releases", nargs="+", choices=get_args(Release), default=None)
    options.add_argument("--how", nargs="+", choices=HOWS, default=HOWS)
    chosen = options.parse_args()
    found: dict[Cell, str] = {}
    with tempfile.TemporaryDirectory() as place, closing(Kept(say=_tell)) as quorum:
        for cell in cells(chosen.releases or sorted(get_args(Release))):
            if cell.how in chosen.how:
                found[cell] = _run(cell, Path(place), quorum)
                _tell(f"{cell.scenario()['description']} {found[cell]}")
    print(table(found))
    return 0


def _run(cell: Cell, folder: Path, quorum: Kept) -> str:
    file = folder / "cell.yaml"
    file.write_text(yaml.safe_dump(cell.scenario(), sort_keys=False))
    loaded = loading.load(file)
    into = prepare(file, loaded, folder)
    try:
        results = launch(loaded, "cell", into, Silent(), lend=quorum.lend).results
    except (TargetError, RunError, HistoryError) as error:
        told = str(error)
        return "no server starts" if "serving and one leader" in told else f"no verdict: {told:.80}"
    if results.get("interrupted"):  # a run makes a verdict of Ctrl-C; the table ends with it
        raise KeyboardInterrupt
    return outcome(results, cell.who)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
