"""The picture of a run."""

import math
from typing import Any

import pytest

from harness.history.columns import History
from harness.report.charts import figure
from worlds.histories.by_hand import events, history, op
from worlds.histories.judged_runs import MS, killed, lives, modes


def results(history_: History, *, witness_row: int | None = None, **fault: Any) -> dict[str, Any]:
    """Return results with a fault and, if a row is given, a witness."""
    base = {"name": "kill", "fault": "kill", "outcome": "installed", "nodes": [1], "evidence": {}}
    shown = [] if witness_row is None else [history_.operation(witness_row).as_json()]
    witness = {"sentence": "", "operations": shown, "values": [row["value"] for row in shown]}
    return {
        "checks": [{"name": "x", "verdict": "invalid", "reasons": [], "witnesses": [witness]}],
        "faults": [base | {"inject_ns": 20 * MS, "heal_ns": 60 * MS} | fault],
    }


@pytest.fixture(scope="module")
def seen() -> History:
    """Return a run of three items and two leaders."""
    return history(
        modes(0, 1), modes(30, 2, down=1), modes(70, 2), lives(lost=()), killed(0, 1, 20, 60)
    )


def drawn(seen: History, told: dict[str, Any]) -> Any:
    """Return the data of a picture."""
    return figure.draw(seen, told).data


def test_every_operation_of_a_small_run_is_drawn(seen: History) -> None:
    """Each call is drawn from its invocation to its answer, in its client's lane."""
    picture = figure.draw(seen, results(seen))
    calls = picture.data["calls"]
    puts = [place for place, f in enumerate(calls["f"]) if f == "put"]
    assert [calls["from_s"][place] for place in puts] == [0.01, 0.02, 0.03]
    assert [calls["to_s"][place] for place in puts] == [0.014, 0.024, 0.034]
    assert {picture.data["lanes"][calls["lane"][place]] for place in puts} == {"put 0"}
    assert len(picture.rows) == picture.operations == len(seen)


def test_an_unknown_outcome_has_no_end() -> None:
    """A call that was never answered is drawn from its invocation, and to nowhere."""
    seen = history(op("put", 1, 5 * MS, None))
    assert drawn(seen, results(seen))["calls"]["to_s"] == [None]


def test_a_call_knows_its_session(seen: History) -> None:
    """Who picks a call is told its session, and which server opened that."""
    data = drawn(seen, results(seen))
    sessions = [data["sessions"].get(number) for number in data["calls"]["session"]]
    assert sessions[0] == ("0x300000000000001", 3)
    assert None in sessions  # the other client's calls did not record one


def test_a_fault_lasts_until_its_heal_and_names_its_lanes(seen: History) -> None:
    """The band lasts from injection to heal, and the frame is on the lane of the node it hit."""
    data = drawn(seen, results(seen))
    (band,) = data["faults"]
    assert (band["from_s"], band["to_s"]) == (0.02, 0.06)
    assert [data["lanes"][lane] for lane in band["lanes"]] == ["node 1"]
    assert band["label"] == "kill node 1"


def test_a_fault_that_was_never_healed_lasts_to_the_end(seen: History) -> None:
    """Its band reaches the end of the run."""
    (band,) = drawn(seen, results(seen, heal_ns=None))["faults"]
    assert band["to_s"] == pytest.approx(0.12, abs=0.01)


def test_a_fault_that_is_over_at_once_is_not_shaded_to_the_end(seen: History) -> None:
    """A restart needs no heal: its band is as long as it took."""
    restarted = results(seen, fault="restart", heal_ns=None, evidence={"took_ms": 30})
    (band,) = drawn(seen, restarted)["faults"]
    assert band["to_s"] == pytest.approx(0.05, abs=0.001)


def test_a_fault_that_did_not_bite_is_not_drawn(seen: History) -> None:
    """What was skipped hit nobody."""
    assert drawn(seen, results(seen, outcome="skipped"))["faults"] == []


def test_a_change_of_leader(seen: History) -> None:
    """The first leader led when the run began; the next one stands where it was first seen."""
    assert drawn(seen, results(seen))["leaders"] == [[0.0, 1], [0.03, 2]]


def test_witnesses_are_marked(seen: History) -> None:
    """All calls of a witness's item are marked, in their clients' lanes."""
    calls = drawn(seen, results(seen, witness_row=0))["calls"]
    assert [calls["value"][place] for place in calls["witness"]] == [1, 1, 1]
    assert len({calls["lane"][place] for place in calls["witness"]}) == 2


def test_without_witnesses_none_are_marked(seen: History) -> None:
    """A clean run has no mark that says otherwise."""
    assert drawn(seen, results(seen))["calls"]["witness"] == []


def test_all_of_many_faults_are_there() -> None:
    """However close faults are to each other, each has its band; the page names what has room."""
    seen = history(modes(0, 1), lives())
    faults = [results(seen, inject_ns=n * MS)["faults"][0] for n in range(100)]
    assert len(drawn(seen, results(seen) | {"faults": faults})["faults"]) == 100


def test_a_big_history_is_sampled() -> None:
    """Far more calls than a browser takes are drawn within the limit, the witness among them."""
    puts = (op("put", n, 100 * n, 100 * n + 50, process=n % 50) for n in range(20_000))
    seen = History.from_events(events(*puts))
    picture = figure.draw(seen, results(seen, witness_row=12_345))
    calls = picture.data["calls"]
    assert picture.operations == 20_000
    assert len(picture.rows) <= figure.MOST_OPERATIONS
    assert [calls["value"][place] for place in calls["witness"]] == [12_345]
    assert picture.clients_left_out == 10


def test_an_empty_history_has_a_picture() -> None:
    """A run in which nothing was recorded is drawn as nothing, without an error."""
    picture = figure.draw(history(), {"checks": [], "faults": []})
    assert (len(picture.rows), picture.data["calls"]["index"]) == (0, [])
    assert math.isfinite(picture.data["span_s"])


def test_no_latency_is_drawn_where_nothing_was_called() -> None:
    """Over a gap of seconds a line would be made up: it is broken, and goes on after it."""
    calls = [op("put", n, 5000 * MS + n * MS, 5000 * MS + (n + 1) * MS) for n in range(10, 20)]
    quiet = history(*(op("put", n, n * MS, (n + 1) * MS) for n in range(10)), *calls)
    (put,) = drawn(quiet, {"checks": [], "faults": []})["latencies"]
    gap = put["median"].index(None)
    assert 0 < gap < len(put["median"]) - 1
    assert put["at_s"][gap + 1] - put["at_s"][gap - 1] > 4
