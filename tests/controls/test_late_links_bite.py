"""Controls of late links on a real quorum: who is late, and who is not, is timed from outside.

The shell's own connections are timed, and clients' words; the fault's evidence comes from another
program. What is late cannot be faster than its delay. What is not late is faster once of ten times,
however busy the machine is.
"""

import time
from collections.abc import Callable, Iterator

import pytest

from cluster.pods.lease import Lease
from cluster.pods.probe import four_letter_word
from cluster.quorum import DockerQuorum
from harness.faults.packets.late import LinkLatency
from harness.target import System
from harness.target.disturbances import Lateness
from harness.workers.running_clients import NoClients
from worlds.outside import PATIENT_S, must_come

pytestmark = pytest.mark.docker
DELAY_S = 1.0
LATE = Lateness(delay_ms=1000)


@pytest.fixture(autouse=True)
def _in_time_again(quorum: DockerQuorum) -> Iterator[None]:
    yield
    quorum.end_delays(quorum.nodes)


def connects_s(quorum: DockerQuorum, sender: int, receiver: int) -> float:
    """Return how long a connection of a shell on one node takes that another one refuses."""
    address = quorum.nodes[receiver].sandbox.ip
    script = f"t0=$EPOCHREALTIME; (</dev/tcp/{address}/9) 2>/dev/null; echo $t0 $EPOCHREALTIME"
    began, ended = quorum.nodes[sender].sandbox.ask(["bash", "-c", script], "connect").split()
    return float(ended) - float(began)


def answers_s(quorum: DockerQuorum, node: int) -> float:
    """Return how long a server takes to answer a client's word."""
    began = time.monotonic()
    assert (
        four_letter_word(quorum.nodes[node].sandbox.address, "ruok", timeout_s=PATIENT_S) == "imok"
    )
    return time.monotonic() - began


def least(look: Callable[[], float]) -> float:
    """Return the first of ten times that is no delay, or the shortest."""
    times: list[float] = []
    while len(times) < 10 and min(times, default=DELAY_S) >= DELAY_S:
        times.append(look())
    return min(times)


def test_one_link_is_late_in_one_direction(quorum: DockerQuorum) -> None:
    """What 1 sends to 2 is late, as question and as answer; no other link is, and no client."""
    system = System(quorum=quorum, clients=NoClients())
    fault = LinkLatency(pairs=[[1, 2]], delay_ms=1000)
    evidence = fault.inject(system, [1, 2])
    assert fault.bit(evidence)
    assert not fault.bit(evidence | {"rtt_ms": evidence["rtt_before_ms"]})
    assert connects_s(quorum, 1, 2) >= DELAY_S
    assert connects_s(quorum, 2, 1) >= DELAY_S, "the refusal goes from 1 to 2"
    assert least(lambda: connects_s(quorum, 1, 3)) < DELAY_S
    assert least(lambda: answers_s(quorum, 1)) < DELAY_S
    assert fault.heal(system, [1, 2])["packets"]["1"]["late"]["2"] > 0
    assert least(lambda: connects_s(quorum, 1, 2)) < DELAY_S


def test_clients_are_late_if_asked(quorum: DockerQuorum) -> None:
    """Then a server's answers are late, and are counted; those of others are not."""
    quorum.delay_links({1: {2: LATE}}, clients=LATE)
    assert answers_s(quorum, 1) >= DELAY_S
    must_come(lambda: quorum.delayed([1])[1]["waited"]["clients"] > 0)
    assert least(lambda: answers_s(quorum, 3)) < DELAY_S


def test_packets_that_overtake_others_are_counted(quorum: DockerQuorum) -> None:
    """Half of them do not wait, and overtake those of the same link that do."""

    def overtook() -> bool:
        quorum.speak({(1, 2)})
        told = quorum.delayed([1])[1]
        return told["overtook"]["2"] > 0 and told["waited"]["2"] > 0

    quorum.delay_links({1: {2: Lateness(delay_ms=1000, reorder_percent=50)}})
    must_come(overtook)
    quorum.delay_links({1: {2: LATE}})
    quorum.speak({(1, 2)})
    must_come(lambda: quorum.delayed([1])[1]["waited"]["2"] > 0)
    assert quorum.delayed([1])[1]["overtook"]["2"] == 0


def test_a_lease_that_nobody_renews_ends_the_delay(quorum: DockerQuorum) -> None:
    """The sandbox lets all go at once when its lease is over, and its program ends."""
    node = quorum.nodes[1].sandbox
    node.lease.end()
    node.lease = node.lease.unrenewed(2)
    try:

        def late() -> bool:
            quorum.delay_links({1: {2: LATE}})
            return 1 in quorum.delayed([1])

        must_come(late)  # on a busy machine the lease may be over before the look
        must_come(lambda: not quorum.delayed([1]))
        assert least(lambda: connects_s(quorum, 1, 2)) < DELAY_S
        running = "cat /proc/[0-9]*/comm | grep -c late-links; true"
        must_come(lambda: node.ask(["sh", "-c", running], "programs") == "0")
    finally:
        node.lease = Lease(lambda command: node.run(["sh", "-c", command]))
