"""The settings of a quorum: counted nodes, listed nodes, and what is refused."""

from typing import Any

import pytest
from pydantic import ValidationError

from harness.common.settings.quorum_config import QuorumConfig


def config(**settings: Any) -> QuorumConfig:
    """Return settings as a scenario's file gives them."""
    return QuorumConfig.model_validate(settings)


def test_counted_nodes_all_vote() -> None:
    """A number of nodes is that many participants."""
    counted = config(nodes=3)
    assert (counted.size, counted.voters, counted.observers) == (3, [1, 2, 3], [])


def test_listed_nodes_have_ids_in_their_order() -> None:
    """Each entry of a list is a node, whether or not something is special about it."""
    listed = config(nodes=[{}, {"role": "observer"}, {"heap_mb": 64}, {"role": "observer"}])
    assert (listed.size, listed.voters, listed.observers) == (4, [1, 3], [2, 4])
    assert listed.each[3].heap_mb == 64


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"nodes": []}, "at least 1 item"),
        ({"nodes": [{}] * 10}, "at most 9 items"),
        ({"nodes": [{"role": "voter"}]}, "'participant' or 'observer'"),
        ({"nodes": [{"rol": "observer"}]}, "Extra inputs"),
        ({"nodes": [{"role": "observer"}]}, "at least 2 participants beside observers, got 0"),
        ({"nodes": [{}, {"role": "observer"}]}, "at least 2 participants beside observers, got 1"),
        ({"zoo_cfg": {"dataLogDir": "/datalog"}}, "expected no dataLogDir: faults know a server"),
        ({"nodes": [{"zoo_cfg": {" dataDir": "/x"}}]}, "expected no  dataDir: faults know"),
        ({"jvm": {"a.b": "x -Dy=z"}}, "String should match"),
        ({"jvm": {"-Da": "x"}}, "String should match"),
        ({"jvm": {"a": 1.5}}, "valid integer"),
    ],
)
def test_what_no_server_could_have_is_refused(settings: dict[str, Any], told: str) -> None:
    """No list without nodes, no observer beside too few voters, no flag in a property."""
    with pytest.raises(ValidationError, match=told):
        config(**settings)


def test_nodes_are_spread_over_engines_in_turn() -> None:
    """Each host has its share, and the nodes of a host are those beside each other."""
    spread = config(engines=["a", "b"])
    assert [spread.place_of(id) for id in spread.each] == [0, 1, 0, 1, 0]
    assert [spread.beside(id) for id in (3, 4)] == [[1, 3, 5], [2, 4]]
    assert spread.place != config(engines=["b", "a"]).place


def test_without_engines_all_nodes_are_on_one() -> None:
    """The one that the environment means."""
    assert [config().place_of(id) for id in config().each] == [0] * 5
    assert config().beside(2) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"engines": ["a", "a"]}, "expected each engine once"),
        ({"nodes": 1, "engines": ["a", "b"]}, "expected at most 1 engines, one a node, got 2"),
        ({"nodes": [{}], "engines": ["a", "b"]}, "expected at most 1 engines"),
        ({"engines": [""]}, "at least 1 character"),
        ({"spread": "racks"}, "'hosts'"),
        ({"swarm": "mine"}, "'own' or 'use-existing'"),
    ],
)
def test_engines_that_no_quorum_could_use_are_refused(settings: dict[str, Any], told: str) -> None:
    """A name twice, and one that would get no node."""
    with pytest.raises(ValidationError, match=told):
        config(**settings)
