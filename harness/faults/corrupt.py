"""Damage to files of servers; the effect shows when the servers read them, mostly on start."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from harness.common.harness_errors import UnsupportedError
from harness.common.settings.setting_types import refuse
from harness.faults import Aim, Disabling, each, faults
from harness.target import Evidence, System
from harness.target.disturbances import Damage

OF_THE_DOWN = frozenset(
    {"drop-record", "old-snapshot"}
)  # a running server still writes these parts
OF_RECORDS = frozenset({"zero-length", "drop-record", "swap-records"})


@faults.register("corrupt")
@dataclass(frozen=True, slots=True, kw_only=True)
class Corrupt(Disabling):
    """Damage the newest log, snapshot or epoch file of servers; nothing heals it but a wipe."""

    how: Damage = field()  # required: each is another damage
    """What happens to the bytes."""
    target: Aim = "follower"
    file: Literal["log", "snapshot", "epoch"] = "log"
    """The kind of file, of which the newest is damaged."""
    running: bool = False
    """Whether the servers run and go on with the file. Else they have to be down."""
    lasting: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse damage that this kind of file cannot have."""
        refuse(self.how in OF_RECORDS and self.file != "log", f"`file: log` for `how: {self.how}`")
        refuse(self.running and self.how in OF_THE_DOWN, f"no `running` for `how: {self.how}`")

    @property
    def details(self) -> str:
        """Return the damage, and to which file."""
        return f" {self.how} of {self.file}" + (" while running," if self.running else "")

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Damage one file of each server, and read it back.

        Damage cannot be undone. So if a later server has no such file, the fault goes on with the
        others, and the evidence says why.
        """
        damaged: list[Evidence] = []
        for id in nodes:
            node = system.quorum.nodes[id]
            try:
                damaged.append(node.damage(self.file, self.how, running=self.running))
            except UnsupportedError as error:
                if not damaged:
                    raise
                damaged.append({"node": id, "changed": False, "why": str(error)})
        return {"damaged": damaged}

    def bit(self, evidence: Evidence) -> bool:
        """Require that each file has changed in the intended way."""
        return each(seen["changed"] for seen in evidence["damaged"])
