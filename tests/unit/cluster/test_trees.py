"""Servers that differ are looked at again, until what is seen stands still."""

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from cluster import trees
from cluster.cluster_errors import ClusterError
from harness.common.server_states import ServerTree


def settled(*looks: Iterable[str | None]) -> tuple[list[bool], int]:
    """Settle on these digests by look; return the marks, and how many looks it took."""
    rest = [
        [ServerTree(node=node, digest=digest) for node, digest in enumerate(look, 1)]
        for look in looks
    ]
    taken = iter(rest)
    found = trees.settle(lambda: next(taken), wait_s=0)
    return [tree.settled for tree in found], len(rest) - len(list(taken))


def test_equal_trees_need_one_look() -> None:
    """What all agree on is settled at once."""
    assert settled("aaa", "bbb") == ([True] * 3, 1)


def test_a_read_that_was_late_is_repeated() -> None:
    """An ephemeral that went between two reads is no difference in the next look."""
    assert settled("ab", "bb") == ([True] * 2, 2)


def test_a_difference_that_stays_is_settled_in_two_looks() -> None:
    """A server that lacks something for good is told as it stands."""
    assert settled("aab", "aab") == ([True] * 3, 2)


def test_a_tree_that_never_stands_still_is_marked() -> None:
    """After the last look the servers that still change are told apart."""
    looks = [("a", str(number)) for number in range(trees.LOOKS)]
    assert settled(*looks) == ([True, False], trees.LOOKS)


def test_an_unread_server_costs_one_look() -> None:
    """The others are compared, and nobody waits again for one that does not answer."""
    assert settled(["a", None, "a"]) == ([True] * 3, 1)


class _Client:
    """A client that cannot connect, and counts that it was asked to."""

    def __init__(self, starts: list[str]) -> None:
        self._starts = starts

    def start(self, **_: Any) -> None:
        self._starts.append("start")
        raise trees.KazooTimeoutError("Connection time-out")

    def stop(self) -> None:
        """Have nothing to stop."""

    close = stop


class _Pod(SimpleNamespace):
    """A node whose engine says this of its server, or nothing."""

    id, client_address = 3, "127.0.0.1:1"

    @property
    def process(self) -> str:
        if self.says is None:
            raise ClusterError("the engine is gone")
        return str(self.says)


@pytest.mark.parametrize(
    ("says", "tries"), [("exited", 0), ("created", 0), ("running", 1), ("paused", 1), (None, 1)]
)
def test_nobody_waits_for_a_server_that_is_down(
    says: str | None, tries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its engine says so at once; any other server is tried, as long as a connection takes."""
    starts: list[str] = []
    monkeypatch.setattr(trees, "KazooClient", lambda **_: _Client(starts))
    tree: Any = trees.read(_Pod(says=says), "/")  # type: ignore[arg-type]
    assert (len(starts), tree.digest) == (tries, None)
    assert tree.error == (
        "KazooTimeoutError: Connection time-out" if tries else f"the server is down: {says}"
    )
