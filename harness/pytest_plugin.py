"""Scenarios as pytest tests, and a quorum with faults for tests of one's own ZooKeeper clients.

`pytest scenarios/` collects each scenario below a folder named `scenarios` as a test that passes
if the verdict is the expected one. The fixtures `zk_quorum` and `nemesis` are for any test.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster import ledger, surroundings
from cluster.quorum import DockerQuorum
from harness import by_hand, scenario, store
from harness.commands.launch import launch, prepare, publish
from harness.errors import TargetError
from harness.report.terminal import Terminal, summary_lines
from harness.results import EXIT_AS_EXPECTED, exit_status

READY_WITHIN_S = 90.0
LEASE_S = 600.0


class NotAsExpectedError(Exception):
    """A scenario's verdict was not the expected one; holds what a person reads of it."""


class ScenarioFile(pytest.File):
    """A scenario file: one test."""

    def collect(self) -> Iterator[pytest.Item]:
        """Give the scenario as an item, named as its runs are."""
        yield ScenarioItem.from_parent(self, name=store.name_of(self.path))


class ScenarioItem(pytest.Item):
    """Runs a scenario on a quorum of its own, and passes if the verdict is the expected one."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.add_marker("docker")

    def runtest(self) -> None:
        """Run, judge and keep it like `harness run`; unknown is a failure too."""
        loaded = scenario.load(self.path)
        folder = prepare(self.path, loaded, self.config.rootpath / self.config.getini("runs"))
        ran = launch(loaded, self.name, folder, Terminal())
        publish(ran, Terminal())
        if exit_status(ran.results) != EXIT_AS_EXPECTED:
            lines = summary_lines(ran.results, str(ran.folder.path))
            raise NotAsExpectedError("\n".join(line.plain for line in lines))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show what a person reads of the run, and not the harness's stack."""
        if isinstance(excinfo.value, NotAsExpectedError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Name the item by its file."""
        return self.path, None, self.name


class ByHand:
    """Faults on the quorum of a test; whatever is in force at the test's end is healed then."""

    def __init__(self, quorum: DockerQuorum) -> None:
        self._quorum = quorum
        self._ids = itertools.count()

    def inject(self, fault: str, **settings: Any) -> list[int]:
        """Inject a fault with a scenario's settings; return the ids of the nodes it hit.

        Raises:
            ScenarioError: no such fault or setting.
            TargetError: it could not be injected, or nothing shows that it bit.
        """
        nodes, evidence, bit = by_hand.inject(
            self._quorum,
            fault,
            settings,
            id=next(self._ids),
            in_force=self._quorum.ledger.open(),
            until_s=ledger.uptime_s() + LEASE_S,
        )
        if not bit:
            raise TargetError(f"{fault}: expected evidence that it bit, got {evidence}")
        return nodes

    def heal(self) -> None:
        """Undo all that is in force, and wait until every server serves and one leads."""
        by_hand.heal(self._quorum, self._quorum.ledger, self._quorum.ledger.open())
        self._quorum.wait_ready(within_s=READY_WITHIN_S)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the settings: where runs are kept, and which quorum the fixtures start."""
    parser.addini("runs", "folder that runs of scenarios are kept in", default="runs")
    group = parser.getgroup("zookeeper quorum")
    group.addoption("--zk-nodes", type=int, default=5, help="servers of zk_quorum (default 5)")
    group.addoption("--zk-version", default="3.9.6", help="their ZooKeeper release")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker that scenarios carry, so that `-m "not docker"` leaves them out."""
    config.addinivalue_line("markers", "docker: needs a Docker engine")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect the YAML files below a folder named `scenarios`."""
    if file_path.suffix == ".yaml" and "scenarios" in file_path.parent.parts:
        return ScenarioFile.from_parent(parent, path=file_path)
    return None


@pytest.fixture(scope="session")
def zk_quorum(request: pytest.FixtureRequest) -> Iterator[DockerQuorum]:
    """Give a quorum of real servers, one for all tests: `hosts`, `nodes`, `leader()`."""
    option = request.config.getoption
    wanted = scenario.cluster({"nodes": option("--zk-nodes"), "zookeeper": option("--zk-version")})
    with surroundings.started(wanted.model_dump(), by_hand=False, say=print) as quorum:
        quorum.wait_ready(within_s=READY_WITHIN_S)
        yield quorum


@pytest.fixture
def nemesis(zk_quorum: DockerQuorum) -> Iterator[ByHand]:
    """Give faults to inject into zk_quorum; all are healed when the test ends."""
    hurting = ByHand(zk_quorum)
    yield hurting
    hurting.heal()
