"""The settings of a quorum: the keys of `cluster` in a scenario, and what the cluster starts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from harness.common.settings.setting_types import Line, Strict, refuse


def kept_disk(folder: Path, node: int) -> Path:
    """Return where the disk of a node is kept, in a folder of kept disks."""
    return folder / f"node-{node}.tar.gz"


Release = Literal["3.9.6", "3.9.3", "3.8.0"]
DEFAULT_RELEASE: Release = "3.9.6"


HeapSize = Annotated[int, Field(ge=64, le=1_000_000)]
PropertyName = Annotated[str, Field(pattern=r"^[A-Za-z][\w.-]*$", max_length=200)]
# A server's start script splits its flags at spaces.
PropertyValue = Annotated[str, Field(pattern=r"^\S*$", max_length=1000)]


class OwnBuild(Strict):
    """A ZooKeeper that the user brings.

    Attributes:
        tarball: a binary distribution, `apache-zookeeper-…-bin.tar.gz`.
        jars: a folder of jars, such as the `lib` of a distribution, or `zookeeper-server/target`.
    """

    tarball: Line | None = None
    """The project's `apache-zookeeper-X-bin.tar.gz`."""
    jars: Line | None = None
    """A folder with the jars of a server."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        refuse((self.tarball is None) == (self.jars is None), "one of tarball and jars")
        return self

    def __str__(self) -> str:
        """Return its path, for people."""
        return str(self.tarball or self.jars)


def _kind(value: object) -> str:
    """Tell which form a value was meant to have, so that its errors are about that one."""
    return "build" if isinstance(value, (dict, OwnBuild)) else "release"


Software = Annotated[
    Annotated[Release, Tag("release")] | Annotated[OwnBuild, Tag("build")], Discriminator(_kind)
]
"""Which ZooKeeper to run: a release by its number, or a build of the user's own."""


def _has_one_disk(zoo_cfg: dict[str, str | int]) -> dict[str, str | int]:
    """Refuse another place for the database: faults of disks would miss it without a word."""
    own = [key for key in zoo_cfg if key.strip() in {"dataDir", "dataLogDir"}]
    refuse(bool(own), f"no {', '.join(own)}: faults know a server's database at /data only")
    return zoo_cfg


ZooCfg = Annotated[dict[Line, Line | int], AfterValidator(_has_one_disk)]
Role = Literal["participant", "observer"]
Properties = dict[PropertyName, PropertyValue | int | bool]
MOST_NODES = 9
Engine = Annotated[Line, Field(min_length=1)]


class NodeConfig(Strict):
    """What is special about one server; all else is as the quorum has it."""

    role: Role = "participant"
    """An observer follows the leader and answers clients, and has no vote."""
    heap_mb: HeapSize | None = None
    """Its heap. None: as large as the others'."""
    zoo_cfg: ZooCfg = Field(default={})
    """Lines of its zoo.cfg that override or add to those of all."""
    jvm: Properties = Field(default={})
    """System properties of its JVM that override or add to those of all."""


_PLAIN: Final = NodeConfig()


def _form(value: object) -> str:
    """Tell whether nodes are counted or listed, so that errors are about that form."""
    return "list" if isinstance(value, (list, tuple)) else "count"


Nodes = Annotated[
    Annotated[int, Field(ge=1, le=MOST_NODES), Tag("count")]
    | Annotated[list[NodeConfig], Field(min_length=1, max_length=MOST_NODES), Tag("list")],
    Discriminator(_form),
]


class QuorumConfig(Strict):
    """The quorum to start."""

    nodes: Nodes = 5
    """How many servers; or a list of what is special about each. Their ids are 1, 2, ..."""
    zookeeper: Software = DEFAULT_RELEASE
    """Exactly this release, or your own build. None: the release that is shipped."""
    image: Line | None = None
    """Any image with the official one's contract; wins over `zookeeper`."""
    heap_mb: HeapSize = 256
    """Heap of each server; 256 is enough for tests, a million items want 1536."""
    zoo_cfg: ZooCfg = Field(default={})
    """Lines of zoo.cfg that override or add to the cluster's own."""
    jvm: Properties = Field(default={})
    """System properties of the servers' JVMs, by name without `-D`."""
    autocreate: bool = True
    """Whether a server without a database may start with an empty one and vote."""
    port: Annotated[int, Field(ge=1, le=65000)] | None = None
    """First of `nodes` consecutive ports on 127.0.0.1. None lets the engine choose."""
    data_mb: Annotated[int, Field(ge=32, le=1_000_000)] | None = None
    """Size of a disk in memory, for `disk-full`. None puts the data on the engine's own disk."""
    disks: Line | None = None
    """A folder `disks` that a run kept (`--piece`): the servers begin with these, not empty."""
    faketime: bool = False
    """Run servers under libfaketime, so that `clock` and `clock-strobe` can move their clocks."""
    disk_shim: bool = False
    """Preload the library by which disks can fail and forget."""
    failpoints: bool = False
    """Load the agent by which servers can be stopped between two lines of their code."""
    reconfig: bool = False
    """Let members be taken out and added while the ensemble runs."""
    quorum_tls: bool = False
    """Encrypt what servers say to each other, with keys that are made for this quorum."""
    engines: Annotated[list[Engine], Field(max_length=MOST_NODES)] = Field(default=[])
    """Docker engines by context or URL (`ssh://`, `tcp://`, `unix://`), each on its own host."""
    spread: Literal["hosts"] = "hosts"
    """How nodes are divided: in turn, node 1 on the first of `engines`, 2 on the second."""
    swarm: Literal["own", "use-existing"] = "own"
    """Whether several engines join a swarm for the run, or are in yours, which gets a network."""

    @field_validator("engines")
    @classmethod
    def _each_is_used(cls, engines: list[str], others: ValidationInfo) -> list[str]:
        refuse(len(set(engines)) < len(engines), "each engine once")
        nodes = others.data.get("nodes", MOST_NODES)
        nodes = nodes if isinstance(nodes, int) else len(nodes)
        refuse(len(engines) > nodes, f"at most {nodes} engines, one a node, got {len(engines)}")
        return engines

    @model_validator(mode="after")
    def _votes(self) -> Self:
        many = "at least 2 participants beside observers"
        refuse(bool(self.observers) and len(self.voters) < 2, f"{many}, got {len(self.voters)}")
        return self

    @property
    def size(self) -> int:
        """Return how many servers there are."""
        return self.nodes if isinstance(self.nodes, int) else len(self.nodes)

    @property
    def each(self) -> Mapping[int, NodeConfig]:
        """Return what is special about each server, by id."""
        listed = [_PLAIN] * self.nodes if isinstance(self.nodes, int) else self.nodes
        return dict(enumerate(listed, start=1))

    @property
    def voters(self) -> Sequence[int]:
        """Return the ids of the servers that vote."""
        return [id for id, node in self.each.items() if node.role == "participant"]

    @property
    def observers(self) -> Sequence[int]:
        """Return the ids of the servers that do not vote."""
        return [id for id, node in self.each.items() if node.role == "observer"]

    @property
    def place(self) -> tuple[object, ...]:
        """Return what a quorum's sandboxes are made for, which its servers can't change."""
        hosts = (*self.engines, self.spread, self.swarm)
        return self.size, self.port, self.data_mb, self.disk_shim or self.failpoints, hosts

    def place_of(self, node: int) -> int:
        """Return which of `engines` a node is on, from 0."""
        return (node - 1) % max(1, len(self.engines))

    def beside(self, node: int) -> list[int]:
        """Return the nodes of a node's host, itself included."""
        return [id for id in self.each if self.place_of(id) == self.place_of(node)]

    @property
    def missing_disk(self) -> Path | None:
        """Return a kept disk that the servers should begin with and that is not there."""
        if self.disks is None:
            return None
        kept = (kept_disk(Path(self.disks), id) for id in self.each)
        return next((disk for disk in kept if not disk.is_file()), None)

    @property
    def exact(self) -> bool:
        """Tell whether no other release will do."""
        return "zookeeper" in self.model_fields_set
