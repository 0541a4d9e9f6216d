"""The zoo.cfg, the environment and the files of a server."""

from collections.abc import Mapping

from cluster.software import quorum_keys
from harness.common.settings.quorum_config import NodeConfig, QuorumConfig, Role

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
    # No sync from the log on disk: it skips holes in that log (ZOOKEEPER-2846, docs/adr/0006).
    "snapshotSizeFactor": -1,
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
SHIM_STATE = "/nemesis"  # a volume of its own: a full or lost disk must not lose what is on it
SHIM_LIBRARY = f"{SHIM_STATE}/libdisk_shim.so"
SHIM: Mapping[str, str] = {
    "LD_PRELOAD": SHIM_LIBRARY,
    "DISK_SHIM_ROOT": "/data",
    "DISK_SHIM_STATE": SHIM_STATE,
}
AGENT_STATE = f"{SHIM_STATE}/failpoints"
AGENT = f"-javaagent:{AGENT_STATE}/failpoints.jar={AGENT_STATE}"
# Environment variables that we may set in a server container. The image owns all others.
ENVIRONMENT = {"ZK_SERVER_HEAP", "SERVER_JVMFLAGS", "JMXDISABLE", *FAKETIME, *SHIM}
RECONFIG: Mapping[str, str | int] = {
    "reconfigEnabled": "true",
    "standaloneEnabled": "false",
    "skipACL": "yes",  # else /zookeeper/config cannot be written
}
PLAIN = NodeConfig()


def zoo_cfg(config: QuorumConfig, addresses: Mapping[int, str], node: NodeConfig = PLAIN) -> str:
    """Return the text of a server's zoo.cfg.

    Args:
        config: the quorum's settings.
        addresses: each member's address inside the quorum's network, by id.
        node: what is special about this server.
    """
    settings = {**DEFAULTS, "dataDir": "/data"}
    settings |= RECONFIG if config.reconfig else {"clientPort": CLIENT_PORT}
    settings |= quorum_keys.zoo_cfg() if config.quorum_tls else {}
    settings = {**settings, **config.zoo_cfg, **node.zoo_cfg}
    lines = [f"{key}={value}" for key, value in settings.items()]
    if config.reconfig or len(addresses) > 1:
        lines += [
            server_line(id, ip, config.each[id].role, dynamic=config.reconfig)
            for id, ip in sorted(addresses.items())
        ]
    return "\n".join(lines) + "\n"


def server_line(id: int, address: str, role: Role, *, dynamic: bool = True) -> str:
    """Return a member's line of a configuration.

    In the `dynamic` form, that of reconfiguration, the client port is part of it.
    """
    line = f"server.{id}={address}:2888:3888:{role}"
    return f"{line};0.0.0.0:{CLIENT_PORT}" if dynamic else line


def environment(config: QuorumConfig, node: NodeConfig = PLAIN) -> dict[str, str]:
    """Return a server's environment, in the official image's variables."""
    flags = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    if not config.autocreate:
        flags.append("-Dzookeeper.db.autocreate=false")
    if config.failpoints:
        flags.append(AGENT)
    flags += [f"-D{name}={_text(value)}" for name, value in {**config.jvm, **node.jvm}.items()]
    preloaded = [FAKETIME] * config.faketime + [SHIM] * config.disk_shim
    return {
        "ZK_SERVER_HEAP": str(node.heap_mb or config.heap_mb),
        "SERVER_JVMFLAGS": " ".join(flags),
        "JMXDISABLE": "true",
        **{name: text for one in preloaded for name, text in one.items()},
        **({"LD_PRELOAD": ":".join(one["LD_PRELOAD"] for one in preloaded)} if preloaded else {}),
    }


def files(
    config: QuorumConfig, addresses: Mapping[int, str], node: NodeConfig = PLAIN
) -> dict[str, str]:
    """Return the files of a server's container, by path.

    Without autocreate, the file `initialize` permits the first start without a database.
    Source: ZooKeeper Administrator's Guide, `zookeeper.db.autocreate`.
    """
    text = {"conf/zoo.cfg": zoo_cfg(config, addresses, node)}
    return text if config.autocreate else {**text, "data/initialize": ""}


def _text(value: str | int | bool) -> str:  # noqa: FBT001 -- a value of a scenario
    """Return a system property as Java reads it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
