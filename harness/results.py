"""Build results.json, which CI jobs and other programs read, and the exit status."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from harness.claim import Claim, Claimed, Course
from harness.common.harness_errors import HarnessError
from harness.common.settings.setting_types import shared
from harness.common.verdict import Verdict
from harness.faults import Fault, description
from harness.history.columns import History
from harness.judge import Judgement, as_expected, judge
from harness.scenario import plan
from harness.scenario.claimed_order import order_claimed
from harness.scenario.plan import Planned
from harness.scenario.schema import Scenario

EXIT_AS_EXPECTED, EXIT_NOT_AS_EXPECTED, EXIT_UNKNOWN = 0, 1, 2


def judge_run(history: History, scenario: Scenario, planned: Sequence[Planned] | None) -> Judgement:
    """Judge a run's history by its scenario's claim, and by whether the run was complete.

    `planned` is None if plan.jsonl cannot be read.
    """
    claimed = shared(scenario, Claimed) | {"level": order_claimed(scenario)}
    claim = Claim(
        **claimed,
        sync=all(entry.workload.sync for entry in scenario.workloads),
        course=Course(
            nodes=scenario.cluster.size,
            phases=len(scenario.phases),
            injections=None if planned is None else plan.owed(planned),
            faults=plan.expected(scenario, plan.make(scenario) if planned is None else planned),
        ),
    )
    return judge(history, claim, scenario.checkers)


def build(
    name: str,
    scenario: Scenario,
    history: History,
    judgement: Judgement,
    *,
    interrupted: str | None = None,
) -> dict[str, Any]:
    """Return the object of results.json.

    The verdict of an `interrupted` run is at best unknown, since what it did not reach was not
    tested; it stays invalid if a checker found something.
    """
    verdict = judgement.verdict
    if interrupted is not None:
        verdict = Verdict.merge([verdict, Verdict.UNKNOWN])
    agrees = verdict.word == scenario.expect and (
        scenario.expect != "invalid" or as_expected(judgement, "invalid", scenario.because)
    )
    results: dict[str, Any] = {
        "scenario": name,
        "seed": scenario.seed,
        "verdict": verdict.word,
        "expect": scenario.expect,
        "because": scenario.because,
        "claim": order_claimed(scenario),
        "as_expected": agrees,
        "counts": dict(judgement.counts),
        "checks": [result.as_json() for result in judgement.results],
        "not_run": [dict(entry) for entry in judgement.not_run],
        "faults": faults_of(history, judgement, scenario),
        "availability": dict(judgement.availability),
    }
    return results | ({"interrupted": interrupted} if interrupted is not None else {})


def faults_of(history: History, judgement: Judgement, scenario: Scenario) -> list[dict[str, Any]]:
    """Return a row per injection: what it did to whom, its settings, outcome, evidence and heal.

    The settings are the scenario's, whose entries of `faults` have a name of their own each.
    """
    entries = {(entry.label, entry.kind): entry.fault for entry in scenario.fault_entries}
    rows: dict[int, dict[str, Any]] = {}
    for event in history.notes:
        if event.process != "nemesis" or not isinstance(event.value, dict):
            continue
        value = event.value
        if value.get("phase") == "inject":
            fault = entries.get((value["name"], event.f))
            rows[value["id"]] = _injected(event.f, event.time_ns, value, fault)
        elif value.get("phase") == "heal" and value["id"] in rows:
            rows[value["id"]]["heal_ns"] = event.time_ns
            rows[value["id"]]["heal_outcome"] = value["outcome"]
    for id, row in rows.items():
        row["unavailable_s"] = judgement.unavailable_s.get(id)
    return list(rows.values())


def exit_status(results: Mapping[str, Any]) -> int:
    """Return the exit status of one run; an interrupted run is never a success."""
    if results["as_expected"]:
        return EXIT_UNKNOWN if "interrupted" in results else EXIT_AS_EXPECTED
    return EXIT_UNKNOWN if results["verdict"] == "unknown" else EXIT_NOT_AS_EXPECTED


def merge_exit_statuses(statuses: list[int]) -> int:
    """Return the worst status of several runs, in the order 255, 254, 1, 2, 0."""
    for worst in (HarnessError.exit_status, 254, EXIT_NOT_AS_EXPECTED, EXIT_UNKNOWN):
        if worst in statuses:
            return worst
    return EXIT_AS_EXPECTED


def _injected(
    kind: str, time_ns: int, value: Mapping[str, Any], fault: Fault | None
) -> dict[str, Any]:
    modes = value["evidence"].get("before", {})
    if fault is None:
        what = f"{kind} {description.nodes(value['nodes'], modes)}".rstrip()
    else:
        what = fault.describe(kind, value["nodes"], modes)
    return {
        "fault": kind,
        "name": value["name"],
        "what": what,
        "settings": {} if fault is None else asdict(fault),  # type: ignore[call-overload]
        "target": value["target"],
        "nodes": value["nodes"],
        "outcome": value["outcome"],
        "inject_ns": time_ns,
        "heal_ns": None,
        "heal_outcome": None,
        "evidence": value["evidence"],
    }
