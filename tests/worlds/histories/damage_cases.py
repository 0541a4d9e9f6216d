"""What happens to the harness when it is given a damaged file: one case a kind and seed."""

import contextlib
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from harness import run
from harness.common.harness_errors import HarnessError
from harness.common.run_folder import RunFolder
from harness.history.columns import History
from harness.report import judged, junit, markdown, page
from harness.report.junit import Suite
from harness.report.site import causes, run_table, trends
from harness.report.site.shelf import Shelf
from harness.report.terminal import summary_lines
from harness.results import exit_status
from harness.scenario import loading, plan
from worlds.histories import damage
from worlds.histories.by_hand import drained, ended, note, op, returned
from worlds.histories.judged_runs import MS, killed, lives, modes, tree
from worlds.histories.judged_runs import judged as judged_run

SCENARIOS = Path(__file__).parents[3] / "scenarios"
CLAIMS = ("linearizable", "snapshot", "stale", "window", "unordered")
SCENARIO = """\
description: A run that somebody damaged.
seed: 7
cluster: {nodes: 3}
order: relaxed
claim: CLAIM
workload: [{put-all: {count: 3}}, {check-all: {}}]
faults: [{kill: {target: leader}, first_s: 1, down_s: 1}]
recovery_s: 5
availability: {during: kill, max_fraction: 1}
expect: valid
"""
USAGE = 254


@dataclass(frozen=True, slots=True)
class Case:
    """How one damaged file was taken.

    Attributes:
        told: the refusal, or the verdict, or nothing.
        failure: what must not be: a stack, a wrong status, a verdict that was not earned.
    """

    kind: str
    seed: int
    took_s: float
    told: str
    failure: str | None


class Bench:
    """A folder in which damaged files are tried, one after the other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        paths = sorted(SCENARIOS.rglob("*.yaml"))
        self._texts = [path.read_text() for path in paths]
        (folder / "run").mkdir(parents=True)
        self._run = judged_run(
            folder / "run",
            *_events(),
            scenario_text=SCENARIO.replace("CLAIM", "snapshot"),
            came_to_its_end=True,
        )
        self._run.write_json(self._run.versions, {"servers": {"1": "3.9.6"}, "python": "3.11"})
        self._good = {name: self._run.path / name for name in damage.FILES}
        self._good_texts = {name: path.read_text() for name, path in self._good.items()}

    def case(self, kind: str, seed: int) -> Case:
        """Damage a file of a kind as a seed says, and give it to the harness."""
        rng = Random(f"{kind}/{seed}")
        began_s = time.process_time()
        told, failure = "", None
        try:
            told = KINDS[kind](self, rng)
        except HarnessError as error:
            told = str(error)
            if error.exit_status != USAGE or not told.strip():
                failure = f"status {error.exit_status}: {told}"
        except AssertionError as error:
            failure = str(error)
        except Exception:  # noqa: BLE001 -- what this is for
            failure = traceback.format_exc(limit=-6)
        return Case(kind, seed, time.process_time() - began_s, told, failure)

    def of_scenario(self, rng: Random) -> str:
        """Load a scenario, and plan it."""
        path = self._folder / "x.yaml"
        path.write_bytes(damage.scenario(rng, self._texts))
        loaded = loading.load(path)
        assert loaded.title.strip(), "loaded without a description"
        return f"loaded, {len(plan.make(loaded))} injections"

    def of_history(self, rng: Random) -> str:
        """Judge a run again whose history or plan was damaged, and report it once in a while."""
        with self._damaged():
            name = rng.choice(("history.jsonl",) * 9 + ("plan.jsonl",))
            self._good[name].write_bytes(damage.lines(rng, self._good_texts[name]))
            self._run.results.unlink()
            text = SCENARIO.replace("CLAIM", rng.choice(CLAIMS))
            self._run.scenario.write_text(text)
            results = run.check(loading.load(self._run.scenario), "damaged", self._run)
            failed = [c["details"] for c in results["checks"] if "checker-failed" in c["reasons"]]
            # What no checker is defined for is said by this error; any other is a defect.
            broken = [told for told in failed if not told["error"].startswith("HistoryError: ")]
            assert not broken, f"a checker failed: {broken}"
            history = History.load(self._run.history)
            damaged = history.malformed_lines or history.gap_at is not None
            assert not (damaged and results["verdict"] == "valid"), "valid, and lines are damaged"
            self._read(rng)
            return str(results["verdict"])

    def of_results(self, rng: Random) -> str:
        """Read a run back whose results or versions were damaged, as everybody reads it."""
        with self._damaged():
            name = rng.choice(("results.json",) * 9 + ("versions.json",))
            self._good[name].write_bytes(damage.document(rng, self._good_texts[name]))
            rows = Shelf(self._run.path.parent).rows()
            run_table.table(rows, run_table.TableView())
            trends.trends_page(rows)
            causes.causes_page(rows)
            self._read(rng, often=True)
            return "read"

    def _read(self, rng: Random, *, often: bool = False) -> None:
        """Read what a run left as the terminal, CI and, once in a while, people do."""
        results = judged.load(self._run)
        exit_status(results)
        summary_lines(results, "damaged")
        junit.write([Suite.of(results, 1.0)], self._run.path / junit.FILE)
        markdown.summary([(self._run.scenario, results)], {})
        if rng.random() < (0.1 if often else 0.02):
            page.write(self._run)

    @contextlib.contextmanager
    def _damaged(self) -> Iterator[RunFolder]:
        """Put all files of the run right again, whatever was done to them."""
        try:
            yield self._run
        finally:
            for name, text in self._good_texts.items():
                self._good[name].write_text(text)


def _events() -> Iterator[list[dict[str, object]]]:
    """Give a run of everything that a history can hold."""
    yield lives(items=4, lost=())
    yield modes(1, leader=2)
    yield killed(0, node=2, at_ms=20, heal_ms=40)
    yield modes(25, leader=3, down=2)
    batch = {"process": 3, "consumer": "c3", "session": "0x3", "zxid": 90}
    yield op("put", [11, "twelve"], 150 * MS, 151 * MS, process=2, priority=[1, 5], zxid=80)
    yield op("reserve", [11, "twelve"], 152 * MS, 153 * MS, n=2, delivery=[1, 1], **batch)
    yield op("release", [11], 154 * MS, 155 * MS, to="back", **batch)
    yield op("take", "twelve", 156 * MS, 157 * MS, process=4, window=3)
    yield op("reserve", None, 158 * MS, 159 * MS, process=4, read_zxid=91)
    yield op("put", 13, 158 * MS, None, process=5)
    yield returned(3, 160 * MS, "twelve", zxid=92)
    yield note("hold-lost", 161 * MS, consumer="c3", values=["twelve"])
    yield ended(3, 162 * MS, alive_until_ns=155 * MS, zxid=91)
    yield tree(1, 163 * MS, items=[13], claims=[])
    trace = {"pattern": "null-pointer", "frames": ["A.b"], "count": 1, "release": "3.9.6"}
    counted = {"null-pointer": 1}
    yield note("server-log", 163 * MS, node=1, patterns=counted, samples=["x"], traces=[trace])
    yield note("sessions-ended", 164 * MS, node=1, zxids={"0x3": 91}, error=None)
    yield drained(170 * MS, 180 * MS)


KINDS: dict[str, Callable[[Bench, Random], str]] = {
    "scenario": Bench.of_scenario,
    "history": Bench.of_history,
    "results": Bench.of_results,
}
