"""Defects in the servers' logs that no fault explains, and the servers' own counters."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from harness.checkers import checkers
from harness.checkers.evidence.server_defects import DEFECTS, ServerDefect, known
from harness.claim import Claim
from harness.common.verdict import CheckResult, Verdict, Witness
from harness.history.columns import History

# What no fault of ours can cause in a correct server. A full disk ends one with a severe error and
# a kill leaves half a record in a log: such patterns are counted and not judged.
PATTERNS: Final = ("null-pointer",)


@checkers.register("server-logs")
class ServerLogs:
    """No server logged a null pointer exception, apart from known defects. O(nodes).

    INVALID for `null-pointer`, unless its stack trace is that of a defect in
    `harness.checkers.evidence.server_defects`: those are counted by name, and change no verdict. In
    a scenario whose `because` is the defect's name, or its pattern, they count too. All else is
    only counted, digest mismatches too: 3.9.6 counts one for the first proposal that a leader gets
    when it comes back from a pause, and holds the same as all others afterwards. Whether servers
    differ is for `replicas` to say.

    UNKNOWN if nothing was found and the beginning of a log may be gone (`log-cut`).

    Details: how often each pattern was found, over all servers; the known defects, how often each
    was seen and on which nodes; by node the digest mismatches that it counted since its start,
    null for a server that did not answer.
    """

    finds: ClassVar = frozenset({*PATTERNS, *(defect.name for defect in DEFECTS)})

    def unmet(self, history: History, claim: Claim) -> str | None:
        """It needs the servers' logs."""
        return None if _logs(history) else "the servers' logs"

    def check(self, history: History, claim: Claim) -> CheckResult:
        """Add up patterns, traces and counts."""
        logs = _logs(history)
        patterns: Counter[str] = Counter()
        for log in logs:
            patterns.update(log["patterns"])
        seen = list(_seen(logs))
        found = [each for each in seen if _counts(each, claim)]
        doubts = {"log-cut" for log in logs if log.get("cut")}
        reasons = {reason for each in found for reason in each.reasons}
        return CheckResult(
            name="server-logs",
            verdict=Verdict.INVALID if found else Verdict.UNKNOWN if doubts else Verdict.VALID,
            reasons=tuple(sorted(reasons | doubts)),
            details={
                "patterns": dict(sorted(patterns.items())),
                "known_defects": _summed(seen),
                "digest_mismatches": {
                    str(log["node"]): log.get("digest_mismatches") for log in logs
                },
            },
            witnesses=tuple(Witness(sentence=each.sentence) for each in found),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """One kind of trouble in one server's log."""

    node: int
    pattern: str
    count: int
    defect: ServerDefect | None
    sample: str

    @property
    def reasons(self) -> tuple[str, ...]:
        return (self.pattern,) if self.defect is None else (self.pattern, self.defect.name)

    @property
    def sentence(self) -> str:
        defect = self.defect
        what = f"{self.sample}." if defect is None else f"{defect.name}: {defect.what}"
        return f"Node {self.node} has {self.pattern} {self.count} times in its log: {what}"


def _seen(logs: list[dict[str, Any]]) -> Iterator[_Seen]:
    """Yield what each log has of the patterns that matter; without traces all of it is unknown."""
    for log in logs:
        samples = "; ".join(log["samples"])
        for pattern in PATTERNS:
            traces = [trace for trace in log.get("traces", ()) if trace["pattern"] == pattern]
            if log["patterns"].get(pattern) and not traces:
                yield _Seen(
                    node=log["node"], pattern=pattern, count=log["patterns"][pattern],
                    defect=None, sample=samples,
                )  # fmt: skip
            for trace in traces:
                at = " < ".join(trace["frames"][:3]) or samples
                yield _Seen(
                    node=log["node"], pattern=pattern, count=trace["count"],
                    defect=known(trace), sample=f"at {at} ({trace['release']})",
                )  # fmt: skip


def _counts(seen: _Seen, claim: Claim) -> bool:
    """Tell whether it makes the run invalid: it is new, or it is what the scenario is about."""
    return seen.defect is None or claim.because in seen.reasons


def _summed(seen: list[_Seen]) -> list[dict[str, Any]]:
    """Return one entry for each known defect that was seen."""
    mine = [(defect, [each for each in seen if each.defect is defect]) for defect in DEFECTS]
    return [
        {
            "name": defect.name,
            "seen": sum(each.count for each in found),
            "nodes": sorted({each.node for each in found}),
            "issue": defect.issue,
            "finding": defect.finding,
        }
        for defect, found in mine
        if found
    ]


def _logs(history: History) -> list[dict[str, Any]]:
    return [note.value for note in history.last_by_node("server-log")]
