"""The scenario language as pydantic models: every key, its type and its bounds.

The entries of `workload` and `faults` are built from the registries: one optional field per
registered name, so that adding a file adds a key, to the errors and to `harness schema` too.
"""

from collections.abc import Iterable, Sequence
from functools import cache, cached_property
from pathlib import Path
from types import GenericAlias
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    PrivateAttr,
    create_model,
    field_validator,
)

from harness.claim import Claimed
from harness.clients.subject import QueueSettings, subjects
from harness.common.settings.quorum_config import QuorumConfig, Software
from harness.common.settings.registry import Registry
from harness.common.settings.setting_types import SETTINGS, Line, Positive, Strict, refuse
from harness.faults import faults
from harness.faults.rolling import RollingUpgrade
from harness.scenario.plugin_settings import SettingsOf
from harness.scenario.schedule import Name, Schedule
from harness.scenario.yaml_document import Document
from harness.workloads import workloads

SubjectName = Annotated[
    str,
    Field(
        max_length=500,
        json_schema_extra=lambda told: told.update(
            anyOf=[
                {"type": "string", "enum": [*subjects.builtin]},
                {"type": "string", "pattern": "^[\\w.:-]+$"},
            ]
        ),
    ),
]
MAX_WORKLOADS, MAX_FAULTS, MAX_PHASES = 100, 10_000, 1000
SPARE_TIME_S = 300.0

Complaint = tuple[Sequence[str | int], str]
"""Where in a scenario something is wrong, and `expected X, got Y`."""


class WorkloadEntry(Strict):
    """One entry of `workload`: exactly one registered workload with its settings."""

    _where: str = PrivateAttr("")

    @property
    def where(self) -> str:
        """Return `file:line: key` of the entry, for an error at run time."""
        return self._where

    def stands_at(self, where: str) -> None:
        """Remember the entry's place in its file."""
        self._where = where

    @cached_property
    def kind(self) -> str:
        """Return the registered name of the workload."""
        return _chosen(self, workloads)

    @property
    def workload(self) -> Any:
        """Return the workload with its settings."""
        return getattr(self, _attribute(self.kind))


class FaultEntry(Schedule):
    """One entry of `faults`: one registered fault with its schedule, or `heal: NAME | all`."""

    @cached_property
    def kind(self) -> str:
        """Return the fault's name; `heal` for an entry that only heals."""
        chosen = [n for n in faults if getattr(self, _attribute(n)) is not None]
        return chosen[0] if chosen else "heal"

    @property
    def label(self) -> str:
        """Return what others call the entry: its name, or its fault's."""
        return self.name or self.kind

    @cached_property
    def fault(self) -> Any:
        """Return the fault with its settings; None for an entry that only heals."""
        return None if self.kind == "heal" else getattr(self, _attribute(self.kind))


class Phase(Strict):
    """Workload and faults that run at the same time."""

    name: Name | None = None
    """What messages and reports call it."""
    workload: tuple[WorkloadEntry, ...] = ()
    """What its clients do, all at the same time."""
    faults: tuple[FaultEntry, ...] = ()
    """Faults of servers, clients and the network in that time."""
    mix_s: Positive | None = None
    """The mean time between two injections of an entry of weight 1."""
    limit_s: Positive = SPARE_TIME_S
    """How long it may take at most."""


class Scenario(Claimed, QueueSettings):
    """What to run, which faults to inject, what to check and what to expect."""

    description: str
    """What happens and why; lists show the first line."""
    seed: int = 1
    """Everything random comes from it."""
    cluster: QuorumConfig = QuorumConfig()
    """The quorum to start."""
    bind: dict[Name, Line] = Field(default={})
    """Names for different nodes, resolved once at the start: `{a: leader, b: a follower}`."""
    budget: Literal["minority", "majority"] = "minority"
    """`majority` allows faults to disable more than a minority of the servers at once."""
    requires: tuple[Literal["celery", "netem", "nfqueue"], ...] = ()
    """What the machine must support or have installed; if not, the scenario is skipped."""
    phases: tuple[Phase, ...] = ()
    """What runs one after the other; a scenario with one phase has its keys at the top."""
    checkers: list[str] | None = None
    """Names of those to run; `completed`, `total-queue` and, with faults, `faults-bit` always do.
    None: all whose needs are met.
    """
    subject: SubjectName = "zkmq"
    """The queue under test: a name that `harness list` shows, or your own as `module:Class`."""
    transport: Literal["kazoo", "rest"] = "kazoo"
    """How zkmq's clients connect: by ZooKeeper's protocol, or by HTTP through one gateway."""
    expect: Literal["valid", "invalid", "unknown"] = "valid"
    """The expected verdict."""

    _document: Document = PrivateAttr(Document.of({}))
    _folder: Path | None = PrivateAttr(None)

    @property
    def text(self) -> str:
        """Return the text of the file that it was loaded from; empty for one from no file."""
        return self._document.text

    @property
    def folders(self) -> list[str]:
        """Return where its own modules are looked for: beside its file, where commands run; here.

        Of a run's copy, it is the folder of the file that was run.
        """
        beside, here = self._folder or self._document.path.absolute().parent, Path.cwd()
        return [str(folder) for folder in dict.fromkeys([beside, here])]

    def where(self, *place: str | int) -> str:
        """Return `file:line: key` of a place, for an error at run time."""
        return self._document.where(place)

    def loaded_from(self, document: Document, folder: Path | None = None) -> Self:
        """Remember its file, whose text every run keeps a copy of, and its folder; return itself.

        The folder is the file's, unless the file is a copy.
        """
        self._document, self._folder = document, folder
        for number, phase in enumerate(self.phases):
            inside = ("phases", number) if "phases" in document.data else ()
            for place, entry in enumerate(phase.workload):
                entry.stands_at(document.where((*inside, "workload", place, entry.kind)))
        return self

    def for_elsewhere(self) -> Self:
        """Return a copy that finds its own modules whichever folder its process is in."""
        return self.model_copy().loaded_from(self._document, Path(self.folders[0]))

    @field_validator("description")
    @classmethod
    def _told(cls, description: str) -> str:
        refuse(not description.strip(), "some text, got none")
        return description

    @property
    def title(self) -> str:
        """Return the first line of the description."""
        return self.description.strip().splitlines()[0]

    @property
    def workloads(self) -> Iterable[WorkloadEntry]:
        """Return the workload entries of all phases, in order."""
        return (entry for phase in self.phases for entry in phase.workload)

    @property
    def fault_entries(self) -> Iterable[FaultEntry]:
        """Return the fault entries of all phases, in order."""
        return (entry for phase in self.phases for entry in phase.faults)

    @property
    def faults_used(self) -> Sequence[Any]:
        """Return the faults of all phases with their settings, in order."""
        return [entry.fault for entry in self.fault_entries if entry.fault is not None]

    @property
    def drain_command(self) -> WorkloadEntry | None:
        """Return the workload whose `drain` takes what is left at the end; None for the subject."""
        drains = (entry for entry in self.workloads if getattr(entry.workload, "drain", None))
        return next(drains, None)

    @property
    def forwarded(self) -> bool:
        """Tell whether clients must connect through forwarders."""
        return any(fault.forwarded for fault in self.faults_used)

    @property
    def upgrades(self) -> Sequence[Software]:
        """Return what servers are upgraded to, each once, in order."""
        wanted = (f.to for f in self.faults_used if isinstance(f, RollingUpgrade))
        return list(dict.fromkeys(wanted))


@cache
def model() -> type[Scenario]:
    """Return the model of a scenario file, with every registered workload and fault as a key."""
    # Any: these types exist only now, so no type checker can know them.
    work: Any = _list_of(_entry_model("WorkloadEntryOf", WorkloadEntry, workloads), MAX_WORKLOADS)
    hurt: Any = _list_of(_entry_model("FaultEntryOf", FaultEntry, faults), MAX_FAULTS)
    told = {name: field.description for name, field in Phase.model_fields.items()}
    of_phase: dict[str, Any] = {
        "workload": (work, Field(default=[], description=told["workload"])),
        "faults": (hurt, Field(default=[], description=told["faults"])),
    }
    phase: Any = create_model("PhaseOf", __base__=Phase, **of_phase)
    phases: Any = _list_of(phase, MAX_PHASES)
    # A short scenario has one phase and leaves the list out.
    return create_model(
        "ScenarioOf",
        __base__=Scenario,
        phases=(
            phases,
            Field(default=[], description=Scenario.model_fields["phases"].description),
        ),
        mix_s=(Positive | None, Field(default=None, description=told["mix_s"])),
        **of_phase,
    )


@cache
def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of scenario files, for editors."""
    return model().model_json_schema()


def _list_of(entry: Any, at_most: int) -> Any:
    return Annotated[GenericAlias(list, (entry,)), Field(max_length=at_most)]


def _entry_model(name: str, base: type[Any], registry: Registry[Any]) -> Any:
    fields: dict[str, Any] = {}
    for entry in registry:
        settings: Any = Annotated[Any, SettingsOf(registry, entry)]
        if entry in registry.builtin:
            settings = registry[entry]
            settings.__pydantic_config__ = SETTINGS
        about = registry.summary(entry) if entry in registry.builtin else None
        field = Field(default=None, alias=entry, description=about)
        fields[_attribute(entry)] = (settings | None, field)
    entry_model = create_model(name, __base__=base, **fields)
    return Annotated[entry_model, _exactly_one_of(list(registry), optional=base is FaultEntry)]


def _exactly_one_of(names: list[str], *, optional: bool) -> Any:
    def check(entry: Any) -> Any:
        chosen = [n for n in names if getattr(entry, _attribute(n)) is not None]
        if len(chosen) == 1 or (optional and not chosen and entry.heal is not None):
            return entry
        got = " and ".join(chosen) or "none"
        raise ValueError(f"expected exactly one of {', '.join(names)}, got {got}")

    return AfterValidator(check)


def _chosen(entry: BaseModel, registry: Registry[Any]) -> str:
    return next(n for n in registry if getattr(entry, _attribute(n)) is not None)


@cache
def _attribute(name: str) -> str:
    return name.replace("-", "_") + "_"
