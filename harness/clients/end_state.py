"""The end of a run as notes of the history: what each server holds, and what its logs say."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from harness.clients import server_log
from harness.clients.subject_lookup import has_places, places
from harness.common.server_states import NodeStatus, ServerTree, SessionEnds

QUEUE_ROOT = "/queue"


def of_trees(
    subject: str | None, trees: Iterable[ServerTree], folders: Sequence[str] = ()
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give a "tree" note for each server; a subject's own module may be in one of the folders."""
    for tree in trees:
        yield "tree", _tree_note(subject, folders, tree)


def of_logs(
    logs: Iterable[tuple[int, bytes]],
    statuses: Iterable[NodeStatus],
    session_ends: Iterable[SessionEnds],
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give a "server-log" note for each server, then a "sessions-ended" note for each.

    `statuses` are with metrics, of which the count of digest mismatches is kept.
    """
    counted = {status.node: _mismatches(status) for status in statuses}
    for node, log in logs:
        yield server_log.NOTE, server_log.told(node, log) | {"digest_mismatches": counted.get(node)}
    for ends in session_ends:
        ended = {f"0x{session:x}": zxid for session, zxid in ends.ended.items()}
        yield "sessions-ended", {"node": ends.node, "zxids": ended, "error": ends.error}


def _tree_note(subject: str | None, folders: Sequence[str], tree: ServerTree) -> dict[str, Any]:
    note: dict[str, Any] = {"node": tree.node, "reachable": tree.data is not None}
    if tree.data is None:
        return note | {"error": tree.error}
    prefix = f"{QUEUE_ROOT}/consumers/"
    consumers = {p.removeprefix(prefix).split("/")[0] for p in tree.data if p.startswith(prefix)}
    return note | {
        "zxid": tree.zxid,
        "digest": tree.digest,
        "settled": tree.settled,
        "places": places(subject, folders, tree.data, QUEUE_ROOT),
        "guessed": not has_places(subject, folders),
        "consumers": sorted(consumers),
    }


def _mismatches(status: NodeStatus) -> int | None:
    """Return how often a server found its data to differ since it started; None if silent."""
    told = (status.metrics or {}).get("zk_digest_mismatches_count")
    return None if told is None else int(told)
