"""`harness up` by hand: a quorum and a gateway beside it, until `down`."""

import json
import re
from collections.abc import Iterator

import httpx
import pytest

from cluster.engine import engine, fleet, leftovers, processes
from harness.common.polling import wait_until
from worlds import command_line

pytestmark = pytest.mark.docker
WITHIN_S = 60.0


def harness(*words: str) -> str:
    """Run the command line to its end, with success, and return what it printed."""
    done = command_line.harness(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def by_hand() -> Iterator[tuple[str, str]]:
    """The id of a quorum that `harness up` started and left, and its gateway's URL."""
    printed = harness("up", "--nodes", "1")
    (run,) = re.findall(r"^quorum (\w+) ready", printed, re.MULTILINE)
    yield run, printed.splitlines()[-1].removeprefix("gateway: ")
    leftovers.remove_run([engine.connect()], run)


def test_a_gateway_stands_beside_the_quorum_until_it_goes(by_hand: tuple[str, str]) -> None:
    """After `up` has ended HTTP reaches the quorum, `status` says where, and removing ends both."""
    run, url = by_hand
    assert (
        "zookeeper"
        in httpx.get(f"{url}/znodes/v1/?view=children", timeout=WITHIN_S).json()["children"]
    )
    assert f"gateway: {url}" in harness("status")
    (gateway,) = processes.beside(run)
    leftovers.remove_run([engine.connect()], run)
    assert not gateway.running
    assert not processes.log_of(run).exists()


def test_clean_ends_a_gateway_whose_quorum_is_gone(by_hand: tuple[str, str]) -> None:
    """A gateway left alone is ended by `clean`; one beside a quorum that is up is not."""
    run, _ = by_hand
    client = engine.connect()
    (gateway,) = processes.beside(run)
    assert run not in harness("clean")
    assert gateway.running
    engines = fleet.find()
    leftovers._remove_containers(client, run)
    leftovers._remove_things(client, run, within_s=WITHIN_S)
    # At once, and by no command that has to start first: any other run's start does the same.
    assert run in leftovers.clean(engines)
    assert not gateway.running


def test_a_fault_by_hand_from_its_injection_to_the_end(by_hand: tuple[str, str]) -> None:
    """`inject` says what it saw, `status` shows the fault until `heal`, and `down` leaves nothing.

    Each command is a process of its own, so all they know of each other is the quorum's ledger.
    """
    run, _ = by_hand
    done = harness("inject", "pause", "1", "--run", run, "--for", "300").splitlines()
    assert done[0] == "pause node 1 (standalone): it took effect"
    assert json.loads(done[1])["paused"]
    told = status_with(run, "paused")
    assert re.search(r"faults in force: pause node 1, ends in \d+ s", told), told
    refused = command_line.harness("inject", "kill", "1", "--run", run)
    assert refused.returncode == 254
    assert "expected no 'pause' in force; `harness heal` ends it" in refused.stderr
    assert harness("heal", "--run", run) == "healed: pause\n"
    told = status_with(run, "standalone")
    assert "faults in force: none" in told
    assert harness("down", "--run", run) == f"removed quorum {run}\n"
    assert not leftovers.containers(engine.connect(), run)
    assert not processes.beside(run)


def status_with(run: str, mode: str) -> str:
    """Return what `harness status` says of a quorum once it sees its server in that mode.

    A server that is busy at the moment of the look is told as silent.
    """
    told = wait_until(
        lambda: of_quorum(run, harness("status")),
        lambda told: re.search(rf"^1 +{mode} ", told, re.MULTILINE),
        within_s=WITHIN_S,
        every_s=0.1,
    )
    assert re.search(rf"^1 +{mode} ", told, re.MULTILINE), told
    return told


def of_quorum(run: str, status: str) -> str:
    """Return the part of what `harness status` printed that is about one quorum."""
    return next(part for part in status.split("quorum ") if part.startswith(run))
