"""Scenarios as pytest tests, and a quorum with faults for tests of one's own ZooKeeper clients.

`pytest --scenarios DIR` collects each scenario below a folder of the project as a test that
passes if the verdict is the expected one; with the setting `scenarios` so does `pytest DIR`.
Without either no YAML file is looked at. The fixtures `zk_quorum`, `nemesis` and
`recorded_history` are for any test.

Wherever this package is installed every pytest loads this module, so it imports the rest of the
harness only when something of it is asked for.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cluster.quorum import DockerQuorum
    from harness.commands.running.pytest_items import ByHand
    from harness.recording import Recording


# What every scenario has at its top, and hardly another YAML file.
_SHAPE = re.compile(rb"^(workload|phases)[ \t]*:", re.MULTILINE)
_LOOKED_AT_BYTES = 1 << 20


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the settings: where runs are kept, and which quorum the fixtures start."""
    parser.addini("scenarios", "folders of scenarios below the root directory", type="args")
    parser.addini("runs", "folder that runs of scenarios are kept in", default="runs")
    group = parser.getgroup("zookeeper quorum")
    group.addoption(
        "--scenarios",
        action="append",
        metavar="DIR",
        help="run the scenarios below this folder as tests; only them, if no path is given",
    )
    group.addoption("--zk-nodes", type=int, default=5, help="servers of zk_quorum (default 5)")
    group.addoption("--zk-version", help="exactly this ZooKeeper release")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker that scenarios carry, so that `-m "not docker"` leaves them out."""
    config.addinivalue_line("markers", "docker: needs a Docker engine")
    if asked := config.getoption("--scenarios"):
        given = config.args if config.args_source is config.ArgsSource.ARGS else []
        config.args = [*given, *asked]


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect what looks like a scenario, in a folder of the project that was asked for."""
    if file_path.suffix in {".yaml", ".yml"} and _is_asked_for(file_path, parent.config):
        from harness.commands.running.pytest_items import ScenarioFile  # noqa: PLC0415 -- see above

        return ScenarioFile.from_parent(parent, path=file_path)
    return None


def _is_asked_for(file: Path, config: pytest.Config) -> bool:
    folders = [
        config.invocation_params.dir / told for told in config.getoption("--scenarios") or ()
    ]
    folders += [config.rootpath / told for told in config.getini("scenarios")]
    below = any(file.is_relative_to(folder.resolve()) for folder in folders)
    if not below or not file.is_relative_to(config.rootpath) or not file.is_file():
        return False
    with file.open("rb") as text:
        return _SHAPE.search(text.read(_LOOKED_AT_BYTES)) is not None


@pytest.fixture(scope="session")
def zk_quorum(request: pytest.FixtureRequest) -> "Iterator[DockerQuorum]":
    """Give a quorum of real servers, one for all tests: `hosts`, `nodes`, `leader()`."""
    from harness.commands.running.pytest_items import lend  # noqa: PLC0415 -- see above

    option = request.config.getoption
    yield from lend(nodes=option("--zk-nodes"), zookeeper=option("--zk-version"))


@pytest.fixture
def nemesis(zk_quorum: "DockerQuorum") -> "Iterator[ByHand]":
    """Give faults to inject into zk_quorum; all are healed when the test ends."""
    from harness.commands.running.pytest_items import ByHand  # noqa: PLC0415 -- see above

    hurting = ByHand(zk_quorum)
    yield hurting
    hurting.heal()


@pytest.fixture
def recorded_history(
    zk_quorum: "DockerQuorum", nemesis: "ByHand", tmp_path: Path
) -> "Callable[..., AbstractContextManager[Recording]]":
    """Give a function whose context records a history, `h`; then assert h.check(NAME).valid."""
    from harness.commands.running.pytest_items import recorder  # noqa: PLC0415 -- see above

    return recorder(zk_quorum, nemesis, tmp_path)
