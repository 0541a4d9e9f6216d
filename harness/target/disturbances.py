"""What a node is told to do wrong: values that a fault makes, and that the quorum carries out."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Drops:
    """Which packets between a node and its peers are lost, at that node.

    Attributes:
        deaf_to: peers whose packets do not arrive at it.
        mute_to: peers at which its packets do not arrive.
        percent: the share of those packets, drawn for each packet.
    """

    deaf_to: frozenset[int] = frozenset()
    mute_to: frozenset[int] = frozenset()
    percent: float = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What happens to all that leaves a node; clients' answers too.

    Attributes:
        rate_kbit: bandwidth.
    """

    rate_kbit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lateness:
    """What happens to the packets that a node sends to one other node.

    Attributes:
        delay_ms, jitter_ms: how late each arrives, and by how much more or less, at random.
        reorder_percent: share of packets that are not late, and so overtake others.
        duplicate_percent: share of packets of which a copy is sent at once, too.
    """

    delay_ms: int = 0
    jitter_ms: int = 0
    reorder_percent: int = 0
    duplicate_percent: int = 0


FileKind = Literal["any", "log", "snapshot", "epoch"]
DiskCall = Literal["any", "write", "allocate", "fsync"]
Damage = Literal[
    "flip-bit", "zero-length", "truncate", "empty", "drop-record", "swap-records", "old-snapshot"
]
PowerLossModel = Literal["ext4-like", "delayed", "strict"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskRule:
    """What a server's disk does to some of the server's calls.

    Attributes:
        effect: `error`, `delay`, `stall` (hang until the rule is off), or `tear` (write only the
            first `keep_bytes` of a longer write, then hang).
        call: `write` counts `allocate` too, a positional write past the end: so a log is padded.
        file: the kind of file; `epoch` is both of the files that hold an epoch.
        error: what the call ends with.
        delay_ms, jitter_ms: how late the call is, and by how much more or less.
        nth: the first call that is hit, counted from when the rule is put in force.
        times: how many are hit; None: all from the nth on.
    """

    effect: Literal["error", "delay", "stall", "tear"]
    call: DiskCall = "any"
    file: FileKind = "any"
    error: Literal["EIO", "ENOSPC"] = "EIO"
    delay_ms: int = 0
    jitter_ms: int = 0
    keep_bytes: int = 0
    nth: int = 1
    times: int | None = None


FailpointEffect = Literal["pause", "sleep", "throw", "halt"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FailpointRule:
    """What happens to threads of a server that come to a point of its code.

    Attributes:
        point: one of `harness.common.settings.failpoint_list`.
        effect: `pause` (until the rule is off), `sleep`, `throw` an exception, or `halt` the server
            there and then, as SIGKILL does.
        nth: the first thread that is struck, counted from when the rule is put in force, also over
            restarts of the server.
        times: how many are struck; None: all from the nth on.
        most_ms: how long each is held at most; None: until the rule is off.
        error: the class of the exception, with its package.
    """

    point: str
    effect: FailpointEffect = "pause"
    nth: int = 1
    times: int | None = 1
    most_ms: int | None = None
    error: str = "java.io.IOException"
