"""One server after the other, the next only when all are in sync again: how operators do it."""

import time
from collections.abc import Callable, Iterable

from harness.harness_errors import TargetError
from harness.target import Evidence, NodeStatus, Quorum

SYNCED_WITHIN_S = 60.0
POLL_S = 0.1


def each(quorum: Quorum, nodes: Iterable[int], renew: Callable[[int], Evidence]) -> Evidence:
    """Renew the nodes one at a time, followers first; return what was seen of each, in order.

    Raises:
        TargetError: the followers were not all in sync in time.
    """
    done = []
    for id in _followers_first(quorum, nodes):
        seen = renew(id)
        began = time.monotonic()
        wait_synced(quorum)
        done.append({**seen, "synced_after_s": round(time.monotonic() - began, 3)})
    return {"renewed": done}


def wait_synced(quorum: Quorum, *, within_s: float = SYNCED_WITHIN_S) -> None:
    """Wait until one leads and says that every other voter is a synced follower.

    Raises:
        TargetError: it did not come to that; says what the leader counted last.
    """
    deadline = time.monotonic() + within_s
    while not _synced(seen := quorum.statuses(metrics=True)):
        if time.monotonic() > deadline:
            modes = {s.node: s.mode for s in seen}
            raise TargetError(
                f"rolling: expected every follower synced within {within_s:g} s, got {modes}"
            )
        time.sleep(POLL_S)


def _synced(seen: Iterable[NodeStatus]) -> bool:
    statuses = list(seen)
    counts = [(s.metrics or {}).get("zk_synced_followers") for s in statuses if s.mode == "leader"]
    # Releases differ in how they write the number: 4 or 4.0.
    known = [float(count) for count in counts if count is not None]
    return all(s.serving for s in statuses) and known == [len(statuses) - 1]


def _followers_first(quorum: Quorum, nodes: Iterable[int]) -> list[int]:
    leaders = {s.node for s in quorum.statuses() if s.mode == "leader"}
    return sorted(nodes, key=lambda id: (id in leaders, id))
