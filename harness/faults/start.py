"""Start servers that are down, before the fault that ended them is healed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from harness.faults import Fault, faults
from harness.faults.kill import start_down
from harness.target import Evidence, System, Target


@faults.register("start")
@dataclass(frozen=True, slots=True, kw_only=True)
class Start(Fault):
    """Start servers that are down; the target is a number or a bound name."""

    target: Target = field()  # required: what the base class has under this name is no default
    lasting: ClassVar[bool] = False
    ends: ClassVar[frozenset[str]] = frozenset({"kill"})

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Start."""
        return {"started": start_down(system, nodes)}

    def bit(self, evidence: Evidence) -> bool:
        """Require that something was down, and runs."""
        return bool(evidence["started"])

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Leave it running."""
        return {}
