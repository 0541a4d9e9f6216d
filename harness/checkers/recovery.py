"""Whether every server serves again once everything is healed."""

from typing import Any, ClassVar

from harness.checkers import checkers
from harness.claim import Claim
from harness.common.verdict import CheckResult, Verdict, Witness
from harness.history.columns import History


@checkers.register("recovery")
class Recovery:
    """After the last heal all servers serve, each as it was started. O(notes).

    INVALID for `server-lost`: one does not come back though nothing hurts it any more, while the
    others serve. Its log, kept with the run, says why. If no majority came back there is no
    verdict at all.

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
            witnesses=tuple(
                Witness(sentence=f"Node {node} did not serve again: {seen['why']}.")
                for node in lost
            ),
        )


def _seen(history: History) -> dict[str, Any]:
    notes = [n.value for n in history.notes_named("recovered") if isinstance(n.value, dict)]
    return notes[-1] if notes else {}
