"""Whether the planned faults took place: a run whose faults did not bite shows nothing."""

from collections import Counter
from typing import Any, ClassVar

from harness.checkers import Claim, checkers
from harness.history import History
from harness.verdict import CheckResult, Verdict, Witness


@checkers.register("faults-bit")
class FaultsBit:
    """Every fault that was planned was installed, and healed, at least once. O(faults).

    An entry of `faults` that ended `skipped` or `indeterminate` each time makes the run UNKNOWN:
    it says nothing about that fault. A heal that did not work makes it UNKNOWN too.

    Details: for each entry, how many injections ended in each outcome.
    """

    finds: ClassVar[frozenset[str]] = frozenset()

    def unmet(self, history: History, claim: Claim) -> str | None:
        """It needs the nemesis's events."""
        return None if _injections(history) else "faults"

    def check(self, history: History, claim: Claim) -> CheckResult:
        """Count outcomes by entry."""
        outcomes: dict[str, Counter[str]] = {}
        for value in _injections(history):
            outcomes.setdefault(str(value["name"]), Counter())[str(value["outcome"])] += 1
        toothless = sorted(name for name, seen in outcomes.items() if not seen["installed"])
        unhealed = [v for v in _phase(history, "heal") if v["outcome"] != "installed"]
        witnesses = [_not_installed(name, history) for name in toothless]
        witnesses += [_not_healed(value) for value in unhealed]
        reasons = ("faults-did-not-bite",) * bool(toothless) + ("not-healed",) * bool(unhealed)
        return CheckResult(
            name="faults-bit",
            verdict=Verdict.UNKNOWN if reasons else Verdict.VALID,
            reasons=reasons,
            details={name: dict(sorted(seen.items())) for name, seen in sorted(outcomes.items())},
            witnesses=tuple(witnesses),
        )


def _phase(history: History, phase: str) -> list[dict[str, Any]]:
    notes = (note.value for note in history.notes if note.process == "nemesis")
    return [value for value in notes if isinstance(value, dict) and value.get("phase") == phase]


def _injections(history: History) -> list[dict[str, Any]]:
    return _phase(history, "inject")


def _not_installed(name: str, history: History) -> Witness:
    last = [value for value in _injections(history) if value["name"] == name][-1]
    evidence = last.get("evidence", {})
    why = evidence.get("why") or evidence.get("error") or "what was observed does not show it"
    return Witness(sentence=f"the fault {name!r} was never installed; the last was {why}")


def _not_healed(value: dict[str, Any]) -> Witness:
    why = value.get("evidence", {}).get("error", "what was observed does not show it")
    return Witness(sentence=f"healing {value['name']!r} on nodes {value['nodes']} failed: {why}")
