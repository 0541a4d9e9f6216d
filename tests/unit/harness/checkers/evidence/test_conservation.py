"""Conservation: after a drain each acknowledged item is accounted for by name, or lost."""

import pytest

from harness.checkers import checkers
from harness.claim import Claim
from harness.common.verdict import CheckResult
from harness.history.columns import History
from worlds.histories.by_hand import drained, ended, history, note, op, queue_run, returned

PUT_1 = op("put", 1, 0, 5)
GOT_1 = op("reserve", 1, 10, 15, process=1, consumer="c1")
RELEASED_1 = op("release", 1, 20, 25, process=1, consumer="c1")
AGAIN_1 = op("reserve", 1, 40, 45, process=2, consumer="c2")
DIED = ended(1, 20)
DRAINED = drained(50, 60)
GAVE_UP = drained(50, 60, complete=False)


def total(h: History, *, aside: tuple[str, ...] = (), least: float = 0.0) -> CheckResult:
    """Return what total-queue says."""
    claim = Claim(put_aside=aside, min_acknowledged=least)
    return checkers["total-queue"]().check(h, claim)


def tree(node: int, at_ns: int = 70, **places: list[int]) -> list[dict[str, object]]:
    """Return one server's tree, read after the drain."""
    return note(
        "tree", at_ns, node=node, reachable=True, when="drained", places=places, guessed=False
    )


@pytest.mark.parametrize(
    "h",
    [
        pytest.param(history(PUT_1, DRAINED), id="never-delivered"),
        pytest.param(history(PUT_1, GOT_1, DIED, DRAINED), id="a-dead-consumer's, deleted"),
        pytest.param(
            history(PUT_1, GOT_1, DIED, returned(1, 25, 1, to="partial"), DRAINED),
            id="a-dead-consumer's, moved-to-partial",
        ),
        pytest.param(
            history(PUT_1, GOT_1, DIED, DRAINED, tree(1, partial=[1]), tree(2, partial=[1])),
            id="a-dead-consumer's, in-partial-of-every-server",
        ),
        pytest.param(
            history(PUT_1, GOT_1, DIED, DRAINED, tree(1, claims=[1]), tree(2, claims=[1])),
            id="a-dead-consumer's, never-taken-back-and-the-drain-does-not-mind",
        ),
        pytest.param(
            history(PUT_1, GOT_1, DIED, returned(1, 25, 1), DRAINED), id="returned-and-then-gone"
        ),
        pytest.param(
            history(PUT_1, GOT_1, ended(1, 20, why="closed"), DRAINED),
            id="closed-with-an-item-in-hand",
        ),
        pytest.param(
            history(PUT_1, GOT_1, note("hold-lost", 22, consumer="c1", values=[1]), DRAINED),
            id="hold-lost-and-then-gone",
        ),
        pytest.param(history(PUT_1, GOT_1, RELEASED_1, DRAINED), id="released-and-then-gone"),
        pytest.param(
            history(PUT_1, GOT_1, RELEASED_1, AGAIN_1, DRAINED),
            id="released-and-held-by-another-for-ever",
        ),
        pytest.param(
            history(PUT_1, GOT_1, op("done", 1, 20, 25, process=1, outcome="fail"), DRAINED),
            id="acknowledged-in-vain",
        ),
        pytest.param(
            history(PUT_1, op("reserve", None, 10, None, process=1, n=1), DRAINED),
            id="a-reserve-of-unknown-outcome-hides-nothing-after-a-drain",
        ),
        pytest.param(
            history(PUT_1, DRAINED, tree(1, items=[1]), tree(2, items=[1])),
            id="still-there-and-the-drain-says-it-is-not",
        ),
    ],
)
def test_what_is_not_accounted_for_is_lost(h: History) -> None:
    """Whether or not it was ever delivered, and wherever it stands that nobody looks."""
    result = total(h)
    assert (result.verdict.word, result.reasons) == ("invalid", ("lost",))
    assert result.details["missing"] == [1]


@pytest.mark.parametrize(
    "h",
    [
        pytest.param(
            history(PUT_1, GOT_1, op("done", 1, 16, 18, process=1), DRAINED), id="acknowledged"
        ),
        pytest.param(
            history(PUT_1, GOT_1, op("done", 1, 16, None, process=1), RELEASED_1, DRAINED),
            id="perhaps-acknowledged",
        ),
        pytest.param(history(PUT_1, op("take", 1, 10, 15, process=1), DRAINED), id="taken"),
        pytest.param(
            history(PUT_1, GOT_1, RELEASED_1, AGAIN_1, op("done", 1, 46, 48, process=2), DRAINED),
            id="released-and-acknowledged-by-another",
        ),
    ],
)
def test_what_was_acknowledged_or_taken_is_accounted_for(h: History) -> None:
    """A done that succeeded or may have, and a take, end an item's life."""
    assert total(h).verdict.word == "valid"


DONE_1 = op("done", 1, 16, 18, process=1)
TAKEN_1 = op("take", 1, 10, 15, process=1)


@pytest.mark.parametrize("place", ["items", "claims", "partial", "dead", "delayed", "purged"])
@pytest.mark.parametrize("end", [DONE_1, op("done", 1, 16, 18, process=1, zxid=30)])
def test_what_was_acknowledged_is_gone_from_the_trees(
    place: str, end: list[dict[str, object]]
) -> None:
    """With a zxid or without; one server alone may be behind, which is for `replicas`."""
    parts = PUT_1 + GOT_1 + end + DRAINED
    left = tree(1, 70, **{place: [1]}), tree(2, 71, **{place: [1]})
    result = total(history(parts, *left), aside=("partial", "dead"))
    assert (result.verdict.word, result.reasons) == ("invalid", ("left-after-done",))
    assert "1 was acknowledged, and every server that was read has" in result.witnesses[0].sentence
    for fine in [
        (left[0], tree(2, 71)),
        (tree(1, 17, **{place: [1]}), left[1]),
        (tree(1, 70, archive=[1]), tree(2, 71, archive=[1])),
    ]:
        assert total(history(parts, *fine)).verdict.word == "valid"


def test_what_was_taken_is_gone_from_the_trees() -> None:
    """A take removes its item."""
    h = history(PUT_1, TAKEN_1, DRAINED, tree(1, items=[1]), tree(2, items=[1]))
    assert total(h).reasons == ("left-after-done",)
    assert "1 was taken, and every server" in total(h).witnesses[0].sentence


@pytest.mark.parametrize("outcome", ["info", "fail"])
def test_what_was_perhaps_acknowledged_may_stand_there(outcome: str) -> None:
    """Only a `done` that is known to have taken effect must have removed the item."""
    end = op("done", 1, 16, 18, process=1, outcome=outcome)
    h = history(PUT_1, GOT_1, end, DRAINED, tree(1, items=[1]), tree(2, items=[1]))
    assert "left-after-done" not in total(h).reasons


@pytest.mark.parametrize(("zxid", "reason"), [(30, "left-after-done"), (None, "maybe-left")])
def test_trees_that_do_not_tell_are_judged_as_they_were(zxid: int | None, reason: str) -> None:
    """An earlier release judged only queues that tell zxids, which have places of their own."""
    end = op("done", 1, 16, 18, process=1, zxid=zxid)
    trees = [note("tree", 70, node=n, reachable=True, places={"items": [1]}) for n in (1, 2)]
    assert total(history(PUT_1, GOT_1, end, DRAINED, *trees)).reasons == (reason,)


def test_where_places_are_guesses_what_is_left_may_be_no_item() -> None:
    """A correct queue may keep a done item's value, to know it again: that is for people to say."""
    guessed = [
        note("tree", 70, node=n, reachable=True, places={"items": [1]}, guessed=True)
        for n in (1, 2)
    ]
    result = total(history(PUT_1, GOT_1, DONE_1, DRAINED, *guessed))
    assert (result.verdict.word, result.reasons) == ("unknown", ("maybe-left",))
    assert "has values of items which had ended: 1; no" in result.witnesses[0].sentence


@pytest.mark.parametrize("place", ["partial", "dead"])
def test_only_what_the_scenario_allows_is_put_aside(place: str) -> None:
    """An item in such a place of every server is put aside on purpose, or lost."""
    h = history(PUT_1, GOT_1, DIED, DRAINED, tree(1, **{place: [1]}), tree(2, **{place: [1]}))
    assert total(h, aside=(place,)).verdict.word == "valid"
    result = total(h)
    assert result.reasons == ("lost",)
    assert f"in {place} of 2 of 2 servers" in result.witnesses[0].sentence


def test_an_item_in_one_servers_tree_only_is_lost() -> None:
    """Another server may lead next, and then it is nowhere."""
    h = history(PUT_1, GOT_1, DIED, DRAINED, tree(1, dead=[1]), tree(2))
    result = total(h, aside=("dead",))
    assert (result.verdict.word, result.reasons) == ("invalid", ("lost",))
    assert "in dead of 1 of 2 servers" in result.witnesses[0].sentence


def test_a_server_that_could_not_be_read_says_nothing() -> None:
    """What all others have is put aside; that one was not read is for replicas to say."""
    unread = note("tree", 70, node=2, reachable=False, when="drained", error="timed out")
    h = history(PUT_1, GOT_1, DIED, DRAINED, tree(1, dead=[1]), unread)
    assert total(h, aside=("dead",)).verdict.word == "valid"


def test_a_tree_read_before_the_drain_is_no_evidence() -> None:
    """What was put aside then may be gone since."""
    h = history(PUT_1, GOT_1, DIED, tree(1, 49, dead=[1]), DRAINED)
    assert total(h, aside=("dead",)).reasons == ("lost",)


@pytest.mark.parametrize(
    ("h", "reason", "told"),
    [
        (history(PUT_1, GAVE_UP), "drain-gave-up", "did not come to its end."),
        (
            history(PUT_1, GOT_1, DIED, GAVE_UP, tree(1, claims=[1]), tree(2, claims=[1])),
            "drain-gave-up",
            "what the servers still have: 1 in claims (1)",
        ),
        (
            history(PUT_1, GOT_1, op("done", 1, 16, 18, process=1), GAVE_UP),
            "drain-gave-up",
            "did not come to its end.",
        ),
        (history(PUT_1, note("drain", 50, phase="begin")), "drain-gave-up", "did not come"),
        (
            history(
                PUT_1,
                note("drain", 50, phase="begin"),
                note("drain", 60, phase="end", complete=False, why="its 5 s were over"),
            ),
            "drain-gave-up",
            "to its end: its 5 s were over.",
        ),
        (history(PUT_1, drained(6, 9), GAVE_UP), "drain-gave-up", "did not come"),
        (history(PUT_1, GOT_1), "no-drain", "that are not accounted for: 1; the"),
        (
            history(PUT_1, op("take", None, 10, None, n=1), DRAINED),
            "maybe-taken",
            "missing: 1;",
        ),
    ],
)
def test_what_cannot_be_told_is_unknown_and_says_why(h: History, reason: str, told: str) -> None:
    """A drain that gave up, or none, leaves every item in doubt, with a sentence for people."""
    result = total(h)
    assert (result.verdict.word, result.reasons) == ("unknown", (reason,))
    assert told in result.witnesses[0].sentence


@pytest.mark.parametrize(("n", "verdict"), [(1, "invalid"), (2, "unknown")])
def test_a_take_of_unknown_outcome_hides_as_many_as_it_asked_for(n: int, verdict: str) -> None:
    """One call for one item cannot have two, whatever the largest batch of the history is."""
    batch = [op("put", [3, 4], 2, 4, process=3), op("take", [3, 4], 6, 8, process=4, n=2)]
    lost_reply = op("take", None, 20, None, process=1, n=n)
    h = history(PUT_1, op("put", 2, 6, 8), *batch, lost_reply, DRAINED)
    assert total(h).verdict.word == verdict


@pytest.mark.parametrize(
    ("acknowledged", "least", "reasons"),
    [
        (1, 0.5, ("few-acknowledged",)),
        (4, 0.5, ("few-acknowledged",)),
        (5, 0.5, ()),
        (1, 0.1, ()),
        (0, 0.0, ("nothing-acknowledged",)),
    ],
)
def test_too_few_acknowledged_puts_show_too_little(
    acknowledged: int, least: float, reasons: tuple[str, ...]
) -> None:
    """A run is valid only if as many of its puts were acknowledged as the scenario wants."""
    puts = [
        op("put", n, 10 * n, 10 * n + 5, outcome="ok" if n <= acknowledged else "fail")
        for n in range(1, 11)
    ]
    takes = [op("take", n, 10 * n + 6, 10 * n + 8, process=1) for n in range(1, acknowledged + 1)]
    result = total(history(*puts, *takes, drained(200, 210)), least=least)
    assert result.reasons == reasons


def test_a_tail_that_a_take_may_have_is_not_missing_because_another_item_is() -> None:
    """The last item is in doubt; that one delivered before it was lost does not make it missing."""
    h = history(
        PUT_1,
        op("put", 2, 6, 8),
        op("reserve", 1, 10, 15, process=1),
        op("take", None, 20, None, process=1, n=1),
        DRAINED,
    )
    checker = checkers["strictly-increasing"]()
    assert checker.check(h, Claim()).reasons == ("unknown-outcome",)
    assert checker.check(queue_run(3, lost=[3]), Claim()).reasons == ("missing",)
