"""The lives of items."""

from typing import Any

from harness.report import client_lives
from worlds.histories.by_hand import history, op
from worlds.histories.judged_runs import MS, tree
from worlds.histories.judged_runs import lives as lives_of


def checked(*witnesses: Any) -> dict[str, Any]:
    """Return a check that found these."""
    return {"name": "x", "verdict": "invalid", "reasons": [], "witnesses": list(witnesses)}


NO_WITNESS: dict[str, Any] = {"checks": []}


def test_a_life_is_all_calls_in_order() -> None:
    """Put, claim and done, each with its times, its process and its zxid."""
    told = client_lives.tell(history(lives_of(lost=())), NO_WITNESS, [])
    put, reserve, done = told["lives"]["1"]
    assert put[1:6] == ["put", "ok", 0.01, 0.014, 0]
    assert reserve[1:7] == ["reserve", "ok", 0.045, 0.047, 1, 1]
    assert done[1] == "done"


def test_an_unknown_outcome_has_no_end() -> None:
    """A call whose outcome is unknown was never answered, as far as anyone knows."""
    told = client_lives.tell(history(op("put", 1, 5 * MS, None)), NO_WITNESS, [])
    assert told["lives"]["1"][0][2:5] == ["info", 0.005, None]


def test_where_an_item_stood_at_the_end() -> None:
    """Each server that held it, and in which place."""
    seen = history(
        lives_of(), tree(1, 200, items=[2]), tree(2, 200, items=[]), tree(3, 200, dead=[2])
    )
    assert client_lives.tell(seen, NO_WITNESS, [])["places"] == {"2": {"1": "items", "3": "dead"}}


def test_a_process_is_told_with_its_session() -> None:
    """Who called, in which session, and which server opened it."""
    told = client_lives.tell(history(lives_of()), NO_WITNESS, [])
    assert told["processes"]["0"] == {"session": "0x300000000000001", "opened_by": 3}


def test_witnesses_and_what_was_asked_for_are_always_told() -> None:
    """Where not all lives have room, those come first, and the page can tell that it lacks some."""
    seen = history(lives_of(items=200))
    call = seen.operation(int((seen.value == seen.number_of[77]).argmax())).as_json()
    witness = {"sentence": "", "operations": [call], "values": [77]}
    told = client_lives.tell(
        seen,
        {"checks": [{"name": "x", "verdict": "invalid", "reasons": [], "witnesses": [witness]}]},
        [123],
        limit=30,
    )
    assert {"77", "123"} <= set(told["lives"])
    assert len(told["lives"]) < 20
    assert (told["witnesses"], told["whole"]) == (["77"], False)


def test_a_small_history_is_told_whole() -> None:
    """Every item is there, and the page says so."""
    told = client_lives.tell(history(lives_of()), NO_WITNESS, [])
    assert (set(told["lives"]), told["whole"]) == ({"1", "2", "3"}, True)
