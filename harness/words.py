"""Describe a judged run in plain words: the verdict, why, and what each reason means."""

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.common import ranges
from harness.faults import description

NONE = "-"
HEADLINE_CHARS = 200
NS_PER_S = 1_000_000_000
# What a reader wants to know first of a run that failed of several things.
GRAVEST = ("lost", "replicas-differ", "phantom", "unexpected", "duplicated")
_ORDER = ("invalid", "unknown", "valid")
# What each reason for UNKNOWN means; any other reason is a finding, and has witnesses.
_DOUBTS = {
    "nothing-acknowledged": "no put was acknowledged, so the run shows nothing",
    "nothing-succeeded": "no call succeeded, so the run shows nothing",
    "few-acknowledged": "too few puts were acknowledged for the run to show much",
    "no-drain": "items are not accounted for, and the queue was not drained",
    "put-after-drain": "acknowledged items were put after the drain began, and never seen again",
    "drain-gave-up": "the drain stopped before the queue was empty and every hold was over",
    "maybe-taken": "items are missing, and calls of unknown outcome may have taken them",
    "no-end-mark": "the run did not come to its end, or its history was cut",
    "several-runs": "the history has the ends of several runs",
    "phase-not-over": "a phase was not gone through to its end",
    "injection-missing": "nothing tells what became of a planned injection",
    "plan-missing": "what was planned cannot be read",
    "not-recovered": "not all servers are known to have served after the last fault and heal",
    "not-drained": "no drain after the last heal came to its end",
    "trees-missing": "not every server's tree was read after the drain",
    "logs-missing": "not every server's log was read",
    "missing-lines": "lines of the history are missing",
    "fault-not-seen": "a bound names a fault that was never injected",
    "recovery-not-seen": "no call came soon enough after a fault or its heal to see a recovery",
    "order-beside-groups": "items of groups keep no order among all items, though one is claimed",
    "unmet": "the history lacks what this check needs",
    "checker-failed": "the checker itself failed",
    "malformed-lines": "lines of the history cannot be read, and may hold the explanation",
    "put-twice": "a value was put twice, so its deliveries cannot be told apart",
    "times-went-back": "a process's calls go back in time, so their times order nothing",
    "overlapping-calls": "calls of one process overlapped, so answers cannot be told apart",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """The first screen of the report.

    Attributes:
        verdict: valid, unknown or invalid.
        sentence: the verdict's reason in one sentence.
        more: what else a reader should know at once; empty for nothing.
        expectation: whether that was expected, and what was.
    """

    verdict: str
    sentence: str
    more: str
    expectation: str


def headline(results: Mapping[str, Any], servers: int) -> Headline:
    """Return the headline of a run; `servers` is how many trees were read at its end."""
    verdict = results["verdict"]
    if verdict == "invalid":
        sentence = _found(results, servers)
    else:
        sentence = _passed(results) if verdict == "valid" else _doubted(results)
    return Headline(
        verdict=verdict,
        sentence=sentence,
        more=f"{_hurt(results)} {_judged(results)}",
        expectation=_expectation(results),
    )


def gravest_first(checks: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Sort checks by verdict, worst first, and by their gravest reason."""

    def rank(check: Mapping[str, Any]) -> tuple[int, int, str]:
        reasons = [GRAVEST.index(why) for why in check["reasons"] if why in GRAVEST]
        return _ORDER.index(check["verdict"]), min(reasons, default=len(GRAVEST)), check["name"]

    return sorted(checks, key=rank)


def counted(number: int, noun: str) -> str:
    """Return `1 item`, `2 items`, `no items`, thousands set apart."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}" if number else f"no {noun}s"


def seconds(time_ns: int | None) -> str:
    """Return a time of the run to the millisecond; a dash for none."""
    return NONE if time_ns is None else f"{time_ns / NS_PER_S:.3f} s"


def measured(took_s: float | None) -> str:
    """Return a measured duration, with as many digits as a second run would repeat: two."""
    return NONE if took_s is None else f"{float(f'{took_s:.2g}'):g} s"


def nodes(ids: Sequence[int]) -> str:
    """Return `node 3` or `nodes 1, 2`."""
    if not ids:
        return "no node"
    return f"node {ids[0]}" if len(ids) == 1 else f"nodes {', '.join(map(str, ids))}"


def fault(row: Mapping[str, Any]) -> str:
    """Return what a row of `faults` did to whom: `kill+wipe node 5 (leader)`.

    A name that the scenario gave it comes first. Runs of older releases tell no settings.
    """
    kind, name = row["fault"], row["name"]
    what = row.get("what") or f"{kind} {nodes(row['nodes']) if row['nodes'] else ''}".rstrip()
    return description.named(what, kind, name)


def faults(results: Mapping[str, Any]) -> list[str]:
    """Return a line for each fault of a run: `1.119 s: kill+wipe node 5 (leader): installed`."""
    rows = results["faults"]
    return [f"{seconds(row['inject_ns'])}: {fault(row)}: {row['outcome']}" for row in rows]


def findings(check: Mapping[str, Any]) -> list[str]:
    """Return all that a check found, a line for each kind: `lost, 100 times: items 1 to 100`.

    Its reasons for being undecided come last. Runs of older releases tell reasons only.
    """
    found = check.get("findings", [])
    told = [_finding(each) for each in found]
    known = {reason for each in found for reason in each["reason"].split(" or ")}
    return told + [meaning(reason) for reason in check["reasons"] if reason not in known]


def _finding(finding: Mapping[str, Any]) -> str:
    often = f", {finding['count']:,} times" if finding["count"] > 1 else ""
    items = ranges.told(finding["items"])
    return f"{meaning(finding['reason'])}{often}{f': {items}' if items else ''}"


def meaning(reason: str) -> str:
    """Return what a reason means; the reason itself, without hyphens, if it needs no more."""
    return _DOUBTS.get(reason, reason.replace("-", " "))


def known_defects(results: Mapping[str, Any]) -> list[str]:
    """Return a line for each known defect of its servers that the run met."""
    checks = results["checks"]
    return [_known(each) for check in checks for each in check["details"].get("known_defects", ())]


def _known(defect: Mapping[str, Any]) -> str:
    times = f"{defect['seen']} time{'' if defect['seen'] == 1 else 's'}"
    about = [defect["issue"], defect["finding"]]
    more = f" ({', '.join(each for each in about if each)})" if any(about) else ""
    return f"known: {defect['name']}, seen {times} on {nodes(defect['nodes'])}{more}"


def _passed(results: Mapping[str, Any]) -> str:
    counts = results["counts"]
    acknowledged = f"{counted(counts['acknowledged'], 'item')} acknowledged"
    if counts["lost"] == 0 and counts["duplicated"] == 0:
        return f"{acknowledged}, none lost, none delivered twice without a reason."
    return f"{acknowledged}; the checks that ran found nothing wrong."


def _hurt(results: Mapping[str, Any]) -> str:
    hit = sum(fault["outcome"] == "installed" for fault in results["faults"])
    told = f"{counted(hit, 'fault')} hit the quorum".capitalize()
    gap_s = results["availability"].get("longest_gap_s")
    gap = "" if gap_s is None else f"; the longest time without a successful call was {gap_s:.1f} s"
    return f"{told}{gap}."


def _judged(results: Mapping[str, Any]) -> str:
    by_verdict = {
        verdict: [check["name"] for check in results["checks"] if check["verdict"] == verdict]
        for verdict in _ORDER
    }
    titles = {"invalid": "Failed", "unknown": "Undecided", "valid": "Passed"}
    told = [f"{titles[v]}: {', '.join(names)}." for v, names in by_verdict.items() if names]
    return " ".join(told)


def _found(results: Mapping[str, Any], servers: int) -> str:
    check = _first_failing(results)
    if not check["witnesses"]:
        return f"{check['name']} found: {', '.join(map(meaning, check['reasons']))}."
    first = check["witnesses"][0]
    sentence = (_lost(first, servers) if "lost" in check["reasons"] else None) or first["sentence"]
    sentence = _of_one_line(sentence)
    others = len(check["witnesses"]) + check["more_witnesses"] - 1
    return f"{sentence} {counted(others, 'more finding')} of this check." if others else sentence


def _of_one_line(sentence: str) -> str:
    """Return a witness's sentence for a headline: a long one without what comes after a colon.

    It stands below in full. It may quote the logs of all servers.
    """
    if len(sentence) <= HEADLINE_CHARS:
        return " ".join(sentence.split())
    main = re.split(r"[:;]\s", sentence, maxsplit=1)[0]
    return f"{textwrap.shorten(main, HEADLINE_CHARS, placeholder=' …').rstrip('.')}."


def first_witness(results: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the witness that the headline of an invalid run is about; None if it has none."""
    witnesses = _first_failing(results)["witnesses"]
    return witnesses[0] if witnesses else None


def _first_failing(results: Mapping[str, Any]) -> Mapping[str, Any]:
    failing = [c for c in gravest_first(results["checks"]) if c["verdict"] == "invalid"]
    wanted = ("lost", results["because"])
    return next((c for why in wanted for c in failing if why in c["reasons"]), failing[0])


def _lost(witness: Mapping[str, Any], servers: int) -> str | None:
    """Return the sentence about a lost item: when, and to which process, it was acknowledged."""
    if "it stands in" in witness["sentence"]:
        return None
    where = f"and is on none of the {servers} servers" if servers else "and never came out"
    for row in witness["operations"]:
        if row["f"] == "put" and row["outcome"] == "ok" and row["value"] in witness["values"]:
            at = seconds(row["complete_ns"])
            return (
                f"Item {row['value']} was acknowledged at {at} (process {row['process']}) {where}."
            )
    return None


def _doubted(results: Mapping[str, Any]) -> str:
    if (why := results.get("interrupted")) is not None:
        return (
            f"The run was interrupted ({why}), so it shows nothing about what it had not reached."
        )
    doubts = list(_doubts(results["checks"]))
    return f"{'; '.join(doubts)}." if doubts else "No check ran, so nothing was shown."


def _doubts(checks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for check in checks:
        if check["verdict"] == "unknown":
            yield f"{check['name']}: {', '.join(map(meaning, check['reasons']))}"


def _expectation(results: Mapping[str, Any]) -> str:
    wanted = results["expect"] + (f" because {results['because']}" if results["because"] else "")
    return f"{'As' if results['as_expected'] else 'Not as'} expected: {wanted}"


def none_lost(results: Mapping[str, Any]) -> bool:
    """Tell whether it was found that no acknowledged item is lost: not looked at is not found."""
    return any(
        check["name"] == "total-queue" and check["verdict"] == "valid"
        for check in results["checks"]
    )


def loss_bound(results: Mapping[str, Any]) -> str | None:
    """Return how rare a loss is at least, by the rule of three (3/n); None if nobody knows."""
    acknowledged = results["counts"].get("acknowledged") or 0
    if not none_lost(results) or not acknowledged:
        return None
    return (
        f"None of {acknowledged:,} acknowledged items is lost: 95 % sure, under faults like these "
        f"fewer than 1 in {acknowledged / 3:,.0f} are (rule of three, 3/n)."
    )
