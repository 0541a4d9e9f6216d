"""Disks that fail, are slow, hang, or lose what was not fsynced; they need `disk_shim: true`.

The shim is preloaded into the server. It counts the calls that it changes: that is the evidence.
"""

import re
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, Protocol

from pydantic import Field

from harness.common.polling import wait_until
from harness.common.server_states import end_of, written_since
from harness.common.settings.setting_types import Count, Milliseconds
from harness.faults import BITES_WITHIN_S, Aim, Disabling, Fault, each, faults
from harness.faults.all_or_none import on_each
from harness.faults.servers import SIGKILL_STATUS, start_down
from harness.target import Evidence, System
from harness.target.disturbances import DiskCall, DiskRule, FileKind, PowerLossModel

POLL_S = 0.1
REST_WITHIN_S = 2.0  # for the servers that are not hit when a majority is, and nobody can write
SHIM = frozenset({"disk_shim"})
_COMPLAINT = re.compile(rb"[^\n]*(?:Input/output error|No space left on device)[^\n]*")

Bytes = Annotated[int, Field(ge=1, le=1 << 20)]


@faults.register("power-loss")
@dataclass(frozen=True, slots=True, kw_only=True)
class PowerLoss(Disabling):
    """Kill servers at once and lose what they had not fsynced; healing starts them again."""

    target: Aim = "leader"
    model: PowerLossModel = "ext4-like"
    """What a disk may lose of what was not fsynced."""
    slot: ClassVar[str | None] = "process"
    needs: ClassVar[frozenset[str]] = SHIM
    fail_stop: ClassVar[bool] = True

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Cut the power of all, and see what was lost."""
        return system.quorum.lose_power(nodes, self.model)

    def bit(self, evidence: Evidence) -> bool:
        """Require SIGKILL's exit status, and disks whose operations the shim had noted."""
        return power_was_lost(evidence)

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Start the servers that are down."""
        return {"started": start_down(system, nodes)}


@faults.register("torn-write")
@dataclass(frozen=True, slots=True, kw_only=True)
class TornWrite(Disabling):
    """Cut the power in the middle of a write, of which `keep_bytes` are on the disk."""

    target: Aim = "leader"
    file: FileKind = "log"
    """Of which files; `log` are transaction logs."""
    keep_bytes: Bytes = 40
    """How much of the write reaches the disk."""
    model: PowerLossModel = "ext4-like"
    """What a disk may lose of what was not fsynced."""
    slot: ClassVar[str | None] = "process"
    needs: ClassVar[frozenset[str]] = SHIM

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Let the next longer write hang after its first bytes, then cut the power.

        Unless enough servers make a write that long (`enough`), all go on unharmed.
        """
        rule = DiskRule(
            effect="tear", call="write", file=self.file, keep_bytes=self.keep_bytes, times=1
        )
        seen = disturbed(system, nodes, rule, enough(system, nodes))
        if not enough_were_hit(seen):
            mended_disks = [node.mend_disk() for node in system.members(nodes)]
            return seen | {"disks": mended_disks, "killed": [], "lost": []}
        return seen | system.quorum.lose_power(nodes, self.model)

    def bit(self, evidence: Evidence) -> bool:
        """Require torn writes on enough nodes, and then a power cut of all."""
        return enough_were_hit(evidence) and power_was_lost(evidence)

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Let writes be whole again, and start the servers that are down."""
        return mended(system, nodes)


class DiskFault(Fault, Protocol):
    """A fault that changes some of the calls that servers make to their disks."""

    slot: ClassVar[str | None] = "disk"
    needs: ClassVar[frozenset[str]] = SHIM

    @abstractmethod
    def rule(self) -> DiskRule:
        """Return what happens to which calls."""

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Put the rule in force, and wait until it has hit the servers, up to BITES_WITHIN_S."""
        rule = self.rule()
        hits = len(nodes) if rule.effect == "delay" else enough(system, nodes)
        return disturbed(system, nodes, rule, hits)

    def bit(self, evidence: Evidence) -> bool:
        """Require that on enough nodes a call was hit."""
        return enough_were_hit(evidence)

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Take the rule off, and start the servers that ended."""
        return mended(system, nodes)


@faults.register("io-error")
@dataclass(frozen=True, slots=True, kw_only=True)
class IoError(DiskFault, Disabling):
    """Let the n-th write or fsync fail; healing ends that, and starts a server that ended."""

    error: Literal["EIO", "ENOSPC"] = field()  # required: they mean different things
    """What the call fails of."""
    target: Aim = "leader"
    call: DiskCall = "write"
    """Which of their calls."""
    file: FileKind = "log"
    """Of which files; `log` are transaction logs."""
    nth: Count = 1
    """The first call that fails, counted from now."""
    times: Count | None = None
    """How many fail. None: all from then on."""
    delay_ms: Milliseconds = 0
    """How long each hangs before it fails."""

    @property
    def details(self) -> str:
        """Return the error, and of what."""
        nth = f" {self.nth}" if self.nth > 1 else ""
        times = f", {self.times} times" if self.times else ""
        late = f", {self.delay_ms} ms late" if self.delay_ms else ""
        return f" {self.error} on {self.call}{nth} of {self.file}{times}{late}"

    def rule(self) -> DiskRule:
        """Return the rule that lets calls fail."""
        return DiskRule(
            effect="error",
            error=self.error,
            call=self.call,
            file=self.file,
            nth=self.nth,
            times=self.times,
            delay_ms=self.delay_ms,
        )

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Inject it as other disk faults, and add what the servers log about it."""
        members = system.members(nodes)
        before = {node.id: end_of(node.log()) for node in members}
        evidence = DiskFault.inject(self, system, nodes)
        new = {node.id: written_since(node.log(), before[node.id]) for node in members}
        said = {str(id): _complaint(log) for id, log in new.items()}
        return evidence | {"said": said}


@faults.register("slow-disk")
@dataclass(frozen=True, slots=True, kw_only=True)
class SlowDisk(DiskFault):
    """Delay each fsync or write by `delay_ms`, give or take `jitter_ms`."""

    target: Aim = "leader"
    call: DiskCall = "fsync"
    """Which of their calls."""
    file: FileKind = "any"
    """Of which files; `log` are transaction logs."""
    delay_ms: Annotated[Milliseconds, Field(ge=1)] = 200
    """How late each is."""
    jitter_ms: Milliseconds = 0
    """How much the delay varies, both ways."""

    @property
    def details(self) -> str:
        """Return how late which calls are."""
        jitter = f" ±{self.jitter_ms}" if self.jitter_ms else ""
        return f" {self.call} of {self.file} {self.delay_ms} ms{jitter}"

    def rule(self) -> DiskRule:
        """Return the rule that delays calls."""
        return DiskRule(
            effect="delay",
            call=self.call,
            file=self.file,
            delay_ms=self.delay_ms,
            jitter_ms=self.jitter_ms,
        )


@faults.register("disk-stall")
@dataclass(frozen=True, slots=True, kw_only=True)
class DiskStall(DiskFault, Disabling):
    """Let writes and fsyncs hang until the fault is healed."""

    target: Aim = "leader"
    call: DiskCall = "any"
    """Which of their calls."""
    file: FileKind = "any"
    """Of which files; `log` are transaction logs."""

    def rule(self) -> DiskRule:
        """Return the rule that lets calls hang."""
        return DiskRule(effect="stall", call=self.call, file=self.file)


def enough(system: System, nodes: Sequence[int]) -> int:
    """Return on how many of these nodes a fault that ends writes must have hit one.

    On each, but for those that are left when a majority of the ensemble cannot write: then nothing
    is written any more, so nothing more can be hit.
    """
    return min(len(nodes), len(system.quorum.nodes) // 2 + 1)


def disturbed(system: System, nodes: Sequence[int], rule: DiskRule, hits: int) -> Evidence:
    """Put a rule in force; return what it had done after it hit the nodes, or BITES_WITHIN_S.

    Once `hits` of them are hit, the others have REST_WITHIN_S.
    """
    on_each(system, nodes, lambda node: node.break_disk(rule), mended)

    def look() -> Evidence:
        return {"disks": [node.disk_calls() for node in system.members(nodes)], "enough": hits}

    seen = wait_until(look, enough_were_hit, within_s=BITES_WITHIN_S, every_s=POLL_S)
    if not enough_were_hit(seen):
        return seen
    return wait_until(look, _all_were_hit, within_s=REST_WITHIN_S, every_s=POLL_S)


def mended(system: System, nodes: Sequence[int]) -> Evidence:
    """Take the rule off these nodes' disks, and start the servers that are down."""
    disks = [node.mend_disk() for node in system.members(nodes)]
    return {"disks": disks, "started": start_down(system, nodes)}


def enough_were_hit(evidence: Evidence) -> bool:
    """Tell whether the rule has changed a call on enough of the disks, or on each."""
    hit: list[bool] = [seen["injected"] > 0 for seen in evidence["disks"]]
    return sum(hit) >= max(1, int(evidence.get("enough", len(hit))))


def _all_were_hit(evidence: Evidence) -> bool:
    return each(seen["injected"] > 0 for seen in evidence["disks"])


def power_was_lost(evidence: Evidence) -> bool:
    """Tell whether all were killed, and the shim had recorded their disk operations."""
    dead = each(seen["exit_code"] == SIGKILL_STATUS for seen in evidence["killed"])
    return dead and each(seen["operations"] > 0 for seen in evidence["lost"])


def _complaint(log: bytes) -> str | None:
    found: Any = _COMPLAINT.search(log)
    return None if found is None else found[0].decode(errors="replace")[:500]
