"""The verdict in plain words."""

from typing import Any

import pytest

from harness import words


def results(verdict: str = "valid", **changed: Any) -> dict[str, Any]:
    """Return the results of a run, as far as words need them."""
    base = {
        "verdict": verdict,
        "expect": "valid",
        "because": None,
        "as_expected": verdict == "valid",
        "counts": {"acknowledged": 500, "lost": 0, "duplicated": 0},
        "checks": [check("total-queue", verdict)],
        "faults": [{"outcome": "installed"}, {"outcome": "skipped"}],
        "availability": {"longest_gap_s": 0.61},
    }
    return base | changed


def check(name: str, verdict: str, *reasons: str, **witness: Any) -> dict[str, Any]:
    """Return one check's result, with a witness if one is given."""
    return {
        "name": name,
        "verdict": verdict,
        "reasons": list(reasons),
        "witnesses": [{"operations": [], "values": [], **witness}] if witness else [],
        "more_witnesses": 0,
    }


PUT = {"f": "put", "outcome": "ok", "value": 317, "process": 4, "complete_ns": 12_400_000_000}


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"name": "kill-2", "what": "kill+wipe node 5"}, "kill+wipe node 5"),
        ({"name": "old-leader", "what": "kill node 5"}, "old-leader: kill node 5"),
        ({"name": "kill"}, "kill node 5"),
    ],
    ids=["numbered", "named", "older release"],
)
def test_a_fault_is_told_with_what_it_did(row: dict[str, Any], told: str) -> None:
    """A row says what happened to whom; a number that the harness added says nothing."""
    assert words.fault({"fault": "kill", "nodes": [5]} | row) == told


def test_findings_are_told_by_kind_with_their_items() -> None:
    """All that a check found is a line for each kind, and doubts follow in words."""
    found = [{"reason": "lost", "count": 100, "items": [[1, 100]]}]
    told = {"reasons": ["lost", "no-drain"], "findings": found}
    doubt = "items are not accounted for, and the queue was not drained"
    assert words.findings(told) == ["lost, 100 times: items 1 to 100", doubt]
    assert words.findings({"reasons": ["replicas-differ"]}) == ["replicas differ"]


def test_a_valid_run_says_what_it_withstood() -> None:
    """Items, faults that bit, the longest gap, and which checks passed."""
    told = words.headline(results(), servers=5)
    assert told.sentence == (
        "500 items acknowledged, none lost, none delivered twice without a reason."
    )
    assert told.more.startswith("1 fault hit the quorum; the longest time")
    assert "Passed: total-queue." in told.more
    assert told.expectation == "As expected: valid"


def test_what_is_not_known_is_not_claimed() -> None:
    """Without a finished drain nobody says that nothing was lost."""
    counts = {"acknowledged": 9, "lost": None, "duplicated": 0}
    told = words.headline(results(counts=counts), servers=5)
    assert "lost" not in told.sentence


def test_a_lost_item_is_named_with_its_time_and_place() -> None:
    """The loss comes first, whatever else was found, in the words of the person who asks."""
    lost = check("total-queue", "invalid", "lost", sentence="x", operations=[PUT], values=[317])
    order = check("strictly-increasing", "invalid", "missing", sentence="y")
    told = words.headline(results("invalid", checks=[order, lost]), servers=5)
    assert told.sentence == (
        "Item 317 was acknowledged at 12.400 s (process 4) and is on none of the 5 servers."
    )
    assert told.expectation == "Not as expected: valid"


def test_no_server_is_named_that_was_not_read() -> None:
    """Without trees nothing is said of the servers."""
    lost = check("total-queue", "invalid", "lost", sentence="x", operations=[PUT], values=[317])
    assert "server" not in words.headline(results("invalid", checks=[lost]), servers=0).sentence


def test_more_findings_are_counted() -> None:
    """The first witness stands for its check, and the others are counted."""
    order = check("fifo", "invalid", "fifo-order", sentence="1 came after 2.") | {
        "more_witnesses": 30
    }
    told = words.headline(results("invalid", checks=[order]), servers=0)
    assert told.sentence == "1 came after 2. 30 more findings of this check."


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        ("Item 3 is lost: it\nwas put.", "Item 3 is lost: it was put."),
        (
            f"Nodes 1, 2 did not serve again: {'; 1: exited, its log ends with x' * 9}.",
            "Nodes 1, 2 did not serve again.",
        ),
        (f"Item {'and item ' * 30}.", f"Item {'and item ' * 21}and …."),
    ],
    ids=["short", "with-logs", "long"],
)
def test_a_headline_is_one_line(sentence: str, told: str) -> None:
    """What a witness quotes stands below, with the check."""
    found = check("recovery", "invalid", "server-lost", sentence=sentence)
    assert words.headline(results("invalid", checks=[found]), 5).sentence == told


def test_a_control_is_named_by_what_it_was_to_find() -> None:
    """The check that found what the scenario expects is the one that is quoted."""
    one = check("a", "invalid", "first", sentence="First.")
    two = check("b", "invalid", "second", sentence="Second.")
    told = words.headline(
        results("invalid", checks=[one, two], because="second", expect="invalid"), servers=0
    )
    assert told.sentence == "Second."


def test_a_finding_without_a_witness_names_its_reason() -> None:
    """A check that found something and shows no operation says what it found."""
    bare = check("availability", "invalid", "slow-recovery")
    told = words.headline(results("invalid", checks=[bare]), servers=0)
    assert told.sentence == "availability found: slow recovery."


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"interrupted": "Ctrl-C"}, "interrupted (Ctrl-C)"),
        ({"checks": []}, "No check ran"),
        ({"checks": [check("total-queue", "unknown", "no-drain")]}, "the queue was not drained"),
        ({"checks": [check("zxid", "unknown", "some-doubt")]}, "zxid: some doubt"),
    ],
)
def test_an_unknown_verdict_says_why(changed: dict[str, Any], expected: str) -> None:
    """Unknown is explained, in words where there are some, and by its reason where not."""
    assert expected in words.headline(results("unknown", **changed), servers=5).sentence


@pytest.mark.parametrize(
    ("number", "told"), [(0, "no items"), (1, "1 item"), (1234, "1,234 items")]
)
def test_counted(number: int, told: str) -> None:
    """Numbers agree with their nouns."""
    assert words.counted(number, "item") == told


@pytest.mark.parametrize(
    ("took_s", "told"),
    [
        (0.047453, "0.047 s"),
        (4.96, "5 s"),
        (12.34, "12 s"),
        (1234.5, "1200 s"),
        (0, "0 s"),
        (None, "-"),
    ],
)
def test_a_measured_time_has_no_false_precision(took_s: float | None, told: str) -> None:
    """Two digits: a second run would not repeat more of them."""
    assert words.measured(took_s) == told


def test_nodes() -> None:
    """Nodes are named by number."""
    assert (words.nodes([3]), words.nodes([1, 2]), words.nodes([])) == (
        "node 3",
        "nodes 1, 2",
        "no node",
    )


def test_the_gravest_check_comes_first() -> None:
    """Invalid before unknown before valid, a loss before all else that is invalid."""
    checks = [
        check("availability", "valid"),
        check("fifo", "unknown", "maybe-taken"),
        check("priority-fifo", "invalid", "false-empty"),
        check("replicas", "invalid", "replicas-differ"),
        check("total-queue", "invalid", "duplicated", "lost"),
    ]
    ordered = [one["name"] for one in words.gravest_first(checks)]
    assert ordered == ["total-queue", "replicas", "priority-fifo", "fifo", "availability"]


def test_a_run_that_lost_nothing_says_how_much_that_shows() -> None:
    """By the rule of three; if something was lost, or that is not known, nothing is said."""

    def results(acknowledged: int, verdict: str | None) -> dict[str, Any]:
        checks = [{"name": "total-queue", "verdict": verdict}] if verdict else []
        return {"counts": {"acknowledged": acknowledged, "lost": 0}, "checks": checks}

    told = words.loss_bound(results(9000, "valid"))
    assert told is not None
    assert "None of 9,000" in told
    assert "1 in 3,000" in told
    for unknown in ((9000, "invalid"), (9000, "unknown"), (9000, None), (0, "valid")):
        assert words.loss_bound(results(*unknown)) is None
