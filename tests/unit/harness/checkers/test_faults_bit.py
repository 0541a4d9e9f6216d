"""faults-bit: a run whose planned faults did not bite is unknown."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness import results
from harness.checkers.faults_bit import FaultsBit
from harness.claim import Claim, Course, PlannedFault
from harness.common.verdict import Verdict
from harness.history.columns import History
from harness.scenario import loading, plan


def nemesis(id: int, name: str, phase: str, outcome: str, **evidence: Any) -> dict[str, Any]:
    """Make one of the nemesis's events."""
    value = {"id": id, "name": name, "phase": phase, "nodes": [1], "outcome": outcome}
    value["evidence"] = evidence
    return {"time_ns": id, "process": "nemesis", "type": "info", "f": "kill", "value": value}


@pytest.mark.parametrize(
    ("events", "verdict", "reasons"),
    [
        pytest.param([("a", "inject", "installed")], Verdict.VALID, (), id="installed"),
        pytest.param(
            [("a", "inject", "skipped"), ("a", "inject", "installed")],
            Verdict.VALID,
            (),
            id="installed-once",
        ),
        pytest.param(
            [("a", "inject", "installed"), ("b", "inject", "indeterminate")],
            Verdict.UNKNOWN,
            ("faults-did-not-bite",),
            id="one-entry-never",
        ),
        pytest.param(
            [("a", "inject", "installed"), ("a", "heal", "indeterminate")],
            Verdict.UNKNOWN,
            ("not-healed",),
            id="heal-failed",
        ),
    ],
)
def test_verdict_follows_the_outcomes(
    events: list[tuple[str, str, str]], verdict: Verdict, reasons: tuple[str, ...]
) -> None:
    """An entry that never was installed, or a heal that failed, makes the run unknown."""
    history = History.from_events(
        nemesis(number, *event, why="nobody led") for number, event in enumerate(events)
    )
    result = FaultsBit().check(history, Claim())
    assert (result.verdict, result.reasons) == (verdict, reasons)


def test_says_why_a_fault_never_bit() -> None:
    """The witness names the entry and the reason that was recorded."""
    history = History.from_events([nemesis(0, "cut", "inject", "skipped", why="nobody led")])
    (witness,) = FaultsBit().check(history, Claim()).witnesses
    assert witness.sentence == "The fault 'cut' was never installed; the last time: nobody led."


def planned(name: str, *ids: int, wanted: int = 1, **more: Any) -> PlannedFault:
    """Return what a scenario plans of an entry whose evidence shows what it says it does."""
    shows = more.pop("shows", lambda evidence: evidence["bites"])
    lasting = more.pop("lasting", True)
    return PlannedFault(name=name, ids=ids, wanted=wanted, lasting=lasting, shows=shows)


def judged(*events: dict[str, Any], faults: Sequence[PlannedFault]) -> tuple[str, ...]:
    """Return the reasons for which these events are not all that was planned."""
    course = Course(nodes=5, phases=1, injections={}, faults=tuple(faults))
    result = FaultsBit().check(History.from_events(events), Claim(course=course))
    assert (result.verdict is Verdict.VALID) == (result.reasons == ())
    return result.reasons


def lived(id: int, name: str = "a") -> list[dict[str, Any]]:
    """Return the events of an injection that took effect and was healed."""
    installed = nemesis(id, name, "inject", "installed", bites=True)
    return [installed, nemesis(id, name, "heal", "installed")]


def test_all_that_was_planned_is_valid() -> None:
    """What the cases below take something from is enough."""
    assert judged(*lived(0), *lived(1, "b"), faults=[planned("a", 0), planned("b", 1)]) == ()


def test_an_entry_of_which_nothing_is_told_did_not_bite() -> None:
    """A fault that the history does not even mention was planned all the same."""
    told = judged(*lived(0), faults=[planned("a", 0), planned("b", 1)])
    assert told == ("faults-did-not-bite",)


def test_a_history_without_a_nemesis_is_asked_for_what_was_planned() -> None:
    """Without any note of a fault the run is unknown, if the scenario has one."""
    assert judged(faults=[planned("a", 0)]) == ("faults-did-not-bite",)
    course = Course(nodes=5, phases=1, injections={}, faults=(planned("a", 0),))
    assert FaultsBit().unmet(History.from_events([]), Claim(course=course)) is None


def test_a_mix_that_drew_nothing_is_unknown() -> None:
    """An entry for which the seed draws no time shows nothing of its fault."""
    assert judged(*lived(0), faults=[planned("a", 0), planned("b")]) == ("nothing-drawn",)


def test_two_entries_of_one_name_are_told_apart() -> None:
    """A skipped entry does not hide behind another one whose events have the same name."""
    skipped = nemesis(1, "a", "inject", "skipped", why="no room")
    told = judged(*lived(0), skipped, faults=[planned("a", 0), planned("a-2", 1)])
    assert told == ("faults-did-not-bite",)


@pytest.mark.parametrize(("wanted", "reasons"), [(2, ()), (3, ("faults-did-not-bite",))])
def test_times_is_how_often_it_must_have_been(wanted: int, reasons: tuple[str, ...]) -> None:
    """An entry with `times: 3` of which two rounds came did not do what was planned."""
    fault = planned("a", 0, 1, 2, wanted=wanted)
    assert judged(*lived(0), *lived(1), faults=[fault]) == reasons


@pytest.mark.parametrize("evidence", [{"bites": False}, {}, {"bites": True, "gone": True}])
def test_evidence_beside_the_outcome_counts(evidence: dict[str, Any]) -> None:
    """A record called installed whose evidence does not show it, or cannot be read, is not."""
    event = nemesis(0, "a", "inject", "installed", **evidence)
    if evidence.get("gone"):
        del event["value"]["evidence"]
    heal = nemesis(0, "a", "heal", "installed")
    assert judged(event, heal, faults=[planned("a", 0)]) == ("faults-did-not-bite",)
    course = Course(nodes=5, phases=1, injections={}, faults=(planned("a", 0),))
    result = FaultsBit().check(History.from_events([event, heal]), Claim(course=course))
    assert result.details == {"a": {"indeterminate": 1}}


def test_a_fault_that_nobody_healed_is_unknown() -> None:
    """A fault that lasts needs its heal in the history; one that is over at once has none."""
    (installed, _) = lived(0)
    assert judged(installed, faults=[planned("a", 0)]) == ("not-healed",)
    assert judged(installed, faults=[planned("a", 0, lasting=False)]) == ()


def test_a_heal_before_the_injection_healed_another_one() -> None:
    """Only a heal that comes after an injection ends it."""
    (installed, healed) = lived(0)
    assert judged(healed, installed, faults=[planned("a", 0)]) == ("not-healed",)


def test_an_older_run_that_wiped_nothing_is_seen_as_such(tmp_path: Path) -> None:
    """`harness check` of a wipe of 0 KB that was called installed makes it unknown."""
    path = tmp_path / "x.yaml"
    kill = "{kill: {target: leader, wipe: true}, first_s: 1, down_s: 1}"
    path.write_text(f"description: d\nworkload: [{{put-all: {{}}}}]\nfaults: [{kill}]\n")
    loaded = loading.load(path)
    faults = plan.expected(loaded, plan.make(loaded))

    def wiped(size_kb: int) -> tuple[str, ...]:
        evidence = {"killed": [{"exit_code": 137}], "wiped": [{"wiped_kb": size_kb, "left": []}]}
        event = nemesis(0, "kill", "inject", "installed", **evidence)
        return judged(event, nemesis(0, "kill", "heal", "installed"), faults=faults)

    assert (wiped(52), wiped(0)) == ((), ("faults-did-not-bite",))


def test_a_scenario_that_names_its_checkers_is_asked_for_its_faults_too(tmp_path: Path) -> None:
    """A mix that drew nothing is seen whichever checkers the scenario names."""
    path = tmp_path / "x.yaml"
    path.write_text(
        "description: d\nworkload: [{put-all: {}}]\nmix_s: 60\ncheckers: [stats]\n"
        "faults: [{kill: {}, weight: 0.000001, down_s: 1}]\n"
    )
    judgement = results.judge_run(History.from_events([]), loading.load(path), [])
    reasons = {result.name: result.reasons for result in judgement.results}
    assert reasons["faults-bit"] == ("nothing-drawn",)


def test_needs_faults() -> None:
    """A run without faults is not judged by it."""
    assert FaultsBit().unmet(History.from_events([]), Claim()) == "faults"
