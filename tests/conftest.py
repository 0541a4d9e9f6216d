"""What all tests share: the gate of the `docker` marker, and the quorums that tests borrow."""

import os
from collections.abc import Generator, Iterator
from functools import cache

import pytest
from hypothesis import settings

from cluster import lending
from cluster.cluster_errors import ClusterError
from cluster.engine import engine
from cluster.quorum import DockerQuorum
from harness.common.quorum_config import QuorumConfig

READY_WITHIN_S = 90.0
NEED_DOCKER = {"quorum", "standalone_zookeeper"}
NEED_BROWSER = "chromium"

settings.register_profile("untimed", deadline=None)  # a busy machine is no defect
settings.load_profile("untimed")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what borrows a quorum or a browser, so that `-m "not docker"` can never start one."""
    for item in items:
        if NEED_DOCKER.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.docker)
        if NEED_BROWSER in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a `docker` test with the reason where there is no engine."""
    if item.get_closest_marker("docker") is not None and (why := _no_engine()) is not None:
        pytest.skip(why)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With REQUIRE_ALL=1 make every skip a failure: a test that did not run has shown nothing."""
    report = yield
    expected = hasattr(report, "wasxfail")
    if report.skipped and not expected and os.environ.get("REQUIRE_ALL") == "1":
        why = report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome, report.longrepr = "failed", f"REQUIRE_ALL=1: {why}"
    return report


@pytest.fixture(scope="session")
def _five_nodes() -> Iterator[DockerQuorum]:
    with lending.started(QuorumConfig(nodes=5), by_hand=False, say=print) as up:
        up.wait_ready(within_s=READY_WITHIN_S)
        yield up


@pytest.fixture
def quorum(_five_nodes: DockerQuorum) -> Iterator[DockerQuorum]:
    """Lend the session's five nodes; whatever the test did to them, the next finds them ready."""
    yield _five_nodes
    for seen in _five_nodes.statuses():
        if seen.mode == "paused":
            _five_nodes.nodes[seen.node].resume()
        elif seen.mode == "down":
            _five_nodes.nodes[seen.node].start()
    _five_nodes.wait_ready(within_s=READY_WITHIN_S)


@pytest.fixture(scope="session")
def standalone_zookeeper() -> Iterator[str]:
    """Give the address of one server that is nobody's follower; use a path of your own on it."""
    with lending.started(QuorumConfig(nodes=1), by_hand=False, say=print) as up:
        up.wait_ready(within_s=READY_WITHIN_S)
        yield up.hosts


@cache
def _no_engine() -> str | None:
    """Return why tests on a real quorum cannot run; None if they can."""
    try:
        engine.connect().close()
    except ClusterError as error:
        return f"needs Docker: {error}"
    return None
