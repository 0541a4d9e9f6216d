"""Controls of failpoints: a client of ZooKeeper and the engine tell whether a server was stopped.

The faults' own evidence is the agent's journal, which these tests look at only where they say so.
"""

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from kazoo.client import KazooClient

from cluster import lending
from cluster.quorum import DockerQuorum
from harness.common.polling import wait_until
from harness.common.settings.quorum_config import QuorumConfig, Release
from harness.faults.failpoint import Failpoint
from worlds.outside import client_of, must_come, system

pytestmark = pytest.mark.docker
READY_WITHIN_S = 90.0
ANSWER = "FinalRequestProcessor.processRequest:sendResponse:before"
HANGS_S = 1.0
TERM_S = 8  # longer than most busy machines take from the injection to the look


@contextmanager
def one_server(*, release: Release = "3.9.6", failpoints: bool = True) -> Iterator[DockerQuorum]:
    """Lend a single server under the agent; the list of points was compared with its classes."""
    config = QuorumConfig(nodes=1, zookeeper=release, failpoints=failpoints)
    with lending.started(config, by_hand=False, say=print) as up:
        up.wait_ready(within_s=READY_WITHIN_S)
        yield up


def create_s(client: KazooClient, path: str) -> float:
    """Return how many seconds a create takes."""
    began = time.monotonic()
    client.create(path)
    return time.monotonic() - began


@pytest.mark.parametrize("release", ["3.8.0", "3.9.3"])
def test_a_paused_thread_answers_when_it_is_healed(release: Release) -> None:
    """In each release, on Java 17 and 21: a request waits for its answer until the heal."""
    pause = Failpoint(point=ANSWER, do="pause")
    with one_server(release=release) as up, client_of(up) as client:
        pause.inject(system(up), [1])
        hanging = client.create_async("/hangs")
        assert not hanging.wait(HANGS_S)
        pause.heal(system(up), [1])
        assert hanging.get(timeout=READY_WITHIN_S) == "/hangs"


def test_a_server_stops_where_it_is_told_and_as_often() -> None:
    """The third answer of three is late, then none; `halt` ends the server, and only once."""
    with one_server() as up:
        world = system(up)
        with client_of(up) as client:
            late = Failpoint(point=ANSWER, do="sleep", sleep_ms=700, nth=3)
            late.inject(world, [1])
            waits = [create_s(client, f"/{number}") for number in range(3)]
            assert waits[2] >= 0.7
            assert late.bit(late.look(world, [1])), "by its own evidence"
            assert any(create_s(client, f"/quick-{n}") < 0.7 for n in range(20))
            late.heal(world, [1])
        halt = Failpoint(point=ANSWER, do="halt")
        halt.inject(world, [1])
        assert not halt.bit(halt.look(world, [1])), "nobody has asked for anything yet"
        with client_of(up) as client:
            client.create_async("/unanswered")
            assert wait_until(
                lambda: up.nodes[1].process, lambda seen: seen == "exited", within_s=60, every_s=0.1
            )
            halt.heal(world, [1])
            up.wait_ready(within_s=READY_WITHIN_S)
            assert client.retry(client.exists, "/unanswered"), "it was applied before the answer"


def test_an_exception_is_thrown_where_it_is_told() -> None:
    """The answer is never sent: its client waits, the server logs why, and goes on with others."""
    with one_server() as up:
        throw = Failpoint(point=ANSWER, do="throw", error="IOException")
        throw.inject(system(up), [1])
        with client_of(up) as client:
            assert not client.create_async("/unanswered").wait(HANGS_S)
            told = b"java.io.IOException: failpoint " + ANSWER.encode()
            must_come(lambda: told in up.nodes[1].log())
            must_come(lambda: throw.bit(throw.look(system(up), [1])))  # by its own evidence
            with client_of(up) as another:
                assert another.exists("/unanswered"), "it was applied before the answer"
            # A client takes an answer out of turn, as that to its goodbye would be, for an error.
            up.nodes[1].kill()


def test_a_thread_goes_on_when_nobody_renews_the_lease() -> None:
    """The sandbox takes the rule off by itself."""
    with one_server() as up, client_of(up) as client:
        up.limit_faults(TERM_S)
        pause = Failpoint(point=ANSWER, do="pause")
        numbers = itertools.count()

        def hangs() -> Any:
            pause.inject(system(up), [1])
            hanging = client.create_async(f"/hangs-{next(numbers)}")
            if not hanging.wait(HANGS_S):
                return hanging
            pause.heal(system(up), [1])  # a machine that stood still came to look too late
            return None

        hanging = wait_until(hangs, within_s=READY_WITHIN_S, every_s=0)
        assert hanging
        assert hanging.get(timeout=READY_WITHIN_S).startswith("/hangs")


def test_a_server_without_failpoints_has_no_agent() -> None:
    """What its process was started with, by the engine, has none; with `failpoints` it has."""
    for asked in (False, True):
        with one_server(failpoints=asked) as up:
            command = str(up.nodes[1].server.top()["Processes"])
            assert "QuorumPeerMain" in command
            assert ("-javaagent" in command) is asked
