"""Controls of the faults on a real quorum: what they claim is seen from outside of them.

Whether a packet arrives is asked of the nodes themselves: one tries to connect to another's
election port, which a server listens on all the time.
"""

import pytest

from cluster.pods.lease import Lease
from cluster.quorum import DockerQuorum
from harness.common.polling import wait_until
from harness.faults.packets import grudges
from harness.faults.packets.links import Bandwidth
from harness.faults.packets.partitions import Isolate
from harness.faults.servers import Kill
from harness.target import System
from harness.target.disturbances import Drops
from harness.workers.running_clients import NoClients
from worlds.outside import PATIENT_S, in_mode, must_come

pytestmark = pytest.mark.docker
ELECTION_PORT = 3888
EVERYONE = (1, 2, 3, 4, 5)


def reaches(quorum: DockerQuorum, sender: int, receiver: int) -> bool:
    """Tell whether one node can open a connection to another."""
    address = quorum.nodes[receiver].sandbox.ip
    script = f"timeout 1 bash -c '</dev/tcp/{address}/{ELECTION_PORT}' 2>/dev/null && echo yes || :"
    return quorum.nodes[sender].sandbox.run(["sh", "-c", script]).strip() == "yes"


def opens(quorum: DockerQuorum, sender: int, receiver: int) -> bool:
    """Tell whether a connection opens; a machine that is busy may need several tries."""
    return wait_until(lambda: reaches(quorum, sender, receiver), within_s=PATIENT_S, every_s=0.1)


def tables(quorum: DockerQuorum, node: int) -> str:
    """Return the names of a node's tables."""
    return quorum.nodes[node].sandbox.ask(["nft", "list", "tables"], "nft list")


def test_packets_stop_and_go_on(quorum: DockerQuorum) -> None:
    """Across a cut no connection opens, on one side of it every one does, and after it all do."""
    assert opens(quorum, 1, 3)
    quorum.drop("cut", grudges.split([[1, 2], [3, 4, 5]]))
    assert [opens(quorum, 1, 2), opens(quorum, 3, 4)] == [True, True]
    assert [reaches(quorum, 1, 3), reaches(quorum, 4, 2)] == [False, False]
    quorum.drop("cut", {})
    assert [opens(quorum, 1, 3), opens(quorum, 4, 2)] == [True, True]


def test_a_cut_leaves_what_is_not_ours(quorum: DockerQuorum) -> None:
    """Putting a cut in force and taking it off touches no other table of the node."""
    before = tables(quorum, 1)
    quorum.drop("cut", grudges.isolate([1], EVERYONE))
    assert set(before.splitlines()) < set(tables(quorum, 1).splitlines())
    quorum.drop("cut", {})
    assert set(before.splitlines()) <= set(tables(quorum, 1).splitlines())


def test_two_rules_are_apart(quorum: DockerQuorum) -> None:
    """Loss beside a cut: taking one off leaves the other in force."""
    quorum.drop("cut", grudges.isolate([1], EVERYONE))
    quorum.drop("loss", {2: Drops(deaf_to=frozenset({3}), percent=50.0)})
    quorum.drop("loss", {})
    assert not reaches(quorum, 1, 2)
    assert quorum.dropped("loss") == {}
    quorum.drop("cut", {})


def test_an_isolated_leader_leads_no_more(quorum: DockerQuorum) -> None:
    """The others elect another one while the leader hears nobody."""
    old = quorum.leader()
    quorum.drop("cut", grudges.isolate([old], EVERYONE))
    try:
        assert wait_until(
            lambda: any(s.mode == "leader" and s.node != old for s in quorum.statuses()),
            within_s=PATIENT_S,
            every_s=0.1,
        ), "nobody else leads"
    finally:
        quorum.drop("cut", {})


def test_a_lease_that_nobody_renews_ends_the_cut(quorum: DockerQuorum) -> None:
    """The sandbox takes a rule off by itself when its lease is over."""
    node = quorum.nodes[1].sandbox
    node.lease.end()
    node.lease = node.lease.unrenewed(2)
    try:

        def cut() -> bool:
            quorum.drop("cut", {1: Drops(deaf_to=frozenset({2, 3, 4, 5}))})
            return "inet nemesis" in tables(quorum, 1)

        must_come(cut)  # on a busy machine the lease may be over before the look
        must_come(lambda: "inet nemesis" not in tables(quorum, 1))
        assert opens(quorum, 2, 1)
    finally:
        node.lease = Lease(lambda command: node.run(["sh", "-c", command]))


def test_a_slow_link_is_slow(quorum: DockerQuorum) -> None:
    """4 kbit/s hold back a leader's pings; without the shape the kernel's own queue is back."""
    leader = quorum.leader()
    system = System(quorum=quorum, clients=NoClients())
    slow = Bandwidth(rate_kbit=4)
    assert slow.bit(slow.inject(system, [leader]))
    healed = slow.heal(system, [leader])
    assert healed["seen"][0]["held"] > 0
    assert quorum.nodes[leader].shaped()["kind"] != "tbf"


def test_a_cut_is_met_by_each_of_its_nodes(quorum: DockerQuorum) -> None:
    """Two followers cut off are both seen to lose packets, and the leader loses them with each."""
    leader = quorum.leader()
    followers = [id for id in EVERYONE if id != leader][:2]
    isolate, system = Isolate(target="minority"), System(quorum=quorum, clients=NoClients())
    evidence = isolate.inject(system, followers)
    isolate.heal(system, followers)
    assert isolate.bit(evidence)
    links = evidence["links"]
    for id in map(str, followers):
        assert links[str(leader)].get(id) or links[id].get(str(leader))


def test_a_kill_behind_a_slow_link_is_healed(quorum: DockerQuorum) -> None:
    """A server that no probe reaches in time is started again all the same: the engine knows."""
    leader = quorum.leader()
    system = System(quorum=quorum, clients=NoClients())
    slow, kill = Bandwidth(rate_kbit=1), Kill()
    slow.inject(system, [leader])
    try:
        assert kill.bit(kill.inject(system, [leader]))
        assert [seen["node"] for seen in kill.heal(system, [leader])["started"]] == [leader]
        assert quorum.nodes[leader].process == "running"
    finally:
        slow.heal(system, [leader])


def test_a_disk_that_is_empty_has_nothing_to_wipe(quorum: DockerQuorum) -> None:
    """The first wipe deletes some KB, and the next one, before the server ran again, none."""
    follower = in_mode(quorum, "follower").node
    system, kill = System(quorum=quorum, clients=NoClients()), Kill(wipe=True)
    first = kill.inject(system, [follower])
    again = first | {"wiped": [quorum.nodes[follower].wipe()]}
    kill.heal(system, [follower])
    assert (kill.bit(first), kill.bit(again)) == (True, False)
