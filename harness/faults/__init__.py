"""Faults by family. Each is a class that registers itself; its fields are its YAML keys."""

from collections.abc import Collection, Iterable, Sequence
from typing import Annotated, ClassVar, Protocol

from pydantic import ConfigDict, Field

from harness.common.settings.registry import Registry
from harness.common.settings.setting_types import SETTINGS
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
BITES_WITHIN_S = 30.0
"""How long a fault waits until it is seen to bite. Most bite at once. A leader speaks every half
tick, an idle client once in a third of its session, and a busy machine makes all of that late."""
WHOLE_QUORUM = frozenset({"cut", "gateway", "loss", "members"})
"""Slots of the whole quorum: one fault takes such a slot on all nodes, whichever it hits."""


class Fault(Protocol):
    """One way to disturb the quorum or its clients; every fault derives from it.

    Attributes:
        lasting: its effect stays until it is healed. A fault that is over when `inject` returns
            is not lasting.
        slot: the part of a node that it changes, such as `process` or `disk`. Two faults of one
            slot exclude each other on the same node, or, for the slots of WHOLE_QUORUM, on any
            nodes. None: it excludes no other fault.
        needs: keys of `cluster` without which it cannot work, such as `faketime`.
        ends: names of faults that end when this one is injected on the same nodes.
        of_running: whether the servers that it hits must run: one that has ended is not killed.
        of_host: whether it hits every node on the host of its target, which is one node.
        of_gateway: whether its target is the gateway, so that it needs `transport: rest`.
        forwarded: whether clients must connect through forwarders, so that they can be cut off.
        fail_stop: whether each server that it hits stops answering. A server that goes on, such as
            an old leader behind a partition, may show an old state.
        patient: whether it takes effect only when a server does something. `inject` returns before
            that, and `look` returns what has been observed since.
    """

    # Its fields are settings of foreign origin: no unknown key, nothing coerced.
    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS
    lasting: ClassVar[bool] = True
    slot: ClassVar[str | None] = None
    needs: ClassVar[frozenset[str]] = frozenset()
    ends: ClassVar[frozenset[str]] = frozenset()
    of_running: ClassVar[bool] = False
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
        """Return what it does to which nodes, in words: `kill+wipe node 5 (leader)`.

        Args:
            kind: its registered name.
            nodes: those it hit. If there are none yet, the result names its target.
            modes: the mode of each node just before.
        """
        return f"{kind}{self.details} {self.whom(nodes, modes)}".rstrip()

    @property
    def details(self) -> str:
        """Return the settings that differ from their defaults, with a space or plus before them."""
        return description.changed_settings(self)

    def whom(self, nodes: Sequence[int], modes: Modes) -> str:
        """Return the nodes that it hits, in words; its target if there are none."""
        return description.nodes(nodes, modes) or description.target(self.target)

    def hurts(self, nodes: Sequence[int], everyone: Collection[int]) -> Collection[int]:
        """Return the nodes that it disables: they are down, or cut off from a majority.

        A node is cut off if it cannot both send to and receive from a majority of `everyone`, the
        servers that vote.
        """
        return ()

    def choose(self, clients: Clients, nodes: Sequence[int]) -> Sequence[int]:
        """Return the numbers of the clients that it will hit; they become `System.chosen`.

        `nodes` are those of its target.
        """
        return ()

    def misses(self, clients: Clients, nodes: Sequence[int]) -> str | None:
        """Return why it would hit no client now, although it may later; None if it would hit."""
        return None

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Disturb `nodes`; return what was observed of it.

        Raises:
            UnsupportedError: it cannot be done here, and nothing was.
            TargetError: it could not be done; `heal` undoes the part that was.
        """
        ...

    def look(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Return what has been observed so far of a `patient` fault that is in force."""
        return {}

    def bit(self, evidence: Evidence) -> bool:
        """Tell whether what was observed shows that the fault took effect."""
        ...

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Undo it. May be called twice, and by another process. By default it does nothing.

        Raises:
            TargetError: it could not be undone, or it is still seen in force afterwards.
        """
        return {}


def each(seen: Iterable[object]) -> bool:
    """Tell whether there is something, and all of it is so: no evidence shows nothing."""
    told = [bool(one) for one in seen]
    return bool(told) and all(told)


class Disabling(Fault, Protocol):
    """A fault that disables every node it hits."""

    def hurts(self, nodes: Sequence[int], everyone: Collection[int]) -> Collection[int]:
        """Return all nodes that it hits."""
        return nodes


faults: Registry[Fault] = Registry("fault", "harness.faults", Fault)
