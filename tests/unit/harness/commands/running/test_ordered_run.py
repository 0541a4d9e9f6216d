"""A run in another process: what is done there, and what comes back."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Never

import pytest

from cluster.engine import labels
from harness.commands.running import ordered_run
from harness.commands.running.launch import Ran
from harness.commands.running.ordered_run import Delivered, Order
from harness.common.harness_errors import RunError
from harness.common.run_folder import RunFolder
from harness.scenario import loading
from harness.scenario.schema import Scenario

TEXT = "description: d\nseed: 5\nworkload: [{put-all: {count: 1}}]\n"
Launch = Callable[[Scenario, str, RunFolder], Ran]


@pytest.fixture
def order(tmp_path: Path) -> Order:
    """Return an order."""
    file = tmp_path / "x.yaml"
    file.write_text(TEXT)
    return Order(scenario=loading.load(file), name="x")


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Launch], None]:
    """Give a function that sets what a launch does, in a worker of its own place."""
    monkeypatch.setattr(ordered_run.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(ordered_run, "tidy", lambda _: None)
    monkeypatch.setattr(ordered_run, "publish", lambda *_: None)

    def set_it(launch: Launch) -> None:
        def called(scenario: Scenario, name: str, folder: RunFolder, *_: Any, **__: Any) -> Ran:
            return launch(scenario, name, folder)

        monkeypatch.setattr(ordered_run, "launch", called)

    return set_it


def ends(verdict: str) -> Launch:
    """Return a launch that leaves a file, and this verdict."""

    def launch(_: Scenario, __: str, folder: RunFolder) -> Ran:
        (folder.path / "logs" / "node-1.log").write_text("log")
        return Ran(folder=folder, results={"verdict": verdict}, took_s=3.0)

    return launch


def breaks(_: Scenario, __: str, folder: RunFolder) -> Never:
    """Leave a file, and break off."""
    (folder.path / "logs" / "node-1.log").write_text("log")
    raise RunError("the engine went away")


def place(tmp_path: Path) -> Path:
    """Return where a worker puts its runs."""
    return tmp_path / f"zkmq-campaign-{os.getuid()}"


@pytest.mark.parametrize("launch", [ends("valid"), ends("invalid"), breaks])
def test_the_whole_folder_comes_back(
    order: Order, launched: Callable[[Launch], None], tmp_path: Path, launch: Launch
) -> None:
    """Whatever came of it, what was recorded is kept by who ordered it, and not by the worker."""
    launched(launch)
    delivered = ordered_run.carry_out(order)
    assert list(place(tmp_path).iterdir()) == []
    kept = ordered_run.keep(order, delivered, tmp_path / "runs")
    assert kept is not None
    assert (kept.logs / "node-1.log").read_text() == "log"
    assert kept.scenario.read_text() == TEXT
    assert kept.path.parent == (tmp_path / "runs" / "x").resolve()
    assert kept.path.name == f"{delivered.began}-5"
    assert (tmp_path / "runs" / "latest").resolve() == kept.path


def test_a_run_that_broke_off_says_why(order: Order, launched: Callable[[Launch], None]) -> None:
    """The error of the worker is the order's failure."""
    launched(breaks)
    delivered = ordered_run.carry_out(order)
    assert delivered.results is None
    assert str(delivered.failure) == "the engine went away"


def test_a_valid_run_may_be_left_there(
    order: Order, launched: Callable[[Launch], None], tmp_path: Path
) -> None:
    """Who wants failures only gets the results of the others, without their folders."""
    rare = Order(scenario=order.scenario, name="x", wanted="not valid")
    launched(ends("valid"))
    assert ordered_run.keep(rare, ordered_run.carry_out(rare), tmp_path / "runs") is None
    launched(ends("invalid"))
    assert ordered_run.keep(rare, ordered_run.carry_out(rare), tmp_path / "runs") is not None
    none = Order(scenario=order.scenario, name="x", wanted="none")
    assert ordered_run.keep(none, ordered_run.carry_out(none), tmp_path / "runs") is None


def test_two_runs_that_began_together_have_two_folders(order: Order, tmp_path: Path) -> None:
    """Two workers can begin in one millisecond."""
    packed = ordered_run.pack(tmp_path)
    came = Delivered(results={}, began="20260101T000000.000Z", packed=packed)
    kept = [ordered_run.keep(order, came, tmp_path / "runs") for _ in range(2)]
    first, second = (one.path for one in kept if one is not None)
    assert first.name == "20260101T000000.000Z-5"
    assert second != first


def test_a_run_is_seen_only_when_it_is_whole(tmp_path: Path) -> None:
    """The file by which a folder is known as a run is the last of the archive."""
    for name in ("z.log", "scenario.yaml", "a.log"):
        (tmp_path / name).write_text("")
    with ordered_run.zipfile.ZipFile(ordered_run.io.BytesIO(ordered_run.pack(tmp_path))) as packed:
        assert packed.namelist() == ["a.log", "z.log", "scenario.yaml"]


def test_what_a_killed_worker_left_is_removed(
    order: Order, launched: Callable[[Launch], None], tmp_path: Path
) -> None:
    """The next order removes folders of processes that are gone, and none of those that live."""
    gone = place(tmp_path) / "1-1-killed"  # process 1 began at another time
    alive = place(tmp_path) / f"{os.getpid()}-{labels.start_ticks(os.getpid())}-mine"
    for folder in (gone, alive):
        folder.mkdir(parents=True)
    launched(ends("valid"))
    ordered_run.carry_out(order)
    assert list(place(tmp_path).iterdir()) == [alive]


def test_a_scenario_finds_its_modules_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scenario of a path relative to the orderer's folder knows where its file is."""
    (tmp_path / "x.yaml").write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    here = loading.load(Path("x.yaml"))
    sent = here.for_elsewhere()
    monkeypatch.chdir("/")
    assert sent.folders[0] == str(tmp_path)
    assert here.folders[0] == "/"
