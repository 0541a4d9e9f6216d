"""Whether the servers' own logs and counters tell of a defect that no fault explains."""

from collections import Counter
from typing import Any, Final

from harness.checkers import Claim, checkers
from harness.history import History
from harness.verdict import CheckResult, Verdict, Witness

# What no fault of ours can cause in a correct server. A full disk ends one with a severe error and
# a kill leaves half a record in a log: such patterns are counted, and judged by nobody.
DEFECTS: Final = ("digest-mismatch", "null-pointer")


@checkers.register("server-logs")
class ServerLogs:
    """No server found its data to differ from the leader's, and none met a null pointer. O(nodes).

    INVALID for `digest-mismatch` (in a log, or counted by the server since its start) and for
    `null-pointer`; UNKNOWN (`server-silent`) if a server did not answer when it was asked for its
    count. Other patterns are only counted.

    Details: how often each pattern was found, over all servers; by node the mismatches counted.
    """

    def unmet(self, history: History, claim: Claim) -> str | None:
        """It needs the servers' logs."""
        return None if _logs(history) else "the servers' logs"

    def check(self, history: History, claim: Claim) -> CheckResult:
        """Add up patterns and counts."""
        logs = _logs(history)
        patterns: Counter[str] = Counter()
        for log in logs:
            patterns.update(log["patterns"])
        counted = {str(log["node"]): log["digest_mismatches"] for log in logs if _asked(log)}
        found = {name for name in DEFECTS if patterns[name]}
        found |= {"digest-mismatch"} if any(counted.values()) else set()
        doubts = {"server-silent"} if None in counted.values() else set()
        verdict = Verdict.INVALID if found else Verdict.UNKNOWN if doubts else Verdict.VALID
        return CheckResult(
            name="server-logs",
            verdict=verdict,
            reasons=tuple(sorted(found | doubts)),
            details={"patterns": dict(sorted(patterns.items())), "digest_mismatches": counted},
            witnesses=tuple(Witness(sentence=_told(log)) for log in logs if _defective(log)),
        )


def _logs(history: History) -> list[dict[str, Any]]:
    notes = history.notes_named("server-log")
    last = {note.value["node"]: note.value for note in notes if isinstance(note.value, dict)}
    return [last[node] for node in sorted(last)]


def _asked(log: dict[str, Any]) -> bool:
    return "digest_mismatches" in log


def _defective(log: dict[str, Any]) -> bool:
    return bool(log.get("digest_mismatches")) or any(log["patterns"].get(d) for d in DEFECTS)


def _told(log: dict[str, Any]) -> str:
    told = [f"{log['patterns'][d]} times {d} in its log" for d in DEFECTS if d in log["patterns"]]
    if log.get("digest_mismatches"):
        told.append(f"{log['digest_mismatches']} digest mismatches counted")
    sample = f"; its log: {log['samples'][0]}" if log["samples"] else ""
    return f"node {log['node']}: {', '.join(told)}{sample}"
