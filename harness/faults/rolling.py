"""Restart or upgrade one server at a time; the next waits until all are in sync again."""

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from harness.common.harness_errors import TargetError, UnsupportedError
from harness.common.last_words import last_words
from harness.common.polling import wait_until
from harness.common.server_states import NodeStatus, answered
from harness.common.settings.quorum_config import Software
from harness.faults import Aim, Fault, each, faults
from harness.target import Evidence, Quorum, System

SYNCED_WITHIN_S = 60.0
POLL_S = 0.1


class Rolling(Fault, Protocol):
    """A fault that takes every node down once, one at a time."""

    lasting: ClassVar[bool] = False
    slot: ClassVar[str | None] = "process"
    of_running: ClassVar[bool] = True
    fail_stop: ClassVar[bool] = True

    def hurts(self, nodes: Sequence[int], everyone: Collection[int]) -> Collection[int]:
        """Return one node: no more than one is down at a time."""
        return nodes[:1]


@faults.register("rolling-restart")
@dataclass(frozen=True, slots=True, kw_only=True)
class RollingRestart(Rolling):
    """Restart one server at a time, the leader last, the next when all followers are synced."""

    target: Aim = "all"

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Restart all, one after the other."""

        def renew(id: int) -> Evidence:
            node = system.quorum.nodes[id]
            return {"node": id, "stopped": node.stop(), "started": node.start()}

        return _one_by_one(system.quorum, nodes, renew)

    def bit(self, evidence: Evidence) -> bool:
        """Require that each server is another process than before."""
        return "stuck" not in evidence and each(
            seen["stopped"]["started_at"] != seen["started"]["started_at"]
            for seen in evidence["renewed"]
        )


@faults.register("rolling-upgrade")
@dataclass(frozen=True, slots=True, kw_only=True)
class RollingUpgrade(Rolling):
    """Take one server at a time to release `to`, the next when all followers are synced."""

    to: Software = field()
    """The release to go to."""
    target: Aim = "all"

    @property
    def details(self) -> str:
        """Return the release that all nodes go to."""
        return f" to {self.to}"

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Upgrade all, one after the other, and ask each for its release."""

        def renew(id: int) -> Evidence:
            node = system.quorum.nodes[id]
            stopped = node.stop()
            return {"stopped": stopped, **system.quorum.upgrade(id, self.to), "up": node.start()}

        evidence = _one_by_one(system.quorum, nodes, renew)
        told = answered(lambda: system.quorum.statuses(metrics=True))
        versions = {str(s.node): (s.metrics or {}).get("zk_version", "") for s in told}
        return evidence | {"versions": versions}

    def bit(self, evidence: Evidence) -> bool:
        """Require that each server says it is of the release."""
        told = evidence["versions"]
        return "stuck" not in evidence and each(
            told[str(seen["node"])].startswith(seen["release"]) for seen in evidence["renewed"]
        )


def _one_by_one(quorum: Quorum, nodes: Iterable[int], renew: Callable[[int], Evidence]) -> Evidence:
    """Renew the nodes one at a time, followers first; return what was seen of each, in order.

    If a server has ended by itself, or the followers are not all in sync in time, the evidence has
    the reason as `stuck`, and the other nodes are left alone. A server that does not come back is
    reported at the end of the run.
    """
    leaders = {s.node for s in quorum.statuses() if s.mode == "leader"}
    done: list[Evidence] = []
    for id in sorted(nodes, key=lambda id: (id in leaders, id)):
        try:
            seen = renew(id)
        except UnsupportedError as error:  # it has ended by itself
            return {"renewed": done, "stuck": str(error)}
        began = time.monotonic()
        try:
            _wait_synced(quorum)
        except TargetError as error:
            return {"renewed": [*done, seen], "stuck": str(error)}
        done.append({**seen, "synced_after_s": round(time.monotonic() - began, 3)})
    return {"renewed": done}


def _wait_synced(quorum: Quorum) -> None:
    """Wait until one leads and says that every other server is in sync with it.

    Raises:
        TargetError: that took longer than SYNCED_WITHIN_S; says what each node was last seen as.
    """
    wait_until(
        lambda: quorum.statuses(metrics=True),
        synced,
        within_s=SYNCED_WITHIN_S,
        every_s=POLL_S,
        late=lambda seen: TargetError(
            f"rolling: expected every follower synced within {SYNCED_WITHIN_S:g} s, got "
            f"{ {s.node: s.mode for s in seen} }{last_words(quorum.nodes, seen)}"
        ),
    )


def synced(statuses: Sequence[NodeStatus]) -> bool:
    """Tell whether all serve, and the leader counts each of the others as in sync."""
    leading = [s.metrics for s in statuses if s.mode == "leader" and s.metrics]
    # Releases differ in how they write the number: 4 or 4.0.
    known = [
        float(told["zk_synced_followers"]) + float(told.get("zk_synced_observers", 0))
        for told in leading
        if "zk_synced_followers" in told
    ]
    return all(s.serving for s in statuses) and known == [len(statuses) - 1]
