"""How an acknowledged item can be gone at the end: histories of queues that lose what was held."""

from collections.abc import Callable, Mapping
from typing import Any

from harness.history.columns import History
from worlds.histories.by_hand import drained, ended, history, note, op, returned

HELD = [
    *op("put", 1, 0, 5),
    *op("put", 2, 6, 9, process=3),
    *op("reserve", 1, 10, 15, process=1, consumer="c1", n=1),
    *op("take", 2, 16, 18, process=4, n=1),
]
DIED = ended(1, 20, why="killed")
DRAINED = drained(50, 60)


def trees(*servers: Mapping[str, list[int]]) -> list[dict[str, Any]]:
    """Return the trees of these servers, read after the drain."""
    return [
        event
        for node, places in enumerate(servers, start=1)
        for event in note(
            "tree",
            70,
            node=node,
            reachable=True,
            when="drained",
            digest=str(places),
            places=places,
            guessed=False,
        )
    ]


def deleted_by_the_reaper() -> History:
    """A dead consumer's item is deleted with its registration, and nobody says so."""
    return history(HELD, DIED, DRAINED, trees({}, {}, {}))


def moved_to_partial() -> History:
    """A dead consumer's item is moved where no consumer looks."""
    aside = {"partial": [1]}
    return history(HELD, DIED, returned(1, 30, 1, to="partial"), DRAINED, trees(aside, aside))


def never_taken_back() -> History:
    """A dead consumer keeps its item for ever, and the drain waits for it in vain."""
    held = {"claims": [1]}
    return history(HELD, DIED, drained(50, 60, complete=False), trees(held, held))


def closed_with_an_item() -> History:
    """A consumer closes with an item in its hand, which nobody sees again."""
    return history(HELD, ended(1, 20, why="closed"), DRAINED, trees({}, {}))


def hold_lost_then_gone() -> History:
    """A consumer is told that it lost an item, which nobody sees again."""
    return history(HELD, note("hold-lost", 20, consumer="c1", values=[1]), DRAINED, trees({}))


def released_then_gone() -> History:
    """An item is given back, and nobody sees it again."""
    return history(HELD, op("release", 1, 20, 25, process=1, consumer="c1"), DRAINED, trees({}))


def on_one_server_only() -> History:
    """An item is put aside as allowed, but only one server has it."""
    return history(HELD, DIED, DRAINED, trees({"dead": [1]}, {}, {}))


def hidden_by_a_reserve() -> History:
    """An item is missing, and a reserve got no answer; but the drain found it in nobody's hand."""
    unanswered = op("reserve", None, 12, None, process=7, n=1)
    return history(op("put", 1, 0, 5), unanswered, DRAINED, trees({}, {}))


def done_without_an_effect() -> History:
    """A consumer's acknowledgement is answered, and every server still has the item."""
    left = {"items": [1]}
    done = op("done", 1, 20, 25, process=1, consumer="c1")
    return history(HELD, done, DRAINED, trees(left, left))


def taken_without_an_effect() -> History:
    """A taken item is put back by an election, after the drain has looked."""
    left = {"items": [2]}
    done = op("done", 1, 20, 25, process=1, consumer="c1")
    return history(HELD, done, DRAINED, trees(left, left))


CASES: dict[str, tuple[str, Callable[[], History]]] = {
    "a dead one's item deleted": ("lost", deleted_by_the_reaper),
    "a dead one's item moved to partial": ("lost", moved_to_partial),
    "a dead one keeps its item": ("drain-gave-up", never_taken_back),
    "gone with who closed": ("lost", closed_with_an_item),
    "gone after the hold was lost": ("lost", hold_lost_then_gone),
    "gone after its release": ("lost", released_then_gone),
    "on one server only": ("lost", on_one_server_only),
    "done, and still there": ("left-after-done", done_without_an_effect),
    "taken, and still there": ("left-after-done", taken_without_an_effect),
    "not with the unanswered reserve": ("lost", hidden_by_a_reserve),
}
