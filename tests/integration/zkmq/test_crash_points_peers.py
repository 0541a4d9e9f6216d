"""What the proxy provokes in kazoo's queues, and not in zkmq; the table of the docs is this."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.zkmq.peers import table

from worlds.crash_points.adapters import CALLS
from worlds.crash_points.course import CrashPoints
from worlds.crash_points.peers import Peers, Verdict
from worlds.proxy.faults import Fault
from worlds.proxy.proxy import Plan

pytestmark = pytest.mark.docker

DOCS = Path(__file__).parents[3] / "docs" / "crash-points.md"


@pytest.fixture(scope="module")
def peers(server: str) -> Iterator[Peers]:
    """Kazoo's queues on the server."""
    with Peers(server) as found:
        yield found


@pytest.mark.parametrize(
    ("name", "plan", "verdict"),
    [
        pytest.param("Queue put", {1: Fault.CUT_AFTER}, Verdict.UNKNOWN, id="put-unknown"),
        pytest.param("Queue put until ok", {1: Fault.CUT_AFTER}, Verdict.TWICE, id="put-twice"),
        pytest.param("Queue get", {3: Fault.CUT_AFTER}, Verdict.LOST, id="get-loses"),
        pytest.param("Queue get", {3: Fault.KILL_AFTER}, Verdict.LOST, id="get-dies"),
        pytest.param("LockingQueue get", {3: Fault.CUT_AFTER}, Verdict.WEDGED, id="lock-wedged"),
        pytest.param("LockingQueue get", {3: Fault.CUT_BEFORE}, Verdict.UNKNOWN, id="lock-raises"),
        pytest.param("LockingQueue get", {3: Fault.EXPIRE_AFTER}, Verdict.WEDGED, id="lock-again"),
        pytest.param("LockingQueue get", {2: Fault.CUT_AFTER}, Verdict.FINE, id="reads-are-fine"),
    ],
)
def test_single_faults_do_to_a_peer_what_the_docs_say(
    peers: Peers, name: str, plan: Plan, verdict: Verdict
) -> None:
    """One fault at one request of one call is enough."""
    call = next(each for each in CALLS if f"{each.peer} {each.name}" == name)
    assert peers.strike(call, plan).verdict is verdict


def test_a_waiting_locking_queue_does_not_survive_a_cut(peers: Peers) -> None:
    """Kazoo's LockingQueue watches again only after a change of children, not after a cut."""
    assert not peers.waits_through_a_cut()


def test_a_waiting_reserve_survives_a_cut(crash_points: CrashPoints) -> None:
    """Zkmq's reserve is told of the cut by its watches, looks again, and waits on."""
    assert crash_points.waits_through_a_cut()


@pytest.mark.slow
def test_the_docs_have_the_table_as_measured(server: str) -> None:
    """Each cell of the table in docs/crash-points.md is what happens today."""
    assert table(server) in DOCS.read_text()
