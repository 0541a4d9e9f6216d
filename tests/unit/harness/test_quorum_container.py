"""The interface of testcontainers: what starts is removed once, however the test ends."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from harness import quorum_container
from harness.common.harness_errors import ScenarioError, TargetError
from harness.quorum_container import ZooKeeperQuorumContainer

HOSTS = "127.0.0.1:5001,127.0.0.1:5002,127.0.0.1:5003"


class Servers:
    """Stand in for a quorum, and note what was asked of it."""

    hosts = HOSTS

    def __init__(self, *, ready: bool = True) -> None:
        self.ready = ready
        self.seen: list[str] = []

    def wait_ready(self, *, within_s: float) -> float:
        """Serve, or do not."""
        if not self.ready:
            raise TargetError("expected one leader, got none")
        return 0.0

    def logs(self) -> Iterator[tuple[int, bytes]]:
        yield 1, b"one\n"
        yield 2, b"two\n"


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Servers:
    """Give the quorum that a container starts, without an engine."""
    made = Servers()

    @contextmanager
    def started(config: Any, *, by_hand: bool, say: object) -> Iterator[Servers]:
        made.seen.append(f"start {config.size}")
        try:
            yield made
        finally:
            made.seen.append("remove")

    monkeypatch.setattr(quorum_container.lending, "started", started)
    monkeypatch.setattr(quorum_container, "tidy", lambda _: made.seen.append("tidy"))
    return made


def test_it_is_started_and_removed_once(servers: Servers) -> None:
    """Starting or stopping twice does nothing more."""
    container = ZooKeeperQuorumContainer(nodes=3)
    assert container.start() is container.start()
    assert container.get_connection_url() == HOSTS
    assert (container.get_container_host_ip(), container.get_exposed_port(2181)) == (
        "127.0.0.1",
        5001,
    )
    assert container.get_logs() == (b"one\ntwo\n", b"")
    container.stop()
    container.stop()
    assert servers.seen == ["tidy", "start 3", "remove"]


def test_a_test_that_fails_leaves_nothing(servers: Servers) -> None:
    """`with` removes it whatever happens inside."""
    with pytest.raises(ZeroDivisionError), ZooKeeperQuorumContainer():
        raise ZeroDivisionError
    assert servers.seen[-1] == "remove"


def test_servers_that_do_not_serve_are_removed(servers: Servers) -> None:
    """A start that fails leaves nothing to stop."""
    servers.ready = False
    container = ZooKeeperQuorumContainer()
    with pytest.raises(TargetError, match="one leader"):
        container.start()
    assert servers.seen[-1] == "remove"
    with pytest.raises(TargetError, match="not started"):
        container.get_connection_url()


@pytest.mark.parametrize("call", ["get_connection_url", "get_exposed_port", "get_logs", "heal"])
def test_before_the_start_there_is_nothing_to_ask(call: str) -> None:
    """The error says what to do."""
    with pytest.raises(TargetError, match=r"call start\(\), or use `with`"):
        getattr(ZooKeeperQuorumContainer(), call)()


def test_bad_settings_are_told_at_once() -> None:
    """Settings are checked as those of a scenario, before anything is started."""
    with pytest.raises(ScenarioError, match="nodes: expected"):
        ZooKeeperQuorumContainer(nodes=0)
    with pytest.raises(ScenarioError, match="noodles"):
        ZooKeeperQuorumContainer(noodles=3)


def test_another_port_is_refused(servers: Servers) -> None:
    """Only the client port is published."""
    with ZooKeeperQuorumContainer() as container, pytest.raises(TargetError, match="2181"):
        container.get_exposed_port(2888)


def test_stop_takes_what_testcontainers_give_it() -> None:
    """Programs call `stop(force=True, delete_volume=True)` on any container."""
    inspect.signature(ZooKeeperQuorumContainer().stop).bind(force=False, delete_volume=False)
