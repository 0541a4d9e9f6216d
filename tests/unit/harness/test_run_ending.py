"""How a run ends when servers do not: within limits, and with what was seen in its record."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from harness import run_ending as ending
from harness.common.harness_errors import RunError, TargetError, WorkerError
from harness.common.progress import Progress
from harness.common.run_clock import Clock
from harness.common.server_states import NodeStatus
from harness.history.record import HistoryWriter
from harness.nemesis.monitor import Monitor
from harness.nemesis.nemesis import Nemesis
from harness.run_ending import Ending
from harness.workers.pool import Workers
from harness.workloads.drain import Drain
from worlds.faults.fake_quorum import FakeQuorum

pytestmark = pytest.mark.medium

NO_SERVERS = "127.0.0.1:1"


class Stage:
    """A run's end with real client processes and no servers."""

    def __init__(self, place: Path, quorum: FakeQuorum, *, deadline_s: float = 30.0) -> None:
        self.path = place / "history/harness.jsonl"
        self.said: list[str] = []
        self.history = HistoryWriter(self.path)
        clock, progress = Clock(), Progress()
        self.ending = Ending(
            quorum, self.history, clock=clock, progress=progress, say=self.said.append
        )
        self.workers = Workers(
            folder=place,
            clock=clock,
            progress=progress,
            history=self.history,
            subject={"kind": "zkmq", "hosts": NO_SERVERS, "deadline_s": deadline_s},
            environment={},
        )

    def notes(self, f: str) -> list[dict[str, Any]]:
        """Return the values of the notes of one kind."""
        lines = map(msgspec.json.decode, self.path.read_bytes().splitlines())
        return [line["value"] for line in lines if line["f"] == f]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Return the end of a run on five servers that nobody can reach."""
    made = Stage(tmp_path, FakeQuorum())
    with made.history:
        yield made
        made.workers.stop()


def test_a_drain_that_no_server_answers_is_ended_all_the_same(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last call waits for thirty seconds and more; the run does not, and says so."""
    monkeypatch.setattr(ending, "LAST_CALL_S", 0.5)
    stage.ending.drain(stage.workers, lambda: None, Drain(limit_s=0.5))
    assert [w.running for w in stage.workers.all] == [False]
    (end,) = stage.notes("drain")
    assert (end["phase"], end["complete"]) == ("end", False)
    assert "its last call still had no answer" in end["why"]
    assert "the drain was given up" in stage.said[0]


def test_a_run_that_cannot_go_on_does_not_wait_for_its_drain(stage: Stage) -> None:
    """An engine that dies during the drain ends the run at once."""

    def gone() -> None:
        raise RunError("monitor: Docker engine: gone")

    with pytest.raises(RunError, match="Docker engine: gone"):
        stage.ending.drain(stage.workers, gone, Drain(limit_s=1000.0))


def test_a_drain_that_dies_of_itself_is_a_failure_of_the_harness(stage: Stage) -> None:
    """A client that ends with an error has not given up: it is broken."""
    stage.workers._subject["kind"] = "no-such-queue"
    with pytest.raises(WorkerError, match=r"expected one of .*got 'no-such-queue'"):
        stage.ending.drain(stage.workers, lambda: None)


class LateQuorum(FakeQuorum):
    """A quorum that is ready at the second look, if ever."""

    ever = False
    waits = 0

    def wait_ready(self, *, within_s: float = 60, nodes: Collection[int] | None = None) -> float:
        self.waits += 1
        if self.ever and self.waits > 1:
            return 10.0
        raise TargetError("expected nodes [1, 2, 3, 4, 5] serving and one leader")


class NoFaults:
    """A nemesis that has nothing to heal."""

    def heal_all(self) -> None:
        """Heal nothing."""


@pytest.mark.parametrize(
    ("down", "told"),
    [([4], "draining what the others serve"), ([1, 2, 3, 4, 5], "nothing can be drained")],
)
def test_servers_that_do_not_come_back_are_lost_also_all_of_them(
    tmp_path: Path, down: list[int], told: str
) -> None:
    """The run is judged all the same; the queue is drained if a majority serves."""
    quorum = LateQuorum()
    for id in down:
        quorum.nodes[id].kill()
    stage = Stage(tmp_path, quorum)
    with stage.history:
        serves = stage.ending.heal(cast(Nemesis, NoFaults()))
        stage.ending.skip_drain()
    assert serves is (len(down) < 3)
    (note,) = stage.notes("recovered")
    assert note["lost"] == down
    assert "expected nodes [1, 2, 3, 4, 5] serving" in note["why"]
    assert told in stage.said[-1]
    assert quorum.waits == (1 if serves else 2)
    assert stage.notes("drain") == [
        {"phase": "end", "complete": False, "why": "no majority of the servers serves"}
    ]


def test_all_servers_may_be_late_without_being_lost(tmp_path: Path) -> None:
    """Where nobody leads, the machine may have stood still: they have longer."""
    quorum = LateQuorum()
    quorum.ever = True
    for node in quorum.nodes.values():
        node.kill()
    stage = Stage(tmp_path, quorum)
    with stage.history:
        assert stage.ending.heal(cast(Nemesis, NoFaults()))
    assert stage.notes("recovered") == [{"took_s": 100.0, "lost": []}]


def test_servers_that_all_serve_without_a_leader_are_not_lost(tmp_path: Path) -> None:
    """Then nobody knows what is wrong, and the run ends with the error."""
    stage = Stage(tmp_path, LateQuorum())
    with stage.history, pytest.raises(TargetError, match="expected nodes"):
        stage.ending.heal(cast(Nemesis, NoFaults()))


def test_a_failed_look_of_the_monitor_can_be_raised_meanwhile(tmp_path: Path) -> None:
    """The run need not wait for its end to learn that the engine is gone."""

    class GoneQuorum(FakeQuorum):
        """A quorum whose engine is gone."""

        def statuses(self, *, metrics: bool = False) -> list[NodeStatus]:
            raise TargetError("Docker engine: gone")

    with HistoryWriter(tmp_path / "monitor.jsonl") as history:
        monitor = Monitor(GoneQuorum(), history, Clock(), Progress())
        monitor._thread.start()
        monitor._thread.join()
        with pytest.raises(RunError, match="monitor: Docker engine: gone"):
            monitor.raise_failure()
