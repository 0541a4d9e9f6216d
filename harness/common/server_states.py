"""What one server is seen to be, to hold and to have logged: what a quorum reports of each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from harness.common.polling import wait_until

ANSWERS_WITHIN_S = 10.0
LOOK_AGAIN_S = 0.1
LOG_CUT = b"[the server wrote more than is kept: the beginning of this log may be gone]\n"
MARK_BYTES = 4096  # of a log, whose lines have their times: no two parts of it are the same


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """One look at one server.

    Attributes:
        node: the server's id, from 1.
        mode: `leader`, `follower`, `observer` or `standalone` for a serving one; `looking`: it
            answers and does not serve; `silent`: running, no answer in time; `paused`; `down`.
        zxid: the last one it has seen; None unless it serves.
        metrics: the answer to `mntr`, if it was asked for.
    """

    node: int
    mode: str
    zxid: int | None = None
    metrics: Mapping[str, str] | None = None

    @property
    def serving(self) -> bool:
        """Tell whether clients get answers from it."""
        return self.mode in {"leader", "follower", "observer", "standalone"}


def answered(look: Callable[[], Sequence[NodeStatus]]) -> Sequence[NodeStatus]:
    """Look until no server is `silent`, for up to 10 s: one that is busy answers a moment later."""
    return wait_until(
        look,
        lambda seen: all(server.mode != "silent" for server in seen),
        within_s=ANSWERS_WITHIN_S,
        every_s=LOOK_AGAIN_S,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTree:
    """One server's znodes under a root, read from that server alone.

    Attributes:
        data: each znode's data by its path; None if the server could not be read.
        zxid: the newest one that any znode under the root was made or changed at.
        digest: SHA-256 over sorted paths, versions and data; equal trees have equal digests.
        error: why it could not be read.
        settled: whether all servers agreed, or this one was the same in two looks in a row.
    """

    node: int
    data: dict[str, bytes] | None = None
    zxid: int | None = None
    digest: str | None = None
    error: str | None = None
    settled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnds:
    """When which session ended, by one server's transaction log.

    Attributes:
        ended: zxid by session id, in the order of the log.
        error: why the log could not be read.
    """

    node: int
    ended: dict[int, int] = field(default_factory=dict)
    error: str | None = None


def end_of(log: bytes) -> bytes:
    """Return a mark of where a server's log ends now, for `written_since`."""
    return log[-MARK_BYTES:]


def written_since(log: bytes, mark: bytes) -> bytes:
    """Return what a server has written since its log ended with a mark.

    All of it if the mark is gone: only the end of a log is kept, and its beginning moves.
    """
    at = log.find(mark)
    return log if at < 0 else log[at + len(mark) :]
