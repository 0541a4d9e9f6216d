"""What a quorum is made of, and the zoo.cfg of one of its servers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

CLIENT_PORT = 2181
# Short ticks: a killed leader costs half a second of writes, a silent one two to three.
DEFAULTS: Mapping[str, str | int] = {
    "tickTime": 500,
    "initLimit": 10,
    "syncLimit": 4,
    "minSessionTimeout": 1000,
    "maxSessionTimeout": 60000,
    "maxClientCnxns": 0,
    "admin.enableServer": "false",
    "4lw.commands.whitelist": "*",
    "preAllocSize": 4096,
}
NEMESIS_FOLDER = "/data/nemesis"
FAKETIME_OFFSET = f"{NEMESIS_FOLDER}/clock"
FAKETIME_LIBRARY = f"{NEMESIS_FOLDER}/libfaketimeMT.so.1"
# With the monotonic fix at 1, or unset, the JVM spins at 200 % CPU.
FAKETIME: Mapping[str, str] = {
    "LD_PRELOAD": FAKETIME_LIBRARY,
    "FAKETIME_TIMESTAMP_FILE": FAKETIME_OFFSET,
    "FAKETIME_CACHE_DURATION": "1",
    "DONT_FAKE_MONOTONIC": "1",
    "FAKETIME_FORCE_MONOTONIC_FIX": "0",
}
# Environment variables that we may set in a server container. The image owns all others.
ENVIRONMENT = {"ZK_SERVER_HEAP", "SERVER_JVMFLAGS", "JMXDISABLE", *FAKETIME}
RECONFIG: Mapping[str, str | int] = {
    "reconfigEnabled": "true",
    "standaloneEnabled": "false",
    "skipACL": "yes",  # else /zookeeper/config cannot be written
}


@dataclass(frozen=True, slots=True, kw_only=True)
class QuorumConfig:
    """Settings of one quorum.

    Attributes:
        nodes: how many servers; ids are 1..nodes.
        zookeeper: a release that Debian ships (see image.RELEASES).
        image: any image that keeps the official one's contract; wins over `zookeeper`.
        heap_mb: heap of each server; 256 is enough for tests, a million items want 1536.
        zoo_cfg: settings that override or add to DEFAULTS.
        autocreate: whether a server without a database may start with an empty one and vote.
        port: first of `nodes` consecutive ports on 127.0.0.1; None lets the engine choose.
        data_mb: size of a disk in memory; None puts the data on the engine's own disk.
        faketime: whether servers run under libfaketime, so that their clocks can be moved.
        reconfig: whether members may be taken out and added while the ensemble runs.
    """

    nodes: int = 5
    zookeeper: str = "3.9.6"
    image: str | None = None
    heap_mb: int = 256
    zoo_cfg: Mapping[str, str | int] = field(default_factory=dict)
    autocreate: bool = True
    port: int | None = None
    data_mb: int | None = None
    faketime: bool = False
    reconfig: bool = False

    @property
    def place(self) -> tuple[int, int | None, int | None]:
        """Return the settings that are fixed in the sandboxes; others may change."""
        return self.nodes, self.port, self.data_mb

    @property
    def wanted_image(self) -> str:
        """Return what image.server is asked for."""
        return self.image or self.zookeeper


def zoo_cfg(config: QuorumConfig, addresses: Mapping[int, str]) -> str:
    """Return the text of zoo.cfg; the same for every member of the ensemble.

    Args:
        config: the quorum's settings.
        addresses: each member's address inside the quorum's network, by id.
    """
    settings = {**DEFAULTS, "dataDir": "/data"}
    settings |= RECONFIG if config.reconfig else {"clientPort": CLIENT_PORT}
    lines = [f"{key}={value}" for key, value in {**settings, **config.zoo_cfg}.items()]
    if config.reconfig:
        lines += [server_line(id, ip) for id, ip in sorted(addresses.items())]
    elif len(addresses) > 1:
        lines += [f"server.{id}={ip}:2888:3888" for id, ip in sorted(addresses.items())]
    return "\n".join(lines) + "\n"


def server_line(id: int, address: str) -> str:
    """Return a member in the form that reconfiguration wants: its client port is part of it."""
    return f"server.{id}={address}:2888:3888:participant;0.0.0.0:{CLIENT_PORT}"


def environment(config: QuorumConfig) -> dict[str, str]:
    """Return a server's environment, in the official image's variables."""
    flags = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    if not config.autocreate:
        flags.append("-Dzookeeper.db.autocreate=false")
    return {
        "ZK_SERVER_HEAP": str(config.heap_mb),
        "SERVER_JVMFLAGS": " ".join(flags),
        "JMXDISABLE": "true",
        **(FAKETIME if config.faketime else {}),
    }


def files(config: QuorumConfig, addresses: Mapping[int, str]) -> dict[str, str]:
    """Return the files of a server's container, by path.

    Without autocreate, the file `initialize` permits the first start without a database.
    Source: ZooKeeper Administrator's Guide, `zookeeper.db.autocreate`.
    """
    text = {"conf/zoo.cfg": zoo_cfg(config, addresses)}
    return text if config.autocreate else {**text, "data/initialize": ""}
