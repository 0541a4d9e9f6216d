"""Voters taken out of the ensemble and added to it, by reconfiguration."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.common.harness_errors import TargetError, UnsupportedError
from harness.common.settings.quorum_config import Role
from harness.faults import Aim, Disabling, Fault, each, faults
from harness.faults.all_or_none import on_each
from harness.faults.servers import start_down, wiped_something
from harness.target import Evidence, System


@faults.register("remove-voter")
@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveVoter(Disabling):
    """Take voters out of the ensemble while they run; healing adds them again."""

    target: Aim = "follower"
    slot: ClassVar[str | None] = "members"
    needs: ClassVar[frozenset[str]] = frozenset({"reconfig"})

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Remove one after the other."""
        modes = _modes(system, nodes)
        return {"modes": modes, "removed": [system.quorum.remove_member(id) for id in nodes]}

    def bit(self, evidence: Evidence) -> bool:
        """Require voters, which the ensemble's own configuration no longer has."""
        return _removed(evidence) and "observer" not in evidence.get("modes", {}).values()

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Add them to the ensemble again."""
        return {"added": _given_role(system, nodes, "participant")}


@faults.register("add-voter")
@dataclass(frozen=True, slots=True, kw_only=True)
class AddVoter(Fault):
    """Make observers voters by reconfiguration, as an ensemble grows; healing reverts that.

    With two observers beside three voters, three grow to five.
    """

    target: Aim = "observers"
    slot: ClassVar[str | None] = "members"
    needs: ClassVar[frozenset[str]] = frozenset({"reconfig"})

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Give one after the other a vote."""
        modes = _modes(system, nodes)
        return {"modes": modes, "added": [system.quorum.add_member(id) for id in nodes]}

    def bit(self, evidence: Evidence) -> bool:
        """Require observers, which the ensemble's own configuration has as voters now."""
        voted = each(seen["node"] in seen["voters"] for seen in evidence["added"])
        return voted and set(evidence["modes"].values()) == {"observer"}

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Make them observers again."""
        return {"demoted": _given_role(system, nodes, "observer")}


@faults.register("replace")
@dataclass(frozen=True, slots=True, kw_only=True)
class Replace(Disabling):
    """Kill members, wipe them and remove them by reconfiguration; healing adds them again, empty.

    The new member takes the dead one's address and id, as a machine with a new disk does.
    """

    target: Aim = "follower"
    slot: ClassVar[str | None] = "members"
    needs: ClassVar[frozenset[str]] = frozenset({"reconfig"})
    of_running: ClassVar[bool] = True
    fail_stop: ClassVar[bool] = True

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Kill, wipe, and remove from the ensemble; if none can be removed, start them again."""
        killed = on_each(system, nodes, lambda node: node.kill(), start_down)
        wiped = [node.wipe() for node in system.members(nodes)]
        try:
            removed = [system.quorum.remove_member(id) for id in nodes]
        except UnsupportedError:
            start_down(system, nodes)
            raise
        return {"killed": killed, "wiped": wiped, "removed": removed}

    def bit(self, evidence: Evidence) -> bool:
        """Require disks that were not empty, and a configuration that no longer has them."""
        return _removed(evidence) and wiped_something(evidence["wiped"])

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Start the empty ones and add them: the leader brings them up to date first."""
        started = start_down(system, nodes)
        return {"started": started, "added": _given_role(system, nodes, "participant")}


def _modes(system: System, nodes: Sequence[int]) -> dict[str, str]:
    return {str(seen.node): seen.mode for seen in system.quorum.statuses() if seen.node in nodes}


def _given_role(system: System, nodes: Sequence[int], role: Role) -> list[Evidence]:
    """Give one after the other a role, and see it in the ensemble's own configuration.

    Raises:
        TargetError: a node does not have it.
    """
    seen = [system.quorum.add_member(id, role) for id in nodes]
    for told in seen:
        if (told["node"] in told["voters"]) is not (role == "participant"):
            raise TargetError(
                f"members: expected node {told['node']} as {role}, got voters {told['voters']}"
            )
    return seen


def _removed(evidence: Evidence) -> bool:
    return each(seen["node"] not in seen["voters"] for seen in evidence["removed"])
