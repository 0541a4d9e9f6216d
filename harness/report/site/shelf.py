"""All runs below a folder, each in one row; a run that has not changed is not read again."""

import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from harness import words
from harness.common import run_clock
from harness.common.harness_errors import ScenarioError
from harness.common.run_folder import RunFolder
from harness.report import judged, page

NOT_JUDGED, DAMAGED, RUNNING = "not judged", "damaged", "running"
VERDICTS = (RUNNING, "invalid", "unknown", "valid", DAMAGED, NOT_JUDGED)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run.

    Attributes:
        name: its folder below the folder of all runs: scenario, then time and seed.
        verdict: the verdict, or why there is none: one of VERDICTS.
        began: from the folder's name; None if it has another one.
        as_expected: None without a verdict.
        because: the reason that the scenario expects; empty for none.
        reasons: of all checks that did not pass.
        cause: the gravest check that did not pass, with its reasons; empty if all passed.
        sentence: the report's headline.
        faults: the kinds of the faults that took effect, in order, each as often as it did.
        releases: of ZooKeeper, such as `3.9.6`.
        gap_s: the longest time without a successful call.
        report: whether it has a report.html.
    """

    name: str
    verdict: str
    report: bool = False
    began: datetime | None = None
    seed: int | None = None
    expect: str = ""
    because: str = ""
    as_expected: bool | None = None
    reasons: tuple[str, ...] = ()
    cause: str = ""
    sentence: str = ""
    acknowledged: int | None = None
    lost: int | None = None
    faults: tuple[str, ...] = ()
    gap_s: float | None = None
    releases: tuple[str, ...] = ()

    @property
    def scenario(self) -> str:
        """The scenario's name."""
        return self.name.rpartition("/")[0]

    @property
    def stamp(self) -> str:
        """The time of its start, as its folder has it; newer ones sort later."""
        return self.name.rpartition("/")[2]

    @property
    def judged(self) -> bool:
        """Whether it has a verdict."""
        return self.as_expected is not None


class Shelf:
    """The runs below a folder. Thread-safe."""

    def __init__(self, runs: Path) -> None:
        self.runs = runs
        self._lock = threading.Lock()
        self._known: dict[Path, tuple[tuple[Any, ...], RunRow]] = {}

    def rows(self) -> list[RunRow]:
        """Return all runs, newest first; only those that changed are read. O(runs)."""
        with self._lock:
            known = {folder: self._looked(folder) for folder in _folders(self.runs)}
            self._known = known
        rows = (row for _, row in known.values())
        return sorted(rows, key=lambda row: (row.stamp, row.name), reverse=True)

    def _looked(self, folder: Path) -> tuple[tuple[Any, ...], RunRow]:
        run = RunFolder(folder)
        running = _in_progress(run)
        files = (run.results, run.versions, folder / page.FILE)
        state = (running, *map(_changed, files))
        before = self._known.get(folder)
        if before is not None and before[0] == state:
            return before
        return state, _row(self.runs, run, running=running)


def _folders(place: Path) -> Iterator[Path]:
    """Yield the folders of runs, without a look into them; links are not followed."""
    try:
        entries = list(os.scandir(place))
    except OSError:
        return  # removed, or not ours to read
    if any(entry.name == "scenario.yaml" and entry.is_file() for entry in entries):
        yield place
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _folders(Path(entry.path))


def _changed(path: Path) -> tuple[int, int] | None:
    """Return what differs once a file was written anew; None without the file."""
    try:
        seen = path.stat()
    except OSError:
        return None
    return seen.st_mtime_ns, seen.st_size


def _in_progress(run: RunFolder) -> bool:
    try:
        run.require_ended()
    except (ScenarioError, OSError):
        return True
    return False


def _row(runs: Path, run: RunFolder, *, running: bool) -> RunRow:
    name = run.path.relative_to(runs).as_posix()
    report = (run.path / page.FILE).is_file()
    began = run_clock.moment(run.path.name.partition("-")[0])
    try:
        results = judged.load_if_any(run)
    except ScenarioError:
        return RunRow(name=name, verdict=DAMAGED, report=report, began=began)
    if results is None or running:
        verdict = RUNNING if running else NOT_JUDGED
        return RunRow(name=name, verdict=verdict, report=report, began=began)
    return RunRow(
        name=name,
        verdict=results["verdict"],
        report=report,
        began=began,
        seed=results["seed"],
        expect=results["expect"],
        because=results["because"] or "",
        as_expected=results["as_expected"],
        reasons=tuple(sorted({why for check in results["checks"] for why in check["reasons"]})),
        cause=_cause(results),
        sentence=words.headline(results, servers=0).sentence,
        acknowledged=results["counts"]["acknowledged"],
        lost=results["counts"]["lost"],
        faults=tuple(f["fault"] for f in results["faults"] if f["outcome"] == "installed"),
        gap_s=results["availability"]["longest_gap_s"],
        releases=_releases(judged.versions(run)),
    )


def _cause(results: Mapping[str, Any]) -> str:
    for check in words.gravest_first(results["checks"]):
        if check["verdict"] == results["verdict"] and check["reasons"]:
            return f"{check['name']}: {', '.join(map(words.meaning, check['reasons']))}"
    return str(results.get("interrupted", ""))


def _releases(versions: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the servers' releases without what their build is called."""
    told = versions.get("zookeeper")
    found = told.values() if isinstance(told, dict) else [told] if told else []
    return tuple(sorted({str(each).partition("-")[0] for each in found}))
