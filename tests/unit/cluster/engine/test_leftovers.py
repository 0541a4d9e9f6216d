"""What `clean` finds: others may be cleaning at the same time."""

import contextlib
import subprocess
from types import SimpleNamespace
from typing import Any, cast

import pytest
from docker import DockerClient
from docker.errors import APIError, NotFound

from cluster.cluster_errors import ClusterError
from cluster.engine import leftovers, processes, turns
from cluster.engine.fleet import Fleet
from cluster.engine.hosts import Host
from cluster.engine.ledger import LedgerFile
from cluster.engine.leftovers import HeldRun


class Vanishing:
    """An engine whose listed containers are removed by somebody else before they are looked at."""

    def list(self, *, ignore_removed: bool = False, **_: Any) -> list[Any]:
        """List them, as docker's client does: it asks for each of them by itself."""
        if not ignore_removed:
            raise NotFound("No such container")
        return []


class Counting:
    """A network on which the engine counts a container that is gone, until it starts anew."""

    name, attrs = "zkmq-stuck", {"Labels": {"zkmq.run": "stuck", "zkmq.owner": "no process"}}
    tries = 0

    def list(self, **_: Any) -> list[Any]:
        """List it."""
        return [self]

    def reload(self) -> None:
        """Show no container."""

    def remove(self) -> None:
        """Refuse."""
        self.tries += 1
        raise APIError("network zkmq-stuck has active endpoints")


class Empty:
    """An engine without networks and volumes."""

    def list(self, **_: Any) -> list[Any]:
        """List none."""
        return []


@pytest.fixture
def engine(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> DockerClient:
    """Return that engine; ledgers are kept in a folder of the test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr("cluster.engine.leftovers.processes.beside", lambda *_: [])
    monkeypatch.setattr("cluster.engine.leftovers.processes.orphans", lambda: iter(()))
    made = SimpleNamespace(containers=Vanishing(), networks=Empty(), volumes=Empty())
    return cast(DockerClient, made)


def fleet_of(*engines: DockerClient, **unreached: str) -> Fleet:
    """Return a fleet of engines that answer, the first one without a name, and of others."""
    hosts = [Host(f"host-{n}" if n else "", client) for n, client in enumerate(engines)]
    return Fleet(hosts=hosts, unreached=unreached)


def test_two_cleans_at_once_do_no_harm(engine: DockerClient) -> None:
    """A container that another clean removed first is no error."""
    assert leftovers.containers(engine, "1234abcd") == []
    leftovers.remove_run([engine], "1234abcd")


def test_a_worker_that_ends_by_itself_is_no_error(
    engine: DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its harness is gone, so it ends, perhaps between the look and the kill."""
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    monkeypatch.setattr(leftovers.processes, "orphans", lambda: iter([ended.pid]))
    leftovers.clean(fleet_of(engine))


def test_ledgers_of_runs_that_are_gone_are_forgotten(engine: DockerClient) -> None:
    """A ledger stays while something in it is open, and goes when nothing is, with the run gone."""
    done, hurt = LedgerFile("done"), LedgerFile("hurt")
    for ledger in (done, hurt):
        ledger.begin({"id": 1})
    done.end(1)
    leftovers.clean(fleet_of(engine))
    assert [done.path.exists(), hurt.path.exists()] == [False, True]


def test_a_run_that_cannot_be_removed_does_not_keep_the_others(
    engine: DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`clean` removes every run it can, and then says which it could not."""
    held = [HeldRun(run=name, by_hand=False, left=True) for name in ("first", "stuck", "last")]
    monkeypatch.setattr(leftovers, "runs", lambda _: held)
    removed = []

    def remove(_: DockerClient, run: str) -> None:
        if run == "stuck":
            raise APIError("device or resource busy")
        removed.append(run)

    monkeypatch.setattr(leftovers, "_remove_containers", remove)
    with pytest.raises(ClusterError, match=r"run stuck could not be removed: .*busy"):
        leftovers.clean(fleet_of(engine))
    assert removed == ["first", "last"]


def test_a_network_that_the_engine_does_not_let_go_costs_little_time(
    engine: DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has had no container for long is not waited for, and the error says what helps."""
    monkeypatch.setattr(engine, "networks", Counting())
    monkeypatch.setattr(engine.containers, "list", Empty().list)
    waits = list[float]()

    def patience(look: Any, *_: Any, within_s: float, late: Any, **__: Any) -> None:
        waits.append(within_s)
        raise late(look())

    monkeypatch.setattr(leftovers, "wait_until", patience)
    (held,) = leftovers.runs([engine])
    assert (held.left, held.contained) == (True, False)
    with pytest.raises(ClusterError, match=r"zkmq-stuck could not .* restarting the engine helps"):
        leftovers.clean(fleet_of(engine))
    with pytest.raises(ClusterError):
        leftovers.remove_run([engine], "stuck")
    assert waits == [leftovers.STUCK_TIMEOUT_S, leftovers.REMOVE_TIMEOUT_S]


def test_what_another_clean_removes_is_waited_for(
    engine: DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its network may take the other a while; it is no error that it was still there just now."""
    network = Counting()
    networks = [network]
    monkeypatch.setattr(engine, "networks", SimpleNamespace(list=lambda **_: list(networks)))
    monkeypatch.setattr(engine.containers, "list", Empty().list)
    with contextlib.ExitStack() as other:
        other.enter_context(turns.turn("stuck"))

        def patience(look: Any, *_: Any, **__: Any) -> Any:
            if not (seen := look()):
                networks.clear()
                other.close()
                seen = look()
            return seen

        monkeypatch.setattr(turns, "wait_until", patience)
        leftovers.clean(fleet_of(engine))
    assert network.tries == 0


def test_what_bears_half_of_our_labels_is_no_run(
    engine: DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stranger's container is not shown as a run without a name, and not removed as one."""
    stranger = SimpleNamespace(labels={"zkmq.harness": "1"})
    monkeypatch.setattr(engine.containers, "list", lambda **_: [stranger])
    assert leftovers.runs([engine]) == []
    assert leftovers.clean(fleet_of(engine)) == []


def test_a_gateway_of_a_quorum_on_another_engine_is_left_alone(
    engine: DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the engine that a gateway's quorum was on can tell that the quorum is gone."""
    gateways = [
        processes.Beside(pid=n, run=run, url="", engine=place)
        for n, (run, place) in enumerate([("gone", "here"), ("far", "elsewhere"), ("old", "")], 1)
    ]
    ended = list[processes.Beside]()
    monkeypatch.setattr(leftovers.processes, "beside", lambda *_: gateways)
    monkeypatch.setattr(leftovers.processes, "end", ended.extend)
    monkeypatch.setattr(engine, "info", lambda: {"ID": "here"}, raising=False)
    assert leftovers.clean(fleet_of(engine)) == ["gone"]
    assert ended == gateways[:1]
