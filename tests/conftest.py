"""What all tests share: the gate of the `docker` marker, and the quorums that tests borrow."""

import fcntl
import os
import re
import tempfile
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from cluster import lending
from cluster.cluster_errors import ClusterError
from cluster.engine import engine
from cluster.quorum import DockerQuorum
from cluster.software import image
from harness.common.settings.quorum_config import QuorumConfig

READY_WITHIN_S = 90.0
NEED_DOCKER = {"quorum", "standalone_zookeeper"}
NEED_BROWSER = "chromium"
# Which tests run in one process, one after the other, under `pytest -n`. Commands clean up after
# other runs, and their tests count quorums; others start quorums, and clean up their own alone;
# what borrows the five nodes starts them once. A file shares what its fixtures made. Any other test
# runs wherever a process is free.
_RUNS = r"test_(container|images|kept|own|packages)"
_ELSEWHERE = rf"rest/|zkmq/|test_quorum|test_campaign|test_\w+_browser|{_RUNS}"
TOGETHER = (
    ("commands", rf"tests/(controls/test_quorum|integration/(?!{_ELSEWHERE}))"),
    ("runs", rf"tests/integration/{_RUNS}"),
    ("quorum", r"tests/(controls/test_faults|integration/(test_quorum|zkmq/test_upgrade))"),
    (None, r"tests/(integration/(rest/|zkmq/test_celery|\w+_browser)|property/test_wire_fuzz)"),
)

# A busy machine is no defect.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer `--delays`, which makes races show themselves."""
    parser.addoption(
        "--delays", type=int, metavar="SEED", help="delay threads, sockets and processes at random"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Begin the delays of `--delays`, which end with the process."""
    if (seed := config.getoption("--delays", None)) is not None:
        from worlds import delays  # noqa: PLC0415 - tests of this file copy it alone

        until_the_end = ExitStack()
        until_the_end.enter_context(delays.at_random(seed))
        config.add_cleanup(until_the_end.close)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what borrows a quorum or a browser, so that `-m "not docker"` can never start one."""
    for item in items:
        if NEED_DOCKER.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.docker)
        if NEED_BROWSER in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)
    begin_first = [name for name, _ in TOGETHER]
    items.sort(key=lambda item: [_together(item.nodeid) != name for name in begin_first])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Let `pytest -n` keep together what shares an engine or a fixture."""
    config.option.loadscopereorder = False  # what takes longest stands first already
    return _SideBySide(config, log)


class _SideBySide(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        return _together(nodeid)


def _together(nodeid: str) -> str:
    """Return the name that a test shares with those that run in the same process."""
    for name, paths in TOGETHER:
        if re.match(paths, nodeid):
            return name or nodeid.partition("::")[0]
    return nodeid


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Have the images made before the first test, whose time limit is for itself alone."""
    needed = any(item.get_closest_marker("docker") is not None for item in session.items)
    if needed and not session.config.option.collectonly:
        _no_engine()


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
    """Return why tests on a real quorum cannot run; None if they can.

    The first process makes the images, which takes minutes; the others wait for them, since a
    test of a command gives it less time than that.
    """
    lock = Path(tempfile.gettempdir()) / f"zkmq-images-{os.getuid()}.lock"
    try:
        with lock.open("w") as held, closing(engine.connect()) as client:
            fcntl.flock(held, fcntl.LOCK_EX)
            image.server(client, QuorumConfig(), print)
            image.sandbox(client, print)
    except ClusterError as error:
        return f"needs Docker: {error}"
    return None
