"""Faults by family. Each is a class that registers itself; its fields are its YAML keys."""

from collections.abc import Collection, Sequence
from typing import Annotated, ClassVar, Protocol

from pydantic import ConfigDict, Field

from harness.common.registry import Registry
from harness.common.setting_types import SETTINGS
from harness.faults import description
from harness.faults.description import Modes
from harness.target import Clients, Evidence, System, Target

Aim = Annotated[
    Target,
    Field(
        description="Whom it hits: leader, follower, followers, observer, observers, any, "
        "minority, half, majority, all, {node: 3} or a name of `bind`."
    ),
]
WHOLE_QUORUM = frozenset({"cut", "gateway", "loss", "members"})
"""Slots that one fault fills for all nodes, whichever it is about."""


class Fault(Protocol):
    """One way to disturb the quorum or its clients; every fault derives from it.

    Attributes:
        lasting: its effect stays until it is healed. A fault that is over when `inject` returns
            is not lasting.
        slot: what it takes hold of. Two faults in one slot exclude each other: on the same node,
            or altogether for the slots of WHOLE_QUORUM. None: it excludes no other fault.
        needs: keys of `cluster` without which it cannot work, such as `faketime`.
        ends: faults that are over when this one has taken place on the same nodes.
        of_host: whether it hits every node of its target's host. Its target means one node.
        of_gateway: whether its target is the gateway, so that it needs `transport: rest`.
        forwarded: whether clients must connect through forwarders, so that they can be cut off.
        fail_stop: whether the servers that it hits stop, and none goes on answering without the
            others: an old leader that does may show an old state.
        patient: whether it waits for the servers to do something: `inject` returns before, and
            `look` tells whether it has bitten by now.
    """

    # Its fields are settings of foreign origin: no unknown key, nothing coerced.
    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS
    lasting: ClassVar[bool] = True
    slot: ClassVar[str | None] = None
    needs: ClassVar[frozenset[str]] = frozenset()
    ends: ClassVar[frozenset[str]] = frozenset()
    of_host: ClassVar[bool] = False
    of_gateway: ClassVar[bool] = False
    forwarded: ClassVar[bool] = False
    fail_stop: ClassVar[bool] = False
    patient: ClassVar[bool] = False

    @property
    def target(self) -> Target:
        """Return the role, name or list of names as the scenario has it."""
        ...

    def describe(self, kind: str, nodes: Sequence[int], modes: Modes) -> str:
        """Return what it does to whom, with the settings that matter: `kill+wipe node 5 (leader)`.

        Args:
            kind: its registered name.
            nodes: those it hit; empty if it has not hit any; then its target is named.
            modes: of all nodes just before.
        """
        return f"{kind}{self.details} {self.whom(nodes, modes)}".rstrip()

    @property
    def details(self) -> str:
        """Return the settings that matter, with a space or a plus before them."""
        return description.changed_settings(self)

    def whom(self, nodes: Sequence[int], modes: Modes) -> str:
        """Return the nodes that it hits, in words; its target if there are none."""
        return description.nodes(nodes, modes) or description.target(self.target)

    def hurts(self, nodes: Sequence[int], everyone: Collection[int]) -> Collection[int]:
        """Return who, while it lasts, is down or cannot exchange with a majority both ways.

        `everyone` are the servers that vote.
        """
        return ()

    def choose(self, clients: Clients, nodes: Sequence[int]) -> Sequence[int]:
        """Return the clients it is about, by number; they become `System.chosen`.

        `nodes` are those of its target.
        """
        return ()

    def misses(self, clients: Clients, nodes: Sequence[int]) -> str | None:
        """Return why it would hit nobody now, though it may soon; None if it would hit."""
        return None

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Disturb `nodes`; return what was observed of it.

        Raises:
            UnsupportedError: it cannot be done here, and nothing was.
            TargetError: it could not be done; `heal` undoes the part that was.
        """
        ...

    def look(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Return what is observed by now of a `patient` fault that is in force."""
        return {}

    def bit(self, evidence: Evidence) -> bool:
        """Tell whether what was observed shows that the fault took effect."""
        ...

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Undo it, in any process; calling it twice is fine. Here: there is nothing to undo.

        Raises:
            TargetError: it could not be undone, or what is seen afterwards says that it was not.
        """
        return {}


class Disabling(Fault, Protocol):
    """A fault that takes its nodes out of service, each of them."""

    def hurts(self, nodes: Sequence[int], everyone: Collection[int]) -> Collection[int]:
        """Return all the nodes that it is about."""
        return nodes


faults: Registry[Fault] = Registry("fault", "harness.faults", Fault)
