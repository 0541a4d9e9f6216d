"""Valid is earned: a run that does not show its end, line by line, is at best unknown."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import results, run
from harness.claim import Claim
from harness.common.verdict import CheckResult, Verdict
from harness.history.columns import History
from harness.judge import Judgement, judge
from harness.scenario import loading, plan
from harness.scenario.schema import Scenario
from worlds.histories.by_hand import drained, ended_run, events, history, note, queue_events

TEXT = """\
description: d
workload: [{put-all: {count: 3}}]
faults: [{kill: {target: leader}, first_s: 1, down_s: 1}]
"""
Line = dict[str, Any]


def lived() -> list[Line]:
    """Return what clients and nemesis record of a run with one fault."""
    return events(queue_events(3), hurt())


def hurt() -> list[Line]:
    """Return what the nemesis records of the fault."""
    told = {"id": 0, "name": "kill", "target": "leader", "nodes": [1], "outcome": "installed"}
    seen = {"killed": [{"node": 1, "exit_code": 137}], "wiped": []}
    injected = note("kill", 20, process="nemesis", phase="inject", evidence=seen, **told)
    return injected + note("kill", 40, process="nemesis", phase="heal", evidence={}, **told)


def whole() -> list[Line]:
    """Return all events of a valid run."""
    return ended_run(lived())


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    """Return the scenario of that run."""
    path = tmp_path_factory.mktemp("scenario") / "x.yaml"
    path.write_text(TEXT)
    return loading.load(path)


def written(path: Path, lines: Iterable[Line]) -> History:
    """Return the history of these lines, as it is read from disk."""
    path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    return History.load(path)


def numbered(lines: Sequence[Line]) -> list[Line]:
    """Return the lines with their places, as the merge writes them."""
    return [{"index": index} | line for index, line in enumerate(lines)]


def judged(run: History, wanted: Scenario) -> Judgement:
    """Judge a run by its scenario and plan."""
    return results.judge_run(run, wanted, plan.make(wanted))


def completed(run: History, wanted: Scenario) -> CheckResult:
    """Return what the checker says."""
    return next(r for r in judged(run, wanted).results if r.name == "completed")


def lacking(node: int) -> list[Line]:
    """Return the valid run, but that a server did not serve when the drain began."""
    lost = {"took_s": None, "lost": [node], "why": "its log ends"}
    return [line | {"value": lost} if line["f"] == "recovered" else line for line in whole()]


def hurt_late(at_ns: int) -> list[Line]:
    """Return the valid run with another heal at this time; the drain is from 120 to 130."""
    told = {"id": 0, "name": "kill", "target": "leader", "nodes": [1], "outcome": "installed"}
    late = note("kill", at_ns, process="nemesis", phase="heal", evidence={}, **told)
    return ended_run(queue_events(3, drain=False), drained(120, 130), hurt(), late)


def without(*unwanted: str) -> list[Line]:
    """Return the valid run without its notes of some kinds, numbered as if they had never been."""
    return [line for line in whole() if line["f"] not in unwanted]


def test_the_whole_run_is_valid(wanted: Scenario) -> None:
    """What the cuts below are made of is valid, so that they show something."""
    judgement = judged(history(whole()), wanted)
    assert judgement.verdict is Verdict.VALID, judgement.results


def test_a_history_cut_at_any_line_is_never_valid(wanted: Scenario, tmp_path: Path) -> None:
    """However much of the end is gone, what is left is at best unknown."""
    lines = numbered(whole())
    for count in range(len(lines)):
        cut = written(tmp_path / "history.jsonl", lines[:count])
        assert judged(cut, wanted).verdict is not Verdict.VALID, f"{count} lines"


def test_a_history_without_any_of_its_lines_is_never_valid(
    wanted: Scenario, tmp_path: Path
) -> None:
    """A line that is gone from the middle leaves a gap that is seen, whichever it is."""
    lines = numbered(whole())
    for gone in range(len(lines)):
        cut = written(tmp_path / "history.jsonl", lines[:gone] + lines[gone + 1 :])
        assert judged(cut, wanted).verdict is not Verdict.VALID, f"line {gone}"


@given(seed=st.integers(0, 10**9), share=st.floats(0.05, 0.95))
def test_random_lines_of_a_history_are_never_valid(
    seed: int, share: float, wanted: Scenario, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Any part of the lines, in their order, shows less than the whole."""
    lines, rng = numbered(whole()), Random(seed)
    some = [line for line in lines if rng.random() < share]
    if len(some) == len(lines):
        return
    cut = written(tmp_path_factory.mktemp("cut") / "history.jsonl", some)
    assert judged(cut, wanted).verdict is not Verdict.VALID


def test_a_history_with_all_its_notes_removed_is_unknown(wanted: Scenario) -> None:
    """Calls alone show no end, whatever their numbers say."""
    calls = {"put", "reserve", "done"}
    run = history([line for line in whole() if line["f"] in calls])
    assert judged(run, wanted).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("lines", "reasons"),
    [
        (lambda: without("run-ended"), {"no-end-mark"}),
        (lambda: [*whole(), *note("status", 10**12, **{"1": "leader"})], {"no-end-mark"}),
        (lambda: without("phase"), {"phase-not-over"}),
        (lambda: without("kill"), {"injection-missing"}),
        (lambda: without("recovered"), {"not-recovered", "not-drained"}),
        (lambda: lacking(3), {"not-recovered"}),
        (lambda: hurt_late(125), {"not-recovered", "not-drained"}),
        (lambda: events(whole(), note("run-ended", 50)), {"several-runs"}),
        (lambda: without("drain"), {"not-drained", "trees-missing"}),
        (lambda: without("tree"), {"trees-missing"}),
        (lambda: without("server-log"), {"logs-missing"}),
        (
            lambda: ended_run(lived(), nodes=4),
            {"logs-missing", "trees-missing"},
        ),
        (
            lambda: ended_run(lived(), drained(10**9, 10**9 + 1)) + drained(10**10, 10**10 + 1),
            {"no-end-mark", "trees-missing"},
        ),
    ],
)
def test_each_part_of_a_run_is_asked_for(
    lines: Callable[[], list[Line]], reasons: set[str], wanted: Scenario
) -> None:
    """What is missing is named, in a sentence too."""
    result = completed(history(lines()), wanted)
    assert (result.verdict, {*result.reasons}) == (Verdict.UNKNOWN, reasons)
    assert len(result.witnesses) >= len(reasons)


def test_a_heal_before_the_drain_is_no_doubt(wanted: Scenario) -> None:
    """What the heal in the drain is compared with."""
    assert completed(history(hurt_late(119)), wanted).reasons == ()


@pytest.mark.parametrize("node", range(1, 6))
@pytest.mark.parametrize(
    ("f", "reason"), [("tree", "trees-missing"), ("server-log", "logs-missing")]
)
def test_each_server_is_asked_for(f: str, reason: str, node: int, wanted: Scenario) -> None:
    """Whichever one is missing is named by its number."""
    lines = [line for line in whole() if line["f"] != f or line["value"]["node"] != node]
    result = completed(history(lines), wanted)
    assert result.reasons == (reason,)
    assert [shown.sentence.split(":")[0] for shown in result.witnesses] == [f"Nodes {node}"]


def test_a_plan_that_cannot_be_read_is_a_doubt(wanted: Scenario) -> None:
    """Without it nobody can tell what should have happened."""
    judgement = results.judge_run(history(whole()), wanted, None)
    result = next(r for r in judgement.results if r.name == "completed")
    assert result.reasons == ("plan-missing",)


def test_a_library_call_does_not_claim_that_a_run_ended() -> None:
    """A history that is judged without a scenario says that nobody asked for its end."""
    judgement = judge(history(queue_events(5)), Claim(level="snapshot"))
    assert {"name": "completed", "needs": "the course of a run, from its scenario"} in [
        dict(entry) for entry in judgement.not_run
    ]


def test_checkers_that_a_scenario_names_do_not_replace_those_that_a_valid_run_needs(
    tmp_path: Path,
) -> None:
    """Naming one checker does not make a run valid that lost an item or did not end."""
    path = tmp_path / "x.yaml"
    path.write_text(TEXT + "checkers: [producer-order]\n")
    named = loading.load(path)
    judgement = judged(history(whole()), named)
    assert {r.name for r in judgement.results} == {
        "completed",
        "faults-bit",
        "producer-order",
        "total-queue",
    }
    assert judged(history(without("run-ended")), named).verdict is Verdict.UNKNOWN
    unhurt = judged(history(without("kill")), named)
    assert {r.name: r.reasons for r in unhurt.results}["faults-bit"] == ("faults-did-not-bite",)


@pytest.mark.parametrize("ask", range(3))
def test_a_killed_run_is_unknown_each_time_it_is_asked(ask: int, tmp_path: Path) -> None:
    """Merging the parts of a dead run gives it no end, however often it is judged."""
    folder = run.RunFolder(tmp_path)
    folder.scenario.write_text(TEXT)
    loaded = loading.load(folder.scenario)
    plan.write(plan.make(loaded), folder.plan)
    folder.parts.mkdir()
    folder.running.touch()
    lines = queue_events(20, drain=False)
    (folder.parts / "00.jsonl").write_bytes(
        b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
    )
    asked = [run.check(loaded, "killed", folder) for _ in range(ask + 1)]
    assert {told["verdict"] for told in asked} == {"unknown"}
    (doubts,) = (c["reasons"] for c in asked[-1]["checks"] if c["name"] == "completed")
    assert {"no-end-mark", "injection-missing", "not-drained", "not-recovered"} <= {*doubts}
    assert not folder.running.exists()
