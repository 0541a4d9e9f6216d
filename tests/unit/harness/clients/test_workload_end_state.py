"""The notes on the servers' end state: the log's patterns, and what the server counted itself."""

import pytest

from harness.clients import end_state
from harness.common.server_states import NodeStatus, ServerTree, SessionEnds


def test_the_log_note_has_patterns_and_the_servers_own_count() -> None:
    """A silent server's count is null, which is not zero."""
    logs = [(1, b"WARN Digests are not matching. Value is Zxid.\n"), (2, b"INFO fine\n")]
    counted = {"zk_digest_mismatches_count": "9"}
    statuses = [
        NodeStatus(node=1, mode="leader", metrics=counted),
        NodeStatus(node=2, mode="silent"),
    ]
    (_, first), (_, second) = end_state.of_logs(logs, statuses, [])
    assert (first["patterns"], first["digest_mismatches"]) == ({"digest-mismatch": 1}, 9)
    assert (second["patterns"], second["digest_mismatches"]) == ({}, None)


def test_a_null_pointer_in_a_log_is_found() -> None:
    """The pattern matches the line that a server writes."""
    logs = [(1, b"java.lang.NullPointerException: null\n")]
    ((_, note),) = end_state.of_logs(logs, [], [])
    assert note["patterns"] == {"null-pointer": 1}


def test_the_tree_note_says_whether_it_is_settled() -> None:
    """A checker must know whether a difference may have been one moment's."""
    tree = ServerTree(node=1, data={"/queue": b""}, digest="a", settled=True)
    ((_, note),) = end_state.of_trees("zkmq", [tree])
    assert note["settled"] is True


@pytest.mark.parametrize(("subject", "guessed"), [("zkmq", False), (None, True)])
def test_the_tree_note_says_whether_its_places_are_a_guess(
    subject: str | None, *, guessed: bool
) -> None:
    """A checker must know whether what stands in a place need not be an item."""
    tree = ServerTree(node=1, data={"/queue": b""}, digest="a", settled=True)
    ((_, note),) = end_state.of_trees(subject, [tree])
    assert note["guessed"] is guessed


def test_sessions_that_ended_are_told_by_server() -> None:
    """A session stands there as clients call it; a log that could not be read says why."""
    read = [SessionEnds(node=1, ended={0x10AB: 7}), SessionEnds(node=2, error="OSError: gone")]
    (_, first), (_, second) = end_state.of_logs([], [], read)
    assert first == {"node": 1, "zxids": {"0x10ab": 7}, "error": None}
    assert second == {"node": 2, "zxids": {}, "error": "OSError: gone"}
