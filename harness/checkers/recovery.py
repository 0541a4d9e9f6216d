"""Whether every server serves again once everything is healed."""

from typing import Any, ClassVar

from harness.checkers import checkers
from harness.claim import Claim
from harness.common.verdict import CheckResult, Verdict, Witness
from harness.history.columns import History


@checkers.register("recovery")
class Recovery:
    """After the last heal all servers serve, each as it was started. O(notes).

    INVALID for `server-lost`: one does not come back, or all do not, though nothing hurts them any
    more and the engine runs them. Their logs, kept with the run, say why.

    Details: how long it took until all served, null if they never did.
    """

    finds: ClassVar[frozenset[str]] = frozenset({"server-lost"})

    def unmet(self, history: History, claim: Claim) -> str | None:
        """Ask for a run that came to its end."""
        return None if _seen(history) else "a run that was healed"

    def check(self, history: History, claim: Claim) -> CheckResult:
        """Look at what was seen after the heal."""
        seen = _seen(history)
        lost = seen["lost"]
        return CheckResult(
            name="recovery",
            verdict=Verdict.INVALID if lost else Verdict.VALID,
            reasons=("server-lost",) if lost else (),
            details={"took_s": seen["took_s"]},
            witnesses=(Witness(sentence=_sentence(lost, seen["why"])),) if lost else (),
        )


def _sentence(lost: list[int], why: str) -> str:
    """Say which did not come back, and why, once for all."""
    nodes = "Node" if len(lost) == 1 else "Nodes"
    return f"{nodes} {', '.join(map(str, lost))} did not serve again: {why}."


def _seen(history: History) -> dict[str, Any]:
    notes = [n.value for n in history.notes_named("recovered") if isinstance(n.value, dict)]
    return notes[-1] if notes else {}
