"""Controls of the faults that packets do not show: their effect is seen by others than themselves.

A client of ZooKeeper reads the leader's wall clock from a node's ctime and the voters from the
ensemble's own configuration; the kernel tells a server's process; a worker's file tells whether
the worker gets anywhere.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from kazoo.client import KazooClient

from cluster import lending
from cluster.members import voters
from cluster.quorum import DockerQuorum
from harness.common.polling import wait_until
from harness.common.progress import Progress
from harness.common.run_clock import Clock
from harness.common.server_states import answered
from harness.common.settings.quorum_config import QuorumConfig
from harness.faults import Fault
from harness.faults.client_faults import ClientCrash, ClientCut, ClientPause
from harness.faults.clocks import ClockJump, ClockStrobe
from harness.faults.disk_full import DiskFull
from harness.faults.packets.links import Loss
from harness.faults.rolling import RollingRestart, RollingUpgrade
from harness.faults.servers import Restart
from harness.faults.voters import RemoveVoter, Replace
from harness.history.record import HistoryWriter
from harness.target import System
from harness.workers.forwarder import Forwarding
from harness.workers.pool import Workers
from harness.workers.running_clients import RunningClients
from worlds.outside import PATIENT_S, client_of, in_mode, must_come, system

pytestmark = pytest.mark.docker
READY_WITHIN_S = 90.0
STILL_S = 1.0  # how long a client that gets nowhere is watched; it puts every 20 ms otherwise


@pytest.fixture(scope="module")
def three() -> Iterator[DockerQuorum]:
    """Lend three servers with clocks and small disks of their own, that can be reconfigured."""
    config = QuorumConfig(nodes=3, zookeeper="3.9.3", faketime=True, data_mb=64, reconfig=True)
    with lending.started(config, by_hand=False, say=print) as up:
        up.wait_ready(within_s=READY_WITHIN_S)
        yield up


def processes(quorum: DockerQuorum) -> dict[int, int]:
    """Return the pid of each server, as the machine's kernel counts."""
    for pod in quorum.nodes.values():
        pod.server.reload()
    return {id: pod.server.attrs["State"]["Pid"] for id, pod in quorum.nodes.items()}


def ahead_s(client: KazooClient) -> float:
    """Return how far ahead of ours the clock is by which the leader stamps a write."""
    path = client.retry(client.create, "/stamp", ephemeral=True, sequence=True)
    _, stat = client.retry(client.get, path)
    return float(stat.created - time.time())  # noqa: TID251 -- the wall clock is what is asked for


def members(client: KazooClient) -> list[int]:
    """Return who votes, by the configuration that the servers have agreed on by now."""
    client.retry(client.sync, "/zookeeper/config")  # its server may lag behind the others
    return voters(client.retry(client.get, "/zookeeper/config")[0].decode())


def releases(quorum: DockerQuorum) -> set[str]:
    """Return the releases that the servers say they are of; "" for one that does not say it now."""
    seen = answered(lambda: quorum.statuses(metrics=True))
    return {(one.metrics or {}).get("zk_version", "")[:5] for one in seen}


def test_a_restart_is_another_process(three: DockerQuorum) -> None:
    """Exactly the restarted server is another process afterwards."""
    before = processes(three)
    Restart().inject(system(three), [2])
    after = processes(three)
    assert {id for id in before if before[id] != after[id]} == {2}
    three.wait_ready(within_s=READY_WITHIN_S)


def test_a_rolling_restart_renews_all(three: DockerQuorum) -> None:
    """Every server is another process, and all serve when it returns."""
    before = processes(three)
    RollingRestart().inject(system(three), [1, 2, 3])
    after = processes(three)
    assert all(before[id] != after[id] for id in before)
    must_come(lambda: all(seen.serving for seen in three.statuses()))


def test_a_clock_that_jumped_stamps_writes(three: DockerQuorum) -> None:
    """The leader stamps writes an hour ahead, and by the right time after healing."""
    leader, jump = three.leader(), ClockJump(offset_s=3600)
    with client_of(three) as client:
        assert abs(ahead_s(client)) < 60
        jump.inject(system(three), [leader])
        must_come(lambda: ahead_s(client) > 3500)
        jump.heal(system(three), [leader])
        must_come(lambda: abs(ahead_s(client)) < 60)


def test_a_strobing_clock_stamps_both_times(three: DockerQuorum) -> None:
    """Writes carry both times in turn while it lasts, and one after healing."""
    leader, strobe = three.leader(), ClockStrobe(offset_s=3600, period_s=4)
    with client_of(three) as client:
        strobe.inject(system(three), [leader])
        for _ in range(2):
            must_come(lambda: ahead_s(client) > 3500)
            must_come(lambda: abs(ahead_s(client)) < 60)
        strobe.heal(system(three), [leader])
        must_come(lambda: abs(ahead_s(client)) < 60)


def test_a_full_disk_ends_its_server(three: DockerQuorum) -> None:
    """A server that cannot log a write ends; healed, it serves again."""
    full = DiskFull()
    leader = three.leader()
    full.inject(system(three), [leader])
    with client_of(three) as client:

        def gone() -> bool:
            client.retry(client.ensure_path, f"/full/{time.monotonic_ns()}")
            return three.nodes[leader].status().mode == "down"

        must_come(gone)
    full.heal(system(three), [leader])
    three.wait_ready(within_s=READY_WITHIN_S)


def test_a_removed_voter_votes_no_more(three: DockerQuorum) -> None:
    """The ensemble's configuration is without it, and with it after healing."""
    remove = RemoveVoter()
    follower = in_mode(three, "follower").node
    with client_of(three) as client:
        remove.inject(system(three), [follower])
        assert members(client) == sorted({1, 2, 3} - {follower})
        remove.heal(system(three), [follower])
        assert members(client) == [1, 2, 3]


def test_a_replaced_member_comes_back_with_everything(three: DockerQuorum) -> None:
    """An empty server in a dead one's place votes, and holds what was written before."""
    replace = Replace()
    follower = in_mode(three, "follower").node
    with client_of(three) as client:
        client.retry(client.ensure_path, "/kept")
        replace.inject(system(three), [follower])
        assert follower not in members(client)
        replace.heal(system(three), [follower])
        assert members(client) == [1, 2, 3]
    three.wait_ready(within_s=READY_WITHIN_S)
    alone = KazooClient(three.nodes[follower].client_address, timeout=PATIENT_S)
    alone.start(timeout=PATIENT_S)
    assert alone.retry(alone.exists, "/kept")
    alone.stop()
    alone.close()


def test_an_upgrade_changes_the_release(three: DockerQuorum) -> None:
    """Each server says another release than before; last, since it does not go back."""
    must_come(lambda: releases(three) == {"3.9.3"})
    RollingUpgrade(to="3.9.6").inject(system(three), [1, 2, 3])
    must_come(lambda: releases(three) == {"3.9.6"})


def test_losing_everything_is_silence(quorum: DockerQuorum) -> None:
    """At 100 percent the others elect another leader, which packets that still came would keep."""
    leader, loss = quorum.leader(), Loss(percent=100)
    loss.inject(system(quorum), [leader])
    must_come(lambda: any(s.mode == "leader" and s.node != leader for s in quorum.statuses()))
    loss.heal(system(quorum), [leader])


@pytest.fixture
def putting(quorum: DockerQuorum, tmp_path: Path) -> Iterator[tuple[System, Path]]:
    """Return a system in which one client puts without end, and the file in which it says so."""
    nodes = {id: node.client_address for id, node in quorum.nodes.items()}
    subject = {"kind": "zkmq", "hosts": quorum.hosts, "session_timeout_s": 4, "deadline_s": 30}
    with HistoryWriter(tmp_path / "harness.jsonl") as history:
        workers = Workers(
            folder=tmp_path,
            clock=Clock(),
            progress=Progress(),
            history=history,
            subject=subject,
            environment={},
            forwarding=Forwarding(nodes),
        )
        (worker,) = workers.start_kind("put-all", {"count": 100_000, "rate_hz": 50})
        file = Path(worker.job.history)
        must_come(lambda: file.exists() and grows(file))
        yield System(quorum=quorum, clients=RunningClients(workers)), file
        workers.stop()


def aimed(fault: Fault, hurt: System, nodes: Sequence[int] = ()) -> System:
    """Return the system with the clients chosen that an injection now is about."""
    return replace(hurt, chosen=fault.choose(hurt.clients, nodes))


def grows(file: Path) -> bool:
    """Tell whether a worker gets anywhere: a call that only begins does not count."""
    before = file.read_text().count('"type":"ok"')
    time.sleep(STILL_S)
    return file.read_text().count('"type":"ok"') > before


def test_a_crashed_client_does_nothing_more(putting: tuple[System, Path]) -> None:
    """After its crash a client writes nothing, and is running no more."""
    hurt, file = putting
    ClientCrash().inject(aimed(ClientCrash(), hurt), [])
    assert not grows(file)
    assert hurt.clients.running("any") == []


@pytest.mark.parametrize("fault", [ClientPause(), ClientCut()], ids=["pause", "cut"])
def test_a_client_that_hangs_goes_on(
    putting: tuple[System, Path], fault: ClientPause | ClientCut
) -> None:
    """A frozen client, and one cut off from all servers, gets nowhere until it is healed."""
    hurt, file = aimed(fault, putting[0]), putting[1]
    nodes = list(hurt.quorum.nodes)
    fault.inject(hurt, nodes)
    assert not grows(file)
    fault.heal(hurt, nodes)
    must_come(lambda: grows(file))


def test_a_client_cut_off_from_some_finds_the_others(putting: tuple[System, Path]) -> None:
    """A client cut off from two of five servers goes on through a third."""
    cut, system, file = ClientCut(target="minority", number=0), *putting
    own = wait_until(
        lambda: [id for id in system.quorum.nodes if system.clients.connections(0, [id])],
        within_s=PATIENT_S,
        every_s=0.01,
    )
    nodes = [*own, own[0] % 5 + 1]
    hurt = aimed(cut, system, nodes)
    assert cut.bit(cut.inject(hurt, nodes))
    must_come(lambda: grows(file))
    cut.heal(hurt, nodes)
