"""replicas: all servers, each read by itself, hold the same."""

from typing import Any

import pytest

from harness.checkers.replicas import Replicas
from harness.claim import Claim
from harness.common.verdict import CheckResult, Verdict
from worlds.histories.by_hand import history, note

ALL = list(range(1, 101))


def tree(node: int, digest: str, *, when: str = "healed", **more: Any) -> list[dict[str, Any]]:
    """Return one server's tree, read and settled unless `more` says otherwise."""
    value = {"node": node, "reachable": True, "digest": digest, "settled": True, "when": when}
    return note("tree", 9, **value | more)


def unread(node: int) -> list[dict[str, Any]]:
    """Return a server that could not be read."""
    return note("tree", 9, node=node, reachable=False, error="timed out", when="healed")


def judged(*trees: list[dict[str, Any]]) -> CheckResult:
    """Judge a history of these trees."""
    return Replicas().check(history(*trees), Claim())


@pytest.mark.parametrize(
    ("trees", "verdict", "reasons"),
    [
        pytest.param([tree(1, "a"), tree(2, "a")], Verdict.VALID, (), id="equal"),
        pytest.param(
            [tree(1, "a"), tree(2, "b")], Verdict.INVALID, ("replicas-differ",), id="differ"
        ),
        pytest.param(
            [tree(1, "a"), tree(2, "b", settled=False)],
            Verdict.UNKNOWN,
            ("replicas-unsettled",),
            id="one-still-changes",
        ),
        pytest.param(
            [note("tree", 9, node=n, reachable=True, digest=d) for n, d in ((1, "a"), (2, "b"))],
            Verdict.UNKNOWN,
            ("replicas-unsettled",),
            id="recorded-before-looks-were-repeated",
        ),
        pytest.param(
            [tree(1, "a"), tree(2, "a"), unread(3)],
            Verdict.UNKNOWN,
            ("replica-unread",),
            id="one-unread",
        ),
        pytest.param(
            [tree(1, "a"), tree(2, "b"), unread(3)],
            Verdict.INVALID,
            ("replica-unread", "replicas-differ"),
            id="differ-and-one-unread",
        ),
        pytest.param(
            [
                tree(1, "a"),
                tree(2, "a"),
                tree(1, "b", when="drained"),
                tree(2, "b", when="drained"),
            ],
            Verdict.VALID,
            (),
            id="another-tree-at-another-moment",
        ),
        pytest.param(
            [
                tree(1, "a"),
                tree(2, "b"),
                tree(1, "c", when="drained"),
                tree(2, "c", when="drained"),
            ],
            Verdict.INVALID,
            ("replicas-differ",),
            id="the-drain-hides-it",
        ),
    ],
)
def test_verdict_follows_the_digests(
    trees: list[list[dict[str, Any]]], verdict: Verdict, reasons: tuple[str, ...]
) -> None:
    """Only settled trees of one moment are held against each other, and none may be missing."""
    result = judged(*trees)
    assert (result.verdict, result.reasons) == (verdict, reasons)


def test_names_what_the_odd_server_lacks() -> None:
    """The witness names the server, how much it lacks, and the first items."""
    whole = [tree(n, "a", places={"items": ALL}) for n in (1, 2)]
    result = judged(*whole, tree(3, "b", places={"items": ALL[:50]}))
    (witness,) = result.witnesses
    assert witness.sentence == (
        "After the last heal, node 3 differs from nodes 1, 2: "
        "lacks 50 of 100 in items (51, 52, 53, 54, 55, …)."
    )
    assert witness.values == (51, 52, 53, 54, 55)
    assert result.details == {"healed": [[1, 2], [3]]}
    assert [(found.reason, found.count) for found in result.findings] == [("replicas-differ", 1)]


def test_names_what_only_one_server_has() -> None:
    """An item that was deleted everywhere else is told too."""
    held = tree(2, "b", places={"claims": [7]})
    (witness,) = judged(tree(1, "a", places={"claims": []}), held).witnesses
    told = "After the last heal, node 2 differs from node 1: has 1 more in claims (7)."
    assert witness.sentence == told


def test_a_place_that_one_server_has_not_is_an_empty_one() -> None:
    """A server that never saw a dead letter lacks those of the others."""
    (witness,) = judged(
        tree(1, "a", places={"items": [1], "dead": [7]}), tree(2, "b", places={"items": [1]})
    ).witnesses
    told = "After the last heal, node 2 differs from node 1: lacks 1 of 1 in dead (7)."
    assert witness.sentence == told


def test_a_difference_outside_of_the_items_counts() -> None:
    """Equal items under different digests are a difference all the same."""
    (witness,) = judged(tree(1, "a"), tree(2, "b")).witnesses
    assert witness.sentence.endswith("has the same items in other znodes.")


def test_needs_two_servers() -> None:
    """One server is no replica of anything."""
    assert Replicas().unmet(history(tree(1, "a")), Claim()) == "the trees of two servers"
    assert Replicas().unmet(history(tree(1, "a"), tree(2, "a")), Claim()) is None


@pytest.mark.parametrize(
    ("leader", "follower", "suspected"),
    [
        pytest.param({"disk-sync": 1}, {"digest-mismatch": 1}, True, id="both-lines"),
        pytest.param({}, {"digest-mismatch": 1}, False, id="no-sync-from-disk"),
        pytest.param({"disk-sync": 1, "digest-mismatch": 1}, {}, False, id="another-nodes-digest"),
    ],
)
def test_a_sync_from_disk_is_suspected_where_the_logs_point_to_it(
    leader: dict[str, int], follower: dict[str, int], *, suspected: bool
) -> None:
    """The witness of the node that differs names the suspect; the verdict stays the same."""
    logs = [
        note("server-log", 9, node=node, patterns=patterns, samples=[])
        for node, patterns in ((1, leader), (2, {}), (3, follower))
    ]
    result = judged(tree(1, "a"), tree(2, "a"), tree(3, "b"), *logs)
    (witness,) = result.witnesses
    assert ("suspected: a leader's sync from its log on disk" in witness.sentence) == suspected
    assert (result.verdict, result.reasons) == (Verdict.INVALID, ("replicas-differ",))


def test_trees_that_agree_are_not_suspected() -> None:
    """Both lines without a difference say nothing."""
    log = note("server-log", 9, node=1, patterns={"disk-sync": 1, "digest-mismatch": 1}, samples=[])
    assert judged(tree(1, "a"), tree(2, "a"), log).witnesses == ()
