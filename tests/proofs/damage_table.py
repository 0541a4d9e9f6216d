"""What each release does with each kind of damaged file: scenarios made, run, and put in a table.

`python tests/proofs/damage_table.py` measures the cells that were not yet, keeps each as soon as
it is known (damage_table.json), and writes the table into docs/faults.md. `--releases 3.9.6` makes
a part of it, `--minutes 4` begins no cell after that time, `--again` measures known cells too. Each
cell is a scenario of its own: three servers, 50 items, and one file damaged: of one follower, which
is down or runs, or of all servers, which are down.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import yaml

from cluster.lending import Kept
from harness.commands.running.launch import launch, prepare
from harness.common.harness_errors import HistoryError, RunError, TargetError
from harness.common.settings.quorum_config import Release
from harness.faults.corrupt import OF_RECORDS, OF_THE_DOWN
from harness.run import check
from harness.scenario import loading
from harness.view import Silent

FOUND = Path(__file__).with_name("damage_table.json")
PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
BEGIN, END = "<!-- damage-table -->\n", "<!-- end -->\n"
RELEASES: tuple[Release, ...] = get_args(Release)  # the newest first
UNKNOWN = "not measured"
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


class NoVerdictError(Exception):
    """A run that does not show what the release does; it has to be repeated."""


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


def cells(releases: Iterable[str] = RELEASES) -> Iterator[Cell]:
    """Yield all that can be: some damage is of logs alone, and some needs a server that is down."""
    for release in releases:
        for how in HOWS:
            files = ("log",) if how in OF_RECORDS or how == "old-snapshot" else FILES
            for file in files:
                for who in WHO:
                    if who != "running" or how not in OF_THE_DOWN:
                        yield Cell(how, file, who, release)


def outcome(results: Mapping[str, Any], who: str) -> str:
    """Return in a few words what the damaged servers did, by a judged run.

    Raises:
        NoVerdictError: nothing was damaged, or not all was seen.
    """
    if (why := undamaged(results)) is not None:
        if "expected a" in why:  # what the file has not, it cannot lose
            return "not possible"
        raise NoVerdictError(why)
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
    if results["verdict"] != "valid":
        raise NoVerdictError(f"the verdict is {results['verdict']}: {', '.join(sorted(reasons))}")
    return "starts with all" if who == "all" else "starts, and has all again"


def which(results: Mapping[str, Any], cell: Cell) -> str:
    """Return which snapshot of a follower was damaged, in brackets: others may be left."""
    if cell.file != "snapshot" or cell.who == "all":
        return ""
    damaged = (fault["evidence"] for fault in results["faults"] if fault["name"] == "corrupt")
    return "".join(f" ({one['file']})" for each in damaged for one in each.get("damaged", ()))


def undamaged(results: Mapping[str, Any]) -> str | None:
    """Return why a run damaged nothing; None if it did."""
    for fault in results["faults"]:
        if fault["name"] == "corrupt":
            installed = fault["outcome"] == "installed"
            return None if installed else str(fault["evidence"].get("why", fault["outcome"]))
    return "it did not come to the damage"


def table(found: Mapping[Cell, str]) -> str:
    """Return the table in Markdown: a row for each damage, a column for each release."""
    rows = dict.fromkeys((cell.how, cell.file, cell.who) for cell in cells())
    lines = [f"| damage | of | {' | '.join(RELEASES)} |", "|---" * (2 + len(RELEASES)) + "|"]
    for how, file, who in rows:
        told = [found.get(Cell(how, file, who, release), UNKNOWN) for release in RELEASES]
        lines.append(f"| `{how}` of {file} | {WHO[who]} | {' | '.join(told)} |")
    return "\n".join(lines)


def written(page: str, found: Mapping[Cell, str]) -> str:
    """Return the page with the table in it."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{table(found)}\n{END}{after}"


def known(kept: str) -> dict[Cell, str]:
    """Return what was found before, as `keep` writes it."""
    return {Cell(**row["cell"]): row["told"] for row in json.loads(kept)}


def keep(cell: Cell, told: str) -> None:
    """Add a cell to those that are known, and to the page."""
    found = known(FOUND.read_text()) | {cell: told}
    rows = [{"cell": asdict(each), "told": found[each]} for each in cells() if each in found]
    FOUND.write_text("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n")
    PAGE.write_text(written(PAGE.read_text(), found))


def main() -> int:
    """Run the scenarios on one quorum after the other; 1 if cells are left that were asked for."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--releases", nargs="+", choices=RELEASES, default=RELEASES)
    options.add_argument("--how", nargs="+", choices=HOWS, default=HOWS)
    options.add_argument("--minutes", type=float, default=float("inf"), help="then end")
    options.add_argument("--again", action="store_true", help="measure known cells too")
    chosen = options.parse_args()
    before = {} if chosen.again else known(FOUND.read_text())
    asked = [c for c in cells(chosen.releases) if c.how in chosen.how and c not in before]
    ends_s, done = time.monotonic() + 60 * chosen.minutes, 0
    with tempfile.TemporaryDirectory() as place, closing(Kept(say=_tell)) as quorum:
        for cell in asked:
            if time.monotonic() > ends_s:
                break
            done += _measured(cell, Path(place), quorum)
    _tell(f"{done} of {len(asked)} cells measured, {len(asked) - done} left")
    print(table(known(FOUND.read_text())))
    return int(done < len(asked))


def _measured(cell: Cell, folder: Path, quorum: Kept) -> bool:
    """Run a cell, and keep what it shows, if it shows something."""
    began_s = time.monotonic()
    try:
        told = _run(cell, folder, quorum)
        keep(cell, told)
    except NoVerdictError as error:
        told = f"no verdict: {error}"
    _tell(f"{cell.scenario()['description']} {told} ({time.monotonic() - began_s:.0f} s)")
    return not told.startswith("no verdict")


def _run(cell: Cell, folder: Path, quorum: Kept) -> str:
    file = folder / "cell.yaml"
    file.write_text(yaml.safe_dump(cell.scenario(), sort_keys=False))
    loaded = loading.load(file)
    into = prepare(file, loaded, folder)
    try:
        results = launch(loaded, "cell", into, Silent(), lend=quorum.lend).results
    except (TargetError, RunError, HistoryError) as error:
        if "serving and one leader" not in str(error):
            raise NoVerdictError(f"{error!s:.200}") from error
        if (why := undamaged(check(loaded, "cell", into))) is not None:
            raise NoVerdictError(f"{why}: {error!s:.200}") from error
        if cell.who != "all":
            raise NoVerdictError(f"two servers are whole, and none led: {error!s:.200}") from error
        return "no server serves"
    if results.get("interrupted"):  # a run makes a verdict of Ctrl-C; the table ends with it
        raise KeyboardInterrupt
    return outcome(results, cell.who) + which(results, cell)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
