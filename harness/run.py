"""One run, on one page: quorum up, workload beside faults, heal, drain, look, judge.

    scenario -> quorum -> (workers || nemesis -> history) per phase -> heal -> drain -> trees, logs
             -> end mark -> merged history -> judgement -> results.json

The record is on disk before it is judged. Every way out of here, Ctrl-C included, heals all faults
and removes the quorum.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from importlib.util import find_spec
from typing import Any

from harness import results, versions
from harness.clients import end_state, server_log
from harness.clients.subject import QueueSettings, SubjectConfig
from harness.common.harness_errors import TargetError, UnmetError
from harness.common.progress import Progress
from harness.common.run_clock import Clock, utc_stamp
from harness.common.run_folder import RunFolder
from harness.common.server_states import answered
from harness.common.settings.quorum_config import QuorumConfig
from harness.common.settings.setting_types import shared
from harness.history import record
from harness.history.columns import History
from harness.history.record import PHASE, WALL_CLOCK, HistoryWriter
from harness.nemesis.monitor import Monitor
from harness.nemesis.nemesis import Nemesis
from harness.nemesis.phase_faults import PhaseOfFaults
from harness.recorded import BINDINGS, Recorded
from harness.run_ending import READY_WITHIN_S, Ending, Notes
from harness.running_phase import RunningPhase
from harness.scenario import estimate, plan
from harness.scenario.schema import Scenario
from harness.target import Quorum
from harness.view import View
from harness.workers.forwarder import Forwarding
from harness.workers.gateway import GatewayProcess
from harness.workers.pool import Workers
from harness.workers.running_clients import RunningClients

Lend = Callable[[QuorumConfig], AbstractContextManager[Quorum]]
"""Starts a quorum, and removes it or takes it back when its context ends."""


def execute(
    scenario: Scenario,
    name: str,
    folder: RunFolder,
    lend: Lend,
    view: View,
    *,
    environment: Mapping[str, str],
    again: Recorded | None = None,
    same_nodes: bool = False,
) -> dict[str, Any]:
    """Run a scenario, judge it, and return what was written to results.json.

    `environment` is added to that of worker processes, so that `clean` finds leftovers.

    If the run is done `again`, its plan is the old one; with `same_nodes` names and roles mean the
    nodes that they meant then.

    Raises:
        UnmetError: the machine lacks what the scenario requires, or a release that it names.
        HarnessError: the harness, Docker or the machine failed; what was recorded is kept.
    """
    planned = list(again.planned) if again is not None else plan.make(scenario)
    pinned = again if same_nodes else None
    interrupted = None
    for fault in plan.undrawn(scenario, planned):
        view.say(f"{fault}: this seed draws no time for it, so the verdict will be unknown")
    with folder.in_progress(name, scenario.seed):
        plan.write(planned, folder.plan)
        try:
            with ExitStack() as lent:
                quorum = _ready(lent, lend, scenario.cluster, folder, view)
                _require(scenario, quorum)
                for wanted in scenario.upgrades:
                    quorum.prepare(wanted, view.say)
                around = versions.around(quorum) | {"scenario_folder": scenario.folders[0]}
                folder.write_json(folder.versions, around)
                _Run(
                    scenario,
                    planned,
                    folder,
                    quorum=quorum,
                    view=view,
                    environment=environment,
                    pinned=pinned,
                ).all_phases()
        except KeyboardInterrupt as signal:
            interrupted = str(signal) or "Ctrl-C"
            view.say(
                f"interrupted by {interrupted}: what was recorded is kept and judged; the verdict "
                "is at best unknown"
            )
        with view.waiting("judging what was recorded"):
            return check(scenario, name, folder, interrupted=interrupted)


def _ready(
    lent: ExitStack, lend: Lend, config: QuorumConfig, folder: RunFolder, view: View
) -> Quorum:
    """Borrow a quorum for as long as the stack lasts, and wait until it serves; keep its logs."""
    what = config.image or f"ZooKeeper {config.zookeeper}"
    servers = "a server" if config.size == 1 else f"{config.size} servers"
    began_s = time.monotonic()
    with view.waiting(f"starting {servers} of {what}"):
        quorum = lent.enter_context(lend(config))
        lent.callback(_keep_logs, quorum, folder, view.say)
        quorum.wait_ready(within_s=READY_WITHIN_S)
    view.say(f"quorum ready in {time.monotonic() - began_s:.1f} s")
    return quorum


def _keep_logs(quorum: Quorum, folder: RunFolder, say: Callable[[str], None]) -> None:
    """Keep each server's log, or why there is none; never raise, which would hide a failure."""
    for id, node in quorum.nodes.items():
        try:
            log = node.log()
        except TargetError as error:
            log = f"the log could not be read: {error}\n".encode()
        try:
            (folder.logs / f"node-{id}.log").write_bytes(log)
        except OSError as error:
            say(f"the log of node {id} could not be kept: {error}")


def _require(scenario: Scenario, quorum: Quorum) -> None:
    """Raise UnmetError unless the machine has all that the scenario requires."""
    if unmet := [what for what in scenario.requires if not _has(what, quorum)]:
        raise UnmetError(f"requires {', '.join(unmet)}: this machine has not")


def _has(what: str, quorum: Quorum) -> bool:
    """Tell whether a package is installed, or the machine supports something."""
    if what == "celery":
        return find_spec("celery") is not None
    return quorum.supports(what)


def check(
    scenario: Scenario, name: str, folder: RunFolder, *, interrupted: str | None = None
) -> dict[str, Any]:
    """Judge what a run recorded, with today's checkers, and write results.json.

    The parts of a run whose harness died before it was judged are merged first.
    """
    unmerged = folder.running.exists() or not folder.history.exists()
    if unmerged and folder.parts.is_dir():
        record.merge(folder.parts, folder.history)
    history = History.load(folder.history)
    releases = {} if scenario.upgrades else versions.releases(folder.versions)
    server_log.complete(history, folder.logs, releases)
    judgement = results.judge_run(history, scenario, plan.read(folder.plan))
    judged = results.build(name, scenario, history, judgement, interrupted=interrupted)
    folder.write_json(folder.results, judged)
    folder.running.unlink(missing_ok=True)
    return judged


class _Run:
    """The part of a run during which the quorum is up."""

    def __init__(
        self,
        scenario: Scenario,
        planned: list[plan.Planned],
        folder: RunFolder,
        *,
        quorum: Quorum,
        view: View,
        environment: Mapping[str, str],
        pinned: Recorded | None,
    ) -> None:
        self.scenario, self.planned, self.folder = scenario, planned, folder
        self.quorum, self.view, self.pinned = quorum, view, pinned
        self.environment = environment
        self.clock, self.progress = Clock(), Progress()

    def all_phases(self) -> None:
        """Run the phases, heal, drain, and record the end state and the servers' logs."""
        parts = self.folder.parts
        with (
            HistoryWriter(parts / "nemesis.jsonl") as of_nemesis,
            HistoryWriter(parts / "harness.jsonl") as of_harness,
            HistoryWriter(parts / "monitor.jsonl") as of_monitor,
            self.view.live(self.progress, self.clock),
            self._gateway() as gateway,
        ):
            ending = Ending(
                self.quorum,
                of_harness,
                clock=self.clock,
                progress=self.progress,
                say=self.view.say,
            )
            self._workers = self._new_workers(of_harness, gateway)
            nemesis = Nemesis(
                self.scenario,
                self.quorum,
                RunningClients(self._workers),
                of_nemesis,
                clock=self.clock,
                progress=self.progress,
                say=self.view.say,
                pinned=self.pinned,
                gateway=gateway,
            )
            try:
                with Monitor(self.quorum, of_monitor, self.clock, self.progress) as monitor:
                    ending.note(WALL_CLOCK, {"utc": utc_stamp()})
                    ending.note(BINDINGS, nemesis.bind())
                    for number in range(len(self.scenario.phases)):
                        self._phase(number, nemesis, monitor)
                        ending.note(PHASE, {"number": number, "event": "end"})
                    serves = ending.heal(nemesis)
                    ending.look(self._trees(), when="healed")
                    if serves:
                        ending.drain(
                            self._workers, monitor.raise_failure, by=self.scenario.drain_command
                        )
                    else:
                        ending.skip_drain()
                # Before the drain and after it, since a drain may hide a difference.
                ending.look(self._trees(), when="drained")
                ending.look(self._logs(), when="drained")
            finally:
                self._workers.stop()
            ending.mark()

    @contextmanager
    def _gateway(self) -> Iterator[GatewayProcess | None]:
        """Have a gateway beside the quorum if the scenario's clients speak HTTP."""
        if self.scenario.transport == "kazoo":
            yield None
            return
        log = self.folder.path / "logs" / "gateway.log"
        with closing(GatewayProcess(self.quorum.hosts, log, self.environment)) as gateway:
            gateway.start()
            self.view.say(f"gateway at {gateway.url}")
            yield gateway

    def _new_workers(self, history: HistoryWriter, gateway: GatewayProcess | None) -> Workers:
        subject = SubjectConfig(
            kind=self.scenario.subject,
            folders=self.scenario.folders,
            where=self.scenario.where("subject"),
            hosts=self.quorum.hosts,
            gateway="" if gateway is None else gateway.url,
            **shared(self.scenario, QueueSettings),
        )
        return Workers(
            folder=self.folder.path,
            clock=self.clock,
            progress=self.progress,
            history=history,
            subject=subject.model_dump(),
            environment=self.environment,
            forwarding=self._forwarding(),
        )

    def _forwarding(self) -> Forwarding | None:
        """Return forwarders if a fault needs them; they cost throughput."""
        if not self.scenario.forwarded:
            return None
        nodes = self.quorum.nodes
        return Forwarding({id: node.client_address for id, node in nodes.items()})

    def _phase(self, number: int, nemesis: Nemesis, monitor: Monitor) -> None:
        """Run one phase's workload and faults at the same time, until it is over."""
        estimate.tell(self.progress, self.scenario, self.planned, number, self.clock.now_s())
        faults = PhaseOfFaults(
            nemesis,
            nemesis.injections(number, self.planned),
            clock=self.clock,
            progress=self.progress,
        )
        phase = RunningPhase(
            self.scenario.phases[number],
            self._workers,
            faults,
            progress=self.progress,
            say=self.view.say,
        )
        phase.play(monitor.raise_failure)

    def _trees(self) -> Notes:
        trees = self.quorum.trees(end_state.QUEUE_ROOT)
        # The tree of a queue that only commands use has no known shape.
        subject = None if self.scenario.drain_command is not None else self.scenario.subject
        return end_state.of_trees(subject, trees, self.scenario.folders)

    def _logs(self) -> Notes:
        counted = answered(lambda: self.quorum.statuses(metrics=True))
        return end_state.of_logs(self.quorum.logs(), counted, self.quorum.session_ends())
