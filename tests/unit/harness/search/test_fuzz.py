"""Random scenarios: each loads and is within the budget; failures of one cause are told as one."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.scenario import loading
from harness.scenario.consistency import worst_case
from harness.search import finding, fuzz, fuzzing
from harness.search.fuzz import Failure
from harness.search.fuzzing import Note
from harness.search.shrink import Data

pytestmark = pytest.mark.medium

numbers = st.tuples(st.integers(0, 10**6), st.integers(0, 10**4))


def kinds(data: Data) -> list[str]:
    """Return the kinds of all faults of a scenario."""
    entries = [entry for phase in data["phases"] for entry in phase.get("faults", [])]
    drawable = set(fuzz.drawable())
    return [key for entry in entries for key in entry if key in drawable]


@settings(max_examples=60, deadline=None)
@given(numbers)
def test_each_one_loads_and_is_within_the_budget(drawn: tuple[int, int]) -> None:
    """Whatever seed and number: the scenario is sound, and never hurts more than a minority."""
    loaded = loading.of(fuzz.generate(*drawn))
    assert loaded.budget == "minority"
    assert worst_case.over_budget(loaded) is None
    assert worst_case.excluded(loaded) is None
    assert loaded.expect == "valid"


@settings(max_examples=20, deadline=None)
@given(numbers)
def test_the_same_seed_and_number_give_the_same(drawn: tuple[int, int]) -> None:
    """No state is kept between one scenario and the next."""
    first = fuzz.generate(*drawn)
    fuzz.generate(drawn[0], drawn[1] + 1)
    assert fuzz.generate(*drawn) == first
    assert fuzz.generate(drawn[0] + 1, drawn[1]) != first


@settings(max_examples=20, deadline=None)
@given(numbers)
def test_what_is_written_is_what_was_drawn(drawn: tuple[int, int]) -> None:
    """The file that a person reads holds the same scenario."""
    data = fuzz.generate(*drawn)
    assert finding.yaml.safe_load(finding.text(data, ["x"])) == data | {
        "description": data["description"] + "\n"
    }


def test_the_whole_catalogue_is_drawn_from() -> None:
    """Three hundred scenarios have every fault that needs no setting, and few have none at all."""
    drawn = [kinds(fuzz.generate(1, number)) for number in range(300)]
    counted = Counter(kind for one in drawn for kind in one)
    assert set(counted) == set(fuzz.drawable())
    assert sum(not one for one in drawn) < 10
    assert {"kill", "pause", "isolate", "loss", "clock", "disk-full", "replace"} <= set(counted)
    assert not {"partition", "start", "gateway-kill"} & set(counted)


def test_without_a_fault_all_else_stays() -> None:
    """Where the machine lacks nfqueue, the other faults come at the times that they would have."""
    number = next(n for n in range(100) if len(kinds(fuzz.generate(3, n))) > 1)
    whole = fuzz.generate(3, number)
    gone = kinds(whole)[0]
    rest = fuzz.generate(3, number, without=[gone])
    assert gone not in kinds(rest)
    assert [p["workload"] for p in rest["phases"]] == [p["workload"] for p in whole["phases"]]
    times = [
        [e["first_s"] for p in d["phases"] for e in p.get("faults", [])] for d in (rest, whole)
    ]
    assert set(times[0]) <= set(times[1]) | set(times[0])
    assert rest["seed"] == whole["seed"]


@pytest.mark.parametrize("producer", ["put-all", "ack-before-write"])
def test_another_producer_or_subject(producer: str) -> None:
    """A broken producer, and queues of others, are fuzzed with scenarios that load, too."""
    for number in range(20):
        loaded = loading.of(fuzz.generate(5, number, producer=producer, subject="kazoo-queue"))
        assert loaded.subject == "kazoo-queue"
        assert producer in {entry.kind for entry in loaded.workloads}


def results(
    *checks: tuple[str, str, int], faults: tuple[tuple[str, int, int | None], ...] = ()
) -> dict[str, Any]:
    """Return results of checks (name, reason, time of its witness) and faults (kind, from, to)."""
    return {
        "because": None,
        "checks": [
            {
                "name": name,
                "verdict": "invalid",
                "reasons": [reason],
                "witnesses": [{"operations": [{"invoke_ns": at_ns}]}],
            }
            for name, reason, at_ns in checks
        ],
        "faults": [
            {"fault": kind, "outcome": "installed", "inject_ns": begin, "heal_ns": end}
            for kind, begin, end in faults
        ],
    }


def test_a_failure_is_its_gravest_reason_and_what_was_in_force() -> None:
    """Lost is graver than missing; a fault that was over when the witness began is no part."""
    failed = results(
        ("total-queue", "lost", 50),
        ("strictly-increasing", "missing", 5),
        faults=(("kill", 10, 20), ("pause", 10, 60), ("isolate", 30, None)),
    )
    assert Failure.of(failed) == Failure(
        reason="lost",
        checks=frozenset({"total-queue"}),
        faults=frozenset({"pause", "isolate"}),
    )
    assert Failure.of(results()) is None


def failure(*faults: str, reason: str = "lost") -> Failure:
    """Return a failure of one checker."""
    return Failure(reason=reason, checks=frozenset({"total-queue"}), faults=frozenset(faults))


@pytest.mark.parametrize(
    ("known", "seen", "same"),
    [
        (failure(), failure("kill"), True),
        (failure("kill"), failure("kill", "pause"), True),
        (failure("kill"), failure("pause"), False),
        (failure("kill", "pause"), failure("kill"), False),
        (failure(), failure(reason="duplicated"), False),
    ],
)
def test_a_cause_explains_what_has_all_that_it_needs(
    known: Failure, seen: Failure, *, same: bool
) -> None:
    """The same reason with at least the faults of the shrunk one is the same cause."""
    assert known.explains(seen) is same


def test_a_failure_survives_its_file() -> None:
    """What is noted in fuzz.jsonl comes back as it was, and in order."""
    seen = failure("b", "a")
    line = fuzzing._ENCODER.encode(Note(number=1, verdict="invalid", failure=seen, cause=None))
    assert b'"faults":["a","b"]' in line
    assert b'"cause":null' in line
    assert fuzzing._DECODER.decode(line).failure == seen


def test_each_drawn_scenario_loads_from_its_file(tmp_path: Path) -> None:
    """A file that fuzz leaves can be run with `harness run`."""
    for number in range(10):
        path = tmp_path / f"{number}.yaml"
        path.write_text(finding.text(fuzz.generate(9, number), []))
        assert loading.load(path).seed == fuzz.generate(9, number)["seed"]


@settings(max_examples=60, deadline=None)
@given(numbers)
def test_clients_go_on_until_the_faults_are_over(drawn: tuple[int, int]) -> None:
    """Paced, the puts of each phase take longer than all its faults one after the other."""
    for phase in fuzz.generate(*drawn)["phases"]:
        put = next(iter(phase["workload"][0].values()))
        takes_s = put["count"] / put["rate_hz"]
        entries = phase.get("faults", [])
        holds_s = sum(entry.get("for_s", 0) for entry in entries)
        latest_s = max((entry["first_s"] for entry in entries), default=0)
        assert takes_s >= latest_s + holds_s
        assert phase["limit_s"] > takes_s + 30


@settings(max_examples=60, deadline=None)
@given(numbers)
def test_impossible_pairs_are_not_drawn(drawn: tuple[int, int]) -> None:
    """No phase has two faults of which one cannot take effect beside the other."""
    for phase in fuzz.generate(*drawn)["phases"]:
        found = [key for entry in phase.get("faults", []) for key in entry]
        assert not any(pair <= set(found) for pair in fuzz.IMPOSSIBLE)
        assert found.count("client-crash") <= 1


def test_impossible_pairs_name_faults_that_are_drawn() -> None:
    """A fault that is renamed does not leave its pairs behind."""
    assert {kind for pair in fuzz.IMPOSSIBLE for kind in pair} <= set(fuzz.drawable())
