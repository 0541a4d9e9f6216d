"""`harness doctor`: what it concludes from what it has seen."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cluster import abilities
from cluster.cluster_errors import ClusterError, EngineError
from cluster.engine import engine
from cluster.software import image
from harness.commands import doctor_command, harness_command
from harness.faults import faults

INFO = {
    "ServerVersion": "28.0",
    "OSType": "linux",
    "NCPU": 4,
    "MemTotal": 8 << 30,
    "SecurityOptions": ["name=seccomp"],
    "CgroupVersion": "2",
}
SERVER = SimpleNamespace(release="3.9.6", origin="Debian forky")


class Machine:
    """A machine: its engine, its images, and which means do not work there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.info: dict[str, Any] = dict(INFO)
        self.server: Any = SERVER
        self.broken: dict[str, str] = {}
        monkeypatch.setattr(engine, "connect", self.connect)
        monkeypatch.setattr(image, "here", lambda *_: self.server)
        monkeypatch.setattr(abilities, "tried", self.tried)

    def connect(self) -> Any:
        """Return a client."""
        return SimpleNamespace(info=lambda: self.info, close=lambda: None)

    def tried(self, _say: Any) -> dict[str, str | None]:
        """Return what works."""
        return {name: self.broken.get(name) for name in abilities.ATTEMPTS}


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    """Give a machine on which everything works."""
    monkeypatch.chdir(tmp_path)
    return Machine(monkeypatch)


def doctor(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """Run the command, and return its exit status."""
    monkeypatch.setattr("sys.argv", ["harness", "doctor", *words])
    with pytest.raises(SystemExit) as ended:
        harness_command.main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def examine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, dict[str, Any]]:
    """Run the command, and return its status and each finding by name."""
    status = doctor(monkeypatch, "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["status"] == status
    return status, {one["name"]: one for one in [*told["findings"], *told["families"]]}


def test_a_machine_that_can_do_all_ends_with_0(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every folder of scenarios is named, and can run."""
    status, seen = examine(monkeypatch, capsys)
    assert status == 0
    assert {"seed", "faults", "rest", "findings", "long"} <= set(seen)
    assert all(one["works"] for one in seen.values())


@pytest.mark.parametrize(
    ("means", "hit"), [("nfqueue", "faults"), ("nft", "queue"), ("freezer", "queue")]
)
def test_what_does_not_work_stops_those_who_need_it(
    means: str,
    hit: str,
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The status is 1, the scenarios are named with what they lack, and others can still run."""
    machine.broken[means] = "no such module"
    status, seen = examine(monkeypatch, capsys)
    assert status == 1
    assert (seen[means]["works"], seen[means]["told"]) == (False, "no such module")
    assert seen[hit]["works"] is False
    assert f"{hit}/" in seen[hit]["remedy"]
    assert means in seen[hit]["remedy"]
    assert seen["seed"]["works"] is True


def test_what_was_not_tried_is_not_known(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without images nothing is tried, nothing is called fit, and the status is 2."""
    machine.server = None
    status, seen = examine(monkeypatch, capsys)
    assert status == 2
    assert (seen["nft"]["works"], seen["seed"]["works"]) == (None, None)
    assert "doctor --build" in seen["images"]["remedy"]


def test_without_an_engine_it_says_how_to_get_one(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No engine is a finding, not a failure of the command."""

    def connect() -> Any:
        raise EngineError("Docker engine at unix:///x: none")

    monkeypatch.setattr(engine, "connect", connect)
    status, seen = examine(monkeypatch, capsys)
    assert (status, seen["engine"]["works"], seen["seed"]["works"]) == (1, False, None)
    assert "docs/installing.md" in seen["engine"]["remedy"]


def test_a_server_that_does_not_start_is_told_for_each_means(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An engine that cannot start a server can do nothing of what faults need."""

    def tried(_say: Any) -> dict[str, str | None]:
        raise ClusterError("no space left on device")

    monkeypatch.setattr(abilities, "tried", tried)
    status, seen = examine(monkeypatch, capsys)
    assert status == 1
    assert "no space left on device" in seen["nft"]["told"]


def test_too_little_memory_stops_all(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A machine without room for the heaps of five servers runs no scenario."""
    machine.info["MemTotal"] = 1 << 30
    status, seen = examine(monkeypatch, capsys)
    assert (status, seen["memory"]["works"], seen["seed"]["works"]) == (1, False, False)


def test_people_get_a_line_for_each(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --json the same is printed as two tables."""
    machine.broken["tbf"] = "this kernel has no tbf"
    assert doctor(monkeypatch) == 1
    told = capsys.readouterr().out
    for part in ("This machine", "Scenarios, by folder", "no tbf", "sch_tbf", "faults/links"):
        assert part in told


def test_every_means_is_tried() -> None:
    """What a fault needs is what is tried, and nothing else is."""
    needed = {name for fault in faults for name in doctor_command.means_of(fault)}
    assert set(abilities.ATTEMPTS) == needed


def test_a_means_without_effect_does_not_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """An attempt that fails or shows nothing is told as such; one that bites is fine."""

    def fails(_pod: Any) -> bool:
        raise ClusterError("node 1: sh: exit 1: Error: Could not process rule\nadd rule\n ^^^^")

    pod: Any = None
    assert abilities._why_not(lambda _: True, pod) is None
    assert abilities._why_not(lambda _: False, pod) == "it took no effect"
    assert abilities._why_not(fails, pod) == "Error: Could not process rule"
