"""Commands whose runs are done by workers: what came of each, and what a stopped campaign does."""

import errno
import json
import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Never
from xml.etree import ElementTree as ET

import pytest

from harness.campaign import line_file, outcome_file
from harness.campaign.outcome_file import read
from harness.commands import harness_command
from harness.commands.running import campaign_of_runs, crew, ordered_run, run_command
from harness.commands.running.crew import Crew
from harness.common.harness_errors import RunError, UnmetError
from worlds.fake_campaign import FakeRun, Workers, have_workers
from worlds.histories.judged_runs import judged, lives

Harness = Callable[..., tuple[int, str]]


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Workers:
    """Have workers in the place of Dask's, which make up their runs."""
    return have_workers(monkeypatch, FakeRun(tmp_path / "begun"))


@pytest.fixture
def harness(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Harness:
    """Give a function that runs the command line as campaign `c`: its status and its output."""
    for name in ("valid", "lost"):
        (tmp_path / f"{name}.yaml").write_text(
            f"description: {name}\nworkload: [{{put-all: {{count: 1}}}}]\n"
        )
    monkeypatch.chdir(tmp_path)
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: str) -> tuple[int, str]:
        campaign = ("--workers", "2", "--campaign", "c")
        monkeypatch.setattr("sys.argv", ["harness", *words, *campaign])
        with pytest.raises(SystemExit) as ended:
            harness_command.main()
        told = capsys.readouterr()
        return int(str(ended.value.code)), told.out + told.err

    return run


def begun() -> list[str]:
    """Return the scenarios of all attempts, in order."""
    path = Path("begun")
    return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []


FILE = Path("runs/campaigns/c/campaign.jsonl")


def test_what_workers_did_is_told_as_ever(workers: Workers, harness: Harness) -> None:
    """Verdicts, folders, junit.xml and status are those of runs that were done here."""
    status, told = harness("run", "valid.yaml", "lost.yaml", "--junit", "junit.xml")
    assert status == 1
    assert "lost: invalid (lost); runs/lost/" in told
    assert "1 of 2 scenarios as expected" in told
    suites = ET.parse("junit.xml").getroot()  # noqa: S314 -- our own file
    assert [(suite.get("name"), suite.get("failures")) for suite in suites] == [
        ("valid", "0"),
        ("lost", "2"),
    ]
    for one in read(FILE).ended.values():
        folder = Path("runs") / one.run
        assert json.loads((folder / "results.json").read_text())["verdict"] == one.verdict
    assert Path("runs/latest").resolve() == folder.resolve()


def test_a_rate_comes_of_a_campaign(workers: Workers, harness: Harness) -> None:
    """`--times` tells the rate, and a valid run has no line of its own."""
    status, told = harness("run", "valid.yaml", "--times", "4")
    assert status == 0
    assert "valid: as expected in 4 of 4 (51 to 100 %) runs" in told
    assert begun() == ["valid"] * 4
    assert "report.html" not in told


def test_what_nobody_could_do_is_unknown_and_done_again(workers: Workers, harness: Harness) -> None:
    """A run whose workers died is unknown, not failed; going on, it is the only one done again."""
    workers.undone = ("lost",)
    status, told = harness("run", "valid.yaml", "lost.yaml", "--junit", "junit.xml")
    assert status == 2
    assert "lost: unknown: 3 workers died with it" in told
    assert "<error message=" in Path("junit.xml").read_text()
    assert read(FILE).ended["2 lost"].attempts == 3
    workers.undone = ()
    status, told = harness("run", "valid.yaml", "lost.yaml")
    assert status == 1
    assert "1 of 2 decided before; going on with 1" in told
    assert begun() == ["valid", "lost"]


def test_a_campaign_that_is_done_does_nothing(workers: Workers, harness: Harness) -> None:
    """The same command again tells the same, and runs nothing."""
    first, _ = harness("run", "valid.yaml", "lost.yaml")
    again, told = harness("run", "valid.yaml", "lost.yaml")
    assert (first, again) == (1, 1)
    assert "1 of 2 scenarios as expected" in told
    assert len(begun()) == 2


def test_a_run_whose_folder_is_gone_is_done_again(workers: Workers, harness: Harness) -> None:
    """What nobody can look at any more is not decided."""
    harness("run", "valid.yaml")
    shutil.rmtree("runs/valid")
    assert harness("run", "valid.yaml")[0] == 0
    assert begun() == ["valid"] * 2


def test_ctrl_c_leaves_the_rest_unknown(workers: Workers, harness: Harness) -> None:
    """What was not run is told as such, with how to go on; nothing that was decided is lost."""
    workers.interrupt_after = 1
    status, told = harness("run", "valid.yaml", "--times", "3", "--junit", "junit.xml")
    assert status == 2
    assert "2 runs left; the same command with --campaign c goes on" in told
    assert "1 of 1 scenarios as expected" in told
    assert "2 runs unknown: interrupted by Ctrl-C" in told
    assert "valid: as expected in 1 of 1 runs" in told
    assert Path("junit.xml").read_text().count("<error ") == 2
    workers.interrupt_after = None
    assert harness("run", "valid.yaml", "--times", "3")[0] == 0
    assert begun() == ["valid"] * 3


@pytest.mark.parametrize("what", ["folder", "line"])
def test_a_full_disk_ends_it(
    workers: Workers, harness: Harness, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """No half of a run is left, junit.xml says what is unknown, and it can go on afterwards."""

    def full(*_: object, **__: object) -> Never:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        if what == "folder":
            patched.setattr("zipfile.ZipFile.extractall", full)
        else:
            patched.setattr(outcome_file.OutcomeFile, "ended", _full_line)
        status, told = harness("run", "valid.yaml", "lost.yaml", "--junit", "junit.xml")
    assert status == 255
    assert "No space left on device" in told
    assert "Traceback" not in told
    assert Path("junit.xml").read_text().count("<error ") == 2
    assert read(FILE).ended == {}
    if what == "folder":
        assert list(Path("runs").rglob("results.json")) == []
    assert harness("run", "valid.yaml", "lost.yaml")[0] == 1


def _full_line(file: Any, _: object) -> Never:
    raise line_file.cannot_keep(file.folder, OSError(errno.ENOSPC, "No space left on device"))


def test_what_a_machine_lacks_is_skipped(
    workers: Workers, harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A skipped run is decided, and no failure; a run that broke off is one, and is not."""
    failures = iter([UnmetError("requires netem"), RunError("the engine went away")])
    monkeypatch.setattr(
        ordered_run, "carry_out", lambda _: ordered_run.Delivered(failure=next(failures))
    )
    status, told = harness("run", "valid.yaml", "lost.yaml")
    assert status == 255
    assert "valid: skipped: requires netem" in told
    assert "harness: lost: the engine went away" in told
    assert [one.decided for one in read(FILE).ended.values()] == [True, False]


def test_replays_have_a_rate(workers: Workers, harness: Harness, tmp_path: Path) -> None:
    """`replay --times` on workers says how often the failure showed, and goes on when stopped."""
    (tmp_path / "old").mkdir()
    judged(tmp_path / "old", lives(lost=(2,)), scenario_text=_LOST, came_to_its_end=True)
    workers.interrupt_after = 2
    status, told = harness("replay", "old", "--times", "3")
    assert status == 1
    assert "the failure showed in 2 of 2 (34 to 100 %) replays" in told
    workers.interrupt_after = None
    status, told = harness("replay", "old", "--times", "3")
    assert "the failure showed in 3 of 3 (44 to 100 %) replays" in told
    assert begun() == ["by-hand"] * 3


_LOST = "description: lost\nseed: 7\nworkload: [{put-all: {count: 3}}]\ncheckers: [total-queue]\n"


def test_the_extra_is_named_when_it_is_missing(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without Dask the option says what to install."""

    def missing(name: str) -> Any:
        if name == "harness.campaign.dask_cluster":
            raise ModuleNotFoundError("No module named 'distributed'", name="distributed")
        return import_module(name)

    monkeypatch.setattr(crew, "import_module", missing)
    monkeypatch.setattr(campaign_of_runs, "tidy", lambda _: None)
    monkeypatch.setattr(run_command.hurting, "tidy", lambda _: None)
    status, told = harness("run", "valid.yaml")
    assert status == 254
    assert "--workers: it needs distributed: pip install 'zkmq[campaign]'" in told


@pytest.mark.parametrize(("free_gb", "fit"), [(7, 3), (0, 1), (1000, 8)])
def test_as_many_workers_as_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_gb: int, fit: int
) -> None:
    """`auto` is bounded by cores and by free memory, and is at least one."""
    monkeypatch.setattr(crew.os, "sched_getaffinity", lambda _: range(8))
    monkeypatch.setattr(crew, "MEMINFO", tmp_path / "meminfo")
    lines = f"MemTotal: 9 kB\nMemAvailable: {free_gb << 20} kB\nHugePages_Total: 0\n"
    (tmp_path / "meminfo").write_text(lines)
    assert Crew(workers="auto").count() == fit
