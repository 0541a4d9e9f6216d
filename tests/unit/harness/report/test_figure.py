"""The picture of a run."""

import math
from itertools import pairwise
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


def traces(picture: figure.Picture, name: str) -> list[dict[str, Any]]:
    """Return the traces of one name."""
    return [trace for trace in picture.figure["data"] if trace["name"] == name]


def shapes(picture: figure.Picture, kind: str, reference: str) -> list[dict[str, Any]]:
    """Return the shapes of one kind over all plots ("paper") or in the lanes ("y")."""
    wanted = picture.figure["layout"]["shapes"]
    return [s for s in wanted if (s["type"], s["yref"]) == (kind, reference)]


def test_every_operation_of_a_small_run_is_drawn(seen: History) -> None:
    """Each call is a mark at its invocation, in its client's lane."""
    picture = figure.draw(seen, results(seen))
    puts = [trace for trace in traces(picture, "put") if trace["mode"] == "markers"]
    assert puts[0]["x"] == [0.01, 0.02, 0.03]
    assert picture.drawn == picture.operations == len(seen)


def test_a_fault_shades_all_plots_and_frames_its_node(seen: History) -> None:
    """The band lasts from injection to heal, and the frame is on the lane of the node it hit."""
    picture = figure.draw(seen, results(seen))
    (band,) = shapes(picture, "rect", "paper")
    (frame,) = shapes(picture, "rect", "y")
    assert (band["x0"], band["x1"]) == (frame["x0"], frame["x1"]) == (0.02, 0.06)
    assert frame["y0"] < picture.figure["layout"]["yaxis"]["ticktext"].index("node 1") < frame["y1"]


def test_a_fault_that_was_never_healed_lasts_to_the_end(seen: History) -> None:
    """Its band reaches the end of the run."""
    (band,) = shapes(figure.draw(seen, results(seen, heal_ns=None)), "rect", "paper")
    assert band["x1"] == pytest.approx(0.12, abs=0.01)


def test_a_fault_that_is_over_at_once_is_not_shaded_to_the_end(seen: History) -> None:
    """A restart needs no heal: its band is as long as it took."""
    restarted = results(seen, fault="restart", heal_ns=None, evidence={"took_ms": 30})
    (band,) = shapes(figure.draw(seen, restarted), "rect", "paper")
    assert band["x1"] == pytest.approx(0.05, abs=0.001)


def test_a_fault_that_did_not_bite_is_not_drawn(seen: History) -> None:
    """What was skipped hit nobody."""
    picture = figure.draw(seen, results(seen, outcome="skipped"))
    assert not shapes(picture, "rect", "paper")
    assert not shapes(picture, "rect", "y")


def test_a_change_of_leader_is_a_line(seen: History) -> None:
    """The first leader led when the run began; the next one is marked when it was first seen."""
    picture = figure.draw(seen, results(seen))
    assert [line["x0"] for line in shapes(picture, "line", "paper")] == [0.03]
    names = [note["text"] for note in picture.figure["layout"]["annotations"]]
    assert names == ["kill 1", "node 2 leads"]


def test_witnesses_are_marked(seen: History) -> None:
    """All calls of a witness's item are marked, in their clients' lanes."""
    (trace,) = traces(figure.draw(seen, results(seen, witness_row=0)), "witness")
    assert trace["customdata"] == [1, 1, 1]
    assert len(set(trace["y"])) == 2


def test_without_witnesses_none_are_marked(seen: History) -> None:
    """A clean run has no mark that says otherwise."""
    assert not traces(figure.draw(seen, results(seen)), "witness")


def test_names_do_not_hide_each_other() -> None:
    """Of faults close to each other only as many are named as have room; all are shaded."""
    seen = history(modes(0, 1), lives())
    faults = [results(seen, inject_ns=n * MS)["faults"][0] for n in range(100)]
    picture = figure.draw(seen, results(seen) | {"faults": faults})
    assert len(shapes(picture, "rect", "paper")) == 100
    names = picture.figure["layout"]["annotations"]
    assert 1 < len(names) < 60
    for row_px in figure.FAULT_ROWS_PX:
        at_s = [name["x"] for name in names if name["yshift"] == row_px]
        least_s = 0.12 * figure.CHARACTER * len(names[0]["text"])
        assert all(b - a >= least_s * 0.99 for a, b in pairwise(at_s))


def test_a_big_history_is_sampled() -> None:
    """Far more calls than a browser takes are drawn within the limit, the witness among them."""
    puts = (op("put", n, 100 * n, 100 * n + 50, process=n % 50) for n in range(20_000))
    seen = History.from_events(events(*puts))
    picture = figure.draw(seen, results(seen, witness_row=12_345))
    assert picture.operations == 20_000
    assert picture.drawn <= figure.MOST_OPERATIONS
    assert traces(picture, "witness")[0]["customdata"] == [12_345]
    assert picture.clients_left_out == 10


def test_an_empty_history_has_a_picture() -> None:
    """A run in which nothing was recorded is drawn as nothing, without an error."""
    picture = figure.draw(history(), {"checks": [], "faults": []})
    assert (picture.drawn, picture.figure["data"]) == (0, [])
    assert all(map(math.isfinite, picture.figure["layout"]["xaxis"]["range"]))


def test_no_latency_is_drawn_where_nothing_was_called() -> None:
    """Over a gap of seconds a line would be made up: it is broken, and goes on after it."""
    quiet = history(lives(lost=()), op("put", 9, 5000 * MS, 5010 * MS))
    (median,) = traces(figure.draw(quiet, {"checks": [], "faults": []}), "put median")
    assert None in median["y"]
    gap = median["x"].index(None)
    assert median["x"][gap + 1] - median["x"][gap - 1] > 4
