"""Faults: one file each; a fault registers itself, and its fields are its YAML keys."""

from collections.abc import Sequence
from typing import ClassVar, Protocol

from harness.registry import Registry
from harness.target import Evidence, Quorum


class Fault(Protocol):
    """One way to hurt the quorum.

    Attributes:
        lasting: what it does stays until it is healed. A fault that is over when `inject`
            returns is not lasting.
    """

    @property
    def target(self) -> str:
        """Return the role or name as the scenario has it."""
        ...

    lasting: ClassVar[bool]

    def inject(self, quorum: Quorum, nodes: Sequence[int]) -> Evidence:
        """Hurt `nodes`; return what was observed of it.

        Raises:
            TargetError: it could not be done; what it did so far is undone by `heal`.
        """
        ...

    def bit(self, evidence: Evidence) -> bool:
        """Tell whether what was observed shows that the fault took effect."""
        ...

    def heal(self, quorum: Quorum, nodes: Sequence[int]) -> Evidence:
        """Undo it; doing it twice is fine."""
        ...


faults: Registry[Fault] = Registry("fault", "harness.faults")
