"""What the pytest plugin collects and lends; apart from it, since every pytest loads the plugin."""

import itertools
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from cluster import lending
from cluster.engine import labels, ledger
from cluster.quorum import DockerQuorum
from harness.commands.manual.faults_command import tidy
from harness.commands.running.launch import launch, prepare, publish
from harness.common import run_folder
from harness.common.harness_errors import HarnessError, TargetError, UnmetError
from harness.nemesis import by_hand, undo
from harness.recording import Recording
from harness.report.terminal import Terminal, summary_lines
from harness.results import EXIT_AS_EXPECTED, exit_status
from harness.run_ending import READY_WITHIN_S
from harness.scenario import loading
from harness.target import Clients
from harness.workers.running_clients import NO_CLIENTS

LEASE_S = 600.0
INTERRUPTED = 2


class NotAsExpectedError(Exception):
    """A scenario's verdict was not the expected one; holds what a person reads of it."""


class ScenarioFile(pytest.File):
    """A scenario file: one test."""

    def collect(self) -> Iterator[pytest.Item]:
        """Give the scenario as an item, named as its runs are."""
        yield ScenarioItem.from_parent(self, name=run_folder.name_of(self.path))


class ScenarioItem(pytest.Item):
    """Runs a scenario on a quorum of its own, and passes if the verdict is the expected one."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.add_marker("docker")

    def runtest(self) -> None:
        """Run, judge and keep it like `harness run`; unknown is a failure too."""
        loaded = loading.load(self.path)
        tidy(print)
        folder = prepare(self.path, loaded, self.config.rootpath / self.config.getini("runs"))
        try:
            with ended_by_sigterm():
                ran = launch(loaded, self.name, folder, Terminal())
        except UnmetError as unmet:
            pytest.skip(str(unmet))
        publish(ran, Terminal())
        if ran.results.get("interrupted"):
            pytest.exit("interrupted; the run is kept and judged", returncode=INTERRUPTED)
        if exit_status(ran.results) != EXIT_AS_EXPECTED:
            lines = summary_lines(ran.results, str(ran.folder.path))
            raise NotAsExpectedError("\n".join(line.plain for line in lines))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show what a person reads of the run, and not the harness's stack."""
        if isinstance(excinfo.value, NotAsExpectedError | HarnessError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Name the item by its file."""
        return self.path, None, self.name


class ByHand:
    """Faults on the quorum of a test; whatever is in force at the test's end is healed then.

    Attributes:
        clients: the client processes of the test, for faults of clients.
    """

    def __init__(self, quorum: DockerQuorum) -> None:
        self._quorum = quorum
        self._ids = itertools.count()
        self.clients: Clients = NO_CLIENTS

    def inject(self, fault: str, **settings: Any) -> list[int]:
        """Inject a fault with a scenario's settings; return the ids of the nodes it hit.

        Raises:
            ScenarioError: no such fault or setting.
            TargetError: it could not be injected, or nothing shows that it bit.
        """
        injected = by_hand.inject(
            self._quorum,
            fault,
            settings,
            id=next(self._ids),
            in_force=self._quorum.ledger.open(),
            until_s=ledger.uptime_s() + LEASE_S,
            clients=self.clients,
        )
        if not injected.bit:
            raise TargetError(
                f"{injected.what}: expected evidence that it bit, got {injected.evidence}"
            )
        return injected.nodes

    def heal(self) -> None:
        """Undo all that is in force, and wait until every server serves and one leads."""
        undo.heal(self._quorum, self._quorum.ledger, self._quorum.ledger.open(), self.clients)
        self._quorum.wait_ready(within_s=READY_WITHIN_S)


def recorder(
    quorum: DockerQuorum, nemesis: ByHand, folder: Path
) -> Callable[..., AbstractContextManager[Recording]]:
    """Return a function that records a history; see `harness.recording.Recording`."""
    numbers = itertools.count(1)

    @contextmanager
    def recorded_history(subject: str | type = "zkmq", **settings: Any) -> Iterator[Recording]:
        name = f"history-{next(numbers)}"
        # What another test left in the tree is none of this one's items.
        own = {"path": f"/{folder.name}-{name}-{time.monotonic_ns()}"} | settings
        environment = {labels.OWNER_VARIABLE: str(labels.Owner.me())}
        with Recording(
            quorum, folder / name, subject, heal=nemesis.heal, environment=environment, **own
        ) as recording:
            nemesis.clients = recording.clients
            try:
                yield recording
            finally:
                nemesis.heal()
                nemesis.clients = NO_CLIENTS

    return recorded_history


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Let the first SIGTERM end the session as Ctrl-C does, so that a quorum is removed."""

    def stop(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_IGN)  # what is left to do takes a few seconds
        raise KeyboardInterrupt("SIGTERM")

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread hears signals
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def lend(*, nodes: int, zookeeper: str | None) -> Iterator[DockerQuorum]:
    """Give a quorum that serves, and remove it afterwards."""
    named = {} if zookeeper is None else {"zookeeper": zookeeper}
    wanted = loading.cluster({"nodes": nodes, **named})
    tidy(print)
    with ended_by_sigterm(), lending.started(wanted, by_hand=False, say=print) as quorum:
        quorum.wait_ready(within_s=READY_WITHIN_S)
        yield quorum
