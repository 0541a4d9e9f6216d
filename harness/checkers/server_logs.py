"""Whether the servers' own logs tell of a defect that no fault explains; and what they counted."""

from collections import Counter
from typing import Any, ClassVar, Final

from harness.checkers import Claim, checkers
from harness.history import History
from harness.verdict import CheckResult, Verdict, Witness

# What no fault of ours can cause in a correct server. A full disk ends one with a severe error and
# a kill leaves half a record in a log: such patterns are counted, and judged by nobody.
DEFECTS: Final = ("null-pointer",)


@checkers.register("server-logs")
class ServerLogs:
    """No server met a null pointer, whatever was done to it. O(nodes).

    INVALID for `null-pointer`. All else is only counted, digest mismatches too: 3.9.6 counts one
    for the first proposal that a leader gets when it comes back from a pause, and holds the same
    as all others afterwards. Whether servers differ is for `replicas` to say.

    Details: how often each pattern was found, over all servers; by node the digest mismatches
    that it counted since its start, null for a server that did not answer.
    """

    finds: ClassVar[frozenset[str]] = frozenset(DEFECTS)

    def unmet(self, history: History, claim: Claim) -> str | None:
        """It needs the servers' logs."""
        return None if _logs(history) else "the servers' logs"

    def check(self, history: History, claim: Claim) -> CheckResult:
        """Add up patterns and counts."""
        logs = _logs(history)
        patterns: Counter[str] = Counter()
        for log in logs:
            patterns.update(log["patterns"])
        found = tuple(name for name in DEFECTS if patterns[name])
        return CheckResult(
            name="server-logs",
            verdict=Verdict.INVALID if found else Verdict.VALID,
            reasons=found,
            details={
                "patterns": dict(sorted(patterns.items())),
                "digest_mismatches": {
                    str(log["node"]): log.get("digest_mismatches") for log in logs
                },
            },
            witnesses=tuple(
                _told(log, name) for log in logs for name in found if log["patterns"].get(name)
            ),
        )


def _logs(history: History) -> list[dict[str, Any]]:
    notes = history.notes_named("server-log")
    last = {note.value["node"]: note.value for note in notes if isinstance(note.value, dict)}
    return [last[node] for node in sorted(last)]


def _told(log: dict[str, Any], name: str) -> Witness:
    samples = "; ".join(log["samples"])
    told = f"node {log['node']}: {log['patterns'][name]} times {name} in its log: {samples}"
    return Witness(sentence=told)
