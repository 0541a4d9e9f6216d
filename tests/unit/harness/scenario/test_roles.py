"""Who a target means, from nothing but the servers' states."""

from collections import Counter
from random import Random

import pytest

from harness.common.server_states import NodeStatus
from harness.common.settings.quorum_config import NodeConfig, QuorumConfig
from harness.scenario import roles


def seen(*modes: str) -> list[NodeStatus]:
    """Return one status per mode, for nodes 1, 2, ..."""
    return [NodeStatus(node=id, mode=mode) for id, mode in enumerate(modes, start=1)]


FIVE = seen("follower", "follower", "leader", "follower", "follower")
WATCHED = QuorumConfig(nodes=[*[NodeConfig()] * 3, *[NodeConfig(role="observer")] * 2])
ONE_DOWN = seen("follower", "down", "leader", "follower", "follower")


def resolved(target: roles.Target, states: list[NodeStatus], seed: int = 0) -> list[int]:
    """Resolve without bound names."""
    return roles.resolve(target, states, {}, Random(seed))


def test_the_leader_is_the_one_that_leads() -> None:
    """`leader` is the node whose mode says so, whoever it is."""
    assert resolved("leader", FIVE) == [3]


@pytest.mark.parametrize(
    "states", [seen("follower", "follower"), seen("leader", "leader", "follower")]
)
def test_no_leader_is_nobody(states: list[NodeStatus]) -> None:
    """With no leader, or with two right after an election, nobody is meant."""
    assert resolved("leader", states) == []


def test_followers_are_all_that_serve_and_do_not_lead() -> None:
    """`followers` leaves out the leader and what is down."""
    assert resolved("followers", ONE_DOWN) == [1, 4, 5]


@pytest.mark.parametrize(
    ("target", "pool", "size"),
    [
        ("follower", {1, 4, 5}, 1),
        ("any", {1, 3, 4, 5}, 1),
        ("minority", {1, 3, 4, 5}, 2),
        ("majority", {1, 3, 4, 5}, 3),
    ],
)
def test_a_draw_is_of_the_right_size_from_who_qualifies(
    target: str, pool: set[int], size: int
) -> None:
    """A drawn role has its size, is in order, and over many draws reaches all who qualify."""
    draws = [resolved(target, ONE_DOWN, seed) for seed in range(100)]
    assert all(len(draw) == size and draw == sorted(draw) for draw in draws)
    assert set(Counter(id for draw in draws for id in draw)) == pool


def test_a_draw_follows_its_seed() -> None:
    """The same stream draws the same nodes."""
    assert resolved("minority", FIVE, 7) == resolved("minority", FIVE, 7)


def test_too_few_to_draw_from_is_nobody() -> None:
    """A majority of five cannot be drawn from two that serve."""
    states = seen("leader", "follower", "down", "down", "looking")
    assert resolved("majority", states) == []
    assert resolved("minority", states) == [1, 2]


def test_a_named_node_is_meant_whatever_its_state() -> None:
    """`{node: 2}` is node 2, serving or not."""
    assert resolved({"node": 2}, ONE_DOWN) == [2]


def test_a_bound_name_stays_with_its_node() -> None:
    """A bound name means its node for ever, even when the role has moved on."""
    assert roles.resolve("l", FIVE, {"l": 1}, Random(0)) == [1]


def test_bind_gives_distinct_nodes() -> None:
    """Names are bound to distinct nodes, the particular roles before the general ones."""
    wanted = {
        "a": "a follower",
        "b": "any",
        "h": "the follower with the highest id",
        "l": "leader",
        "n": "node 1",
    }
    for seed in range(50):
        bound = roles.bind(wanted, FIVE, Random(seed))
        assert list(bound) == list(wanted)
        assert sorted(bound.values()) == [1, 2, 3, 4, 5]
        assert (bound["h"], bound["l"], bound["n"]) == (5, 3, 1)


def test_bind_without_enough_nodes_names_the_name() -> None:
    """When nobody is left for a name, that name and its role are told."""
    with pytest.raises(ValueError, match=r"bind\.m: expected leader, got no node left"):
        roles.bind({"l": "leader", "m": "leader"}, FIVE, Random(0))


@pytest.mark.parametrize("role", ["a follower", "leader", "node 3", "any"])
def test_known_bindings_pass(role: str) -> None:
    """Each documented role may stand in `bind`."""
    assert roles.complaint_of_binding(role, QuorumConfig()) is None


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("boss", "expected one of leader, "),
        ({"node": 6}, "expected {node: 1..5}, got {'node': 6}"),
        ({"node": 0}, "expected {node: 1..5}, got {'node': 0}"),
        ({"nod": 1}, "expected {node: 1..5}, got {'nod': 1}"),
    ],
)
def test_an_unknown_target_is_complained_of(target: roles.Target, told: str) -> None:
    """What a target may be, and what it is."""
    complaint = roles.complaint_of_target(target, QuorumConfig(), {"l": "leader"})
    assert complaint is not None
    assert complaint.startswith(told)


@pytest.mark.parametrize("target", [*roles.ROLES, "l", {"node": 5}])
def test_known_targets_pass(target: roles.Target) -> None:
    """Every role, a bound name and a node of the quorum are targets."""
    assert roles.complaint_of_target(target, WATCHED, {"l": "leader"}) is None


def test_without_an_observer_no_target_means_one() -> None:
    """A role that no node can ever have is refused, with what would make it one."""
    for told in (
        roles.complaint_of_target("observers", QuorumConfig(), {}),
        roles.complaint_of_binding("an observer", QuorumConfig()),
    ):
        assert told is not None
        assert "{role: observer}" in told


def test_observers_are_only_meant_by_their_own_roles() -> None:
    """No follower, minority or half has an observer in it, also when the observer is down."""
    states = seen("follower", "follower", "leader", "observer", "down")

    def drawn(target: roles.Target) -> set[tuple[int, ...]]:
        return {
            tuple(sorted(roles.resolve(target, states, {}, Random(seed), WATCHED.observers)))
            for seed in range(50)
        }

    assert drawn("follower") == {(1,), (2,)}
    assert drawn("followers") == {(1, 2)}
    assert drawn("minority") == {(1,), (2,), (3,)}
    assert drawn("majority") == {(1, 2), (1, 3), (2, 3)}
    assert drawn("observer") == drawn("observers") == {(4,)}
    assert drawn("any") == {(1,), (2,), (3,), (4,)}
    assert drawn("all") == {(1, 2, 3, 4, 5)}


def test_an_observer_is_bound_by_its_role_alone() -> None:
    """`a follower` is never an observer, and `an observer` never a follower."""
    states = seen("follower", "follower", "leader", "observer", "observer")
    wanted = {"a": "a follower", "b": "a follower", "o": "an observer", "p": "an observer"}
    for seed in range(20):
        bound = roles.bind(wanted, states, Random(seed), WATCHED.observers)
        assert {bound["a"], bound["b"]} == {1, 2}
        assert {bound["o"], bound["p"]} == {4, 5}
