"""One phase of a run: the order of its workloads, its end, and its limit."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness.common.harness_errors import RunError
from harness.common.progress import Progress
from harness.nemesis.phase_faults import PhaseOfFaults
from harness.running_phase import RunningPhase
from harness.scenario import loading
from harness.scenario.schema import Phase, WorkloadEntry
from harness.workers.pool import Workers


class FakeWorkers:
    """Clients that end at the third look; notes what is started, and when the puts are over."""

    def __init__(self, *, ending: bool = True) -> None:
        self.log: list[str] = []
        self._ending = ending
        self._all: list[SimpleNamespace] = []

    def start(self, entry: WorkloadEntry) -> list[SimpleNamespace]:
        """Start one client."""
        self.log.append(entry.kind)
        self._all.append(SimpleNamespace(running=True, left=3))
        return self._all[-1:]

    def await_first_calls(self, workers: Iterable[SimpleNamespace]) -> None:
        """Look once: all that were started call by then."""
        assert list(workers) == self._all
        self.reap()

    def all_call(self) -> None:
        """Note it once, and who was called by then."""
        told = f"all call: {len(self._all)}"
        self.log += [] if any(line.startswith("all call") for line in self.log) else [told]

    def puts_over(self) -> None:
        """Note it once."""
        self.log += [] if "puts over" in self.log else ["puts over"]

    def faults_over(self) -> None:
        """Note it once."""
        self.log += [] if "faults over" in self.log else ["faults over"]

    def reap(self) -> None:
        """Look after all."""
        for worker in self._all:
            worker.left -= 1
            worker.running = worker.left > 0 or not self._ending


class FakeFaults(AbstractContextManager["FakeFaults"]):
    """Faults that are over after so many looks."""

    def __init__(self, looks: int = 3) -> None:
        self._looks: Iterator[bool] = iter([False] * looks + [True])

    @property
    def over(self) -> bool:
        """Count down."""
        return next(self._looks)

    def raise_failure(self) -> None:
        """Find all well."""

    def __exit__(self, *_: object) -> None:
        """End."""


def phase_of(folder: Path, text: str) -> Phase:
    """Return the first phase of a scenario."""
    path = folder / "x.yaml"
    path.write_text(f"description: d\n{text}")
    return loading.load(path).phases[0]


def play(phase: Phase, workers: FakeWorkers, faults: Any = None) -> None:
    """Play it."""
    RunningPhase(
        phase,
        cast(Workers, workers),
        cast(PhaseOfFaults, faults or FakeFaults()),
        progress=Progress(phase="phase 1"),
        say=lambda _: None,
    ).play(lambda: None)


def test_a_workload_starts_when_its_predecessor_ended(tmp_path: Path) -> None:
    """`after` waits for the end, and the puts are over when those that put have ended."""
    workers = FakeWorkers()
    phase = phase_of(tmp_path, "workload: [{check-all: {after: put-all}}, {put-all: {}}]\n")
    play(phase, workers)
    assert workers.log == ["put-all", "all call: 1", "check-all", "puts over"]


@pytest.mark.parametrize(("looks", "told"), [(1, ["faults over"]), (9, [])])
def test_who_puts_while_there_are_faults_hears_of_their_end(
    tmp_path: Path, looks: int, told: list[str]
) -> None:
    """Once the last one is over, and not before."""
    workers = FakeWorkers()
    put = "workload: [{put-all: {while_faults: true}}]\nfaults: [{kill: {}, down_s: 1}]\n"
    play(phase_of(tmp_path, put), workers, FakeFaults(looks))
    assert workers.log == ["put-all", "all call: 1", *told]


def test_without_workloads_it_ends_with_its_faults(tmp_path: Path) -> None:
    """A phase of faults alone lasts until the last one is over."""
    text = (
        "phases:\n  - workload: [{put-all: {}}]\n  - faults: [{kill: {}, first_s: 0, down_s: 1}]\n"
    )
    path = tmp_path / "x.yaml"
    path.write_text(f"description: d\n{text}")
    faults = FakeFaults()
    play(loading.load(path).phases[1], FakeWorkers(), faults)
    assert next(faults._looks, None) is None


def test_a_phase_beyond_its_limit_is_an_error(tmp_path: Path) -> None:
    """It says which workloads still run."""
    phase = phase_of(tmp_path, "phases: [{limit_s: 0.05, workload: [{put-all: {}}]}]\n")
    message = r"phase 1: expected its end within 0.05 s; still running: put-all"
    with pytest.raises(RunError, match=message):
        play(phase, FakeWorkers(ending=False))
