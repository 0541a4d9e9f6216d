"""Scenarios as pytest tests, and a quorum with faults for tests of one's own ZooKeeper clients.

`pytest scenarios/` collects each scenario below a folder named `scenarios` as a test that passes
if the verdict is the expected one. The fixtures `zk_quorum` and `nemesis` are for any test.

Wherever this package is installed every pytest loads this module, so it imports the rest of the
harness only when something of it is asked for.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cluster.quorum import DockerQuorum
    from harness.commands.pytest_items import ByHand


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
        from harness.commands.pytest_items import ScenarioFile  # noqa: PLC0415 -- see above

        return ScenarioFile.from_parent(parent, path=file_path)
    return None


@pytest.fixture(scope="session")
def zk_quorum(request: pytest.FixtureRequest) -> "Iterator[DockerQuorum]":
    """Give a quorum of real servers, one for all tests: `hosts`, `nodes`, `leader()`."""
    from harness.commands.pytest_items import lend  # noqa: PLC0415 -- see above

    option = request.config.getoption
    yield from lend(nodes=option("--zk-nodes"), zookeeper=option("--zk-version"))


@pytest.fixture
def nemesis(zk_quorum: "DockerQuorum") -> "Iterator[ByHand]":
    """Give faults to inject into zk_quorum; all are healed when the test ends."""
    from harness.commands.pytest_items import ByHand  # noqa: PLC0415 -- see above

    hurting = ByHand(zk_quorum)
    yield hurting
    hurting.heal()
