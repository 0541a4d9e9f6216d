"""The settings of a quorum: the keys of `cluster` in a scenario, and what the cluster starts."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from harness.common.setting_types import Line, Strict, refuse


def kept_disk(folder: Path, node: int) -> Path:
    """Return where the disk of a node is kept, in a folder of kept disks."""
    return folder / f"node-{node}.tar.gz"


Release = Literal["3.9.6", "3.9.3", "3.8.0"]
DEFAULT_RELEASE: Release = "3.9.6"


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


class QuorumConfig(Strict):
    """The quorum to start."""

    nodes: Annotated[int, Field(ge=1, le=9)] = 5
    """How many servers; their ids are 1..nodes."""
    zookeeper: Software = DEFAULT_RELEASE
    """Exactly this release, or your own build. None: the release that is shipped."""
    image: Line | None = None
    """Any image with the official one's contract; wins over `zookeeper`."""
    heap_mb: Annotated[int, Field(ge=64, le=1_000_000)] = 256
    """Heap of each server; 256 is enough for tests, a million items want 1536."""
    zoo_cfg: dict[Line, Line | int] = Field(default={})
    """Lines of zoo.cfg that override or add to the cluster's own."""
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

    @property
    def place(self) -> tuple[int, int | None, int | None, bool]:
        """Return what a quorum's sandboxes are made for, which its servers can't change."""
        return self.nodes, self.port, self.data_mb, self.disk_shim or self.failpoints

    @property
    def missing_disk(self) -> Path | None:
        """Return a kept disk that the servers should begin with and that is not there."""
        if self.disks is None:
            return None
        kept = (kept_disk(Path(self.disks), id) for id in range(1, self.nodes + 1))
        return next((disk for disk in kept if not disk.is_file()), None)

    @property
    def exact(self) -> bool:
        """Tell whether no other release will do."""
        return "zookeeper" in self.model_fields_set
