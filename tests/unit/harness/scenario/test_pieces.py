"""A long scenario in pieces: all phases once, each with the servers that the one before left."""

from pathlib import Path
from typing import Any

import pytest

from harness.common.harness_errors import ScenarioError
from harness.scenario import pieces
from harness.scenario.pieces import Share


def data(phases: int) -> dict[str, Any]:
    """Return a scenario's data; each third phase goes to another release."""
    to = ["3.9.3", "3.9.6"]
    return {
        "description": "d",
        "cluster": {"nodes": 3, "zookeeper": "3.8.0"},
        "phases": [
            {
                "name": f"p{number}",
                "faults": [{"rolling-upgrade": {"to": to[number // 3 % 2]}}]
                if number % 3 == 0
                else [],
            }
            for number in range(phases)
        ],
    }


@pytest.mark.parametrize(("phases", "count"), [(7, 1), (7, 3), (7, 7), (40, 6)])
def test_each_phase_is_in_one_piece(phases: int, count: int) -> None:
    """In order, and no piece is empty or much longer than another."""
    whole = data(phases)
    cut = [
        pieces.cut(whole, Share(number=n + 1, count=count), disks=None)["phases"]
        for n in range(count)
    ]
    assert [phase for piece in cut for phase in piece] == whole["phases"]
    sizes = {len(piece) for piece in cut}
    assert max(sizes) - min(sizes) <= 1


def test_a_piece_begins_with_the_disks_and_the_release_of_the_one_before() -> None:
    """The first one with those of the scenario."""
    whole = data(6)
    first = pieces.cut(whole, Share(number=1, count=3), disks=None)
    second = pieces.cut(whole, Share(number=2, count=3), disks=Path("/kept"))
    third = pieces.cut(whole, Share(number=3, count=3), disks=Path("/kept"))
    assert first["cluster"] == whole["cluster"]
    assert second["cluster"] == {"nodes": 3, "zookeeper": "3.9.3", "disks": "/kept"}
    assert third["cluster"]["zookeeper"] == "3.9.6"


def test_more_pieces_than_phases_are_refused() -> None:
    """A piece without phases would show nothing."""
    with pytest.raises(ScenarioError, match="at most as many pieces as phases, 2, got 1/3"):
        pieces.cut(data(2), Share(number=1, count=3), disks=None)


@pytest.mark.parametrize("word", ["", "3", "0/2", "3/2", "1/2/3", "-1/2", "1/", "¹/2"])
def test_what_is_no_share_is_refused(word: str) -> None:
    """With the form that was expected."""
    with pytest.raises(ScenarioError, match=r"--piece: expected I/N with I in 1\.\.N"):
        Share.parse(word, "--piece")


def test_a_share_knows_the_one_before() -> None:
    """The first has none."""
    second = Share.parse("2/5", "--piece")
    assert (str(second), str(second.before)) == ("2/5", "1/5")
    assert second.before is not None
    assert second.before.before is None
