"""Time from nothing to a ready quorum, against the same five servers as plain JVM processes.

Both are measured in turn in one run, on the same image's JRE and jars, with the same settings:

    quorum     five pods: networks, sandboxes, servers, until every node serves and one leads
    processes  five `java` processes in one container that is there already, on loopback, as
               Debian's package starts them: without the classes that our image keeps parsed
    sharing    the same processes with these classes

    make bench NAME=quorum [ARGS="--rounds 5"]
"""

import argparse
import socket
import statistics
import sys
import time

import docker
from rich.console import Console
from rows import write_row

from cluster import quorum, starting
from cluster.config import environment, zoo_cfg
from cluster.engine import engine, labels
from cluster.pods import probe
from cluster.software import image
from harness.common.settings.quorum_config import QuorumConfig

MOST_RATIO = 2.5
READY_WITHIN_S = 60.0
NODES = range(1, 6)
NO_CLASSES = "-XX:SharedArchiveFile=/none"


def main() -> int:
    """Measure, print, write the row `quorum-ready`; status 1 if the ratio is above the goal."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, help="paired rounds (default 5)")
    rounds = parser.parse_args().rounds
    console = Console(highlight=False)
    client, config = engine.ensure(), QuorumConfig()
    starting.up(config, say=console.print).down()  # builds the images, warms the page cache
    pairs, sharing = [], []
    for number in range(rounds):
        parts = time_quorum(config)
        plain_s = time_processes(client, config, NO_CLASSES)
        shared_s = time_processes(client, config, "")
        pairs.append((parts, plain_s))
        sharing.append(shared_s)
        told = ", ".join(f"{name} {seconds:.2f}" for name, seconds in parts.items())
        console.print(
            f"round {number + 1}: quorum {sum(parts.values()):.2f} s ({told}); "
            f"processes {plain_s:.2f} s, sharing {shared_s:.2f} s"
        )
    ours = [sum(parts.values()) for parts, _ in pairs]
    ratios = sorted(q / plain for q, (_, plain) in zip(ours, pairs, strict=True))
    row = {
        "name": "quorum-ready",
        "ours": round(statistics.median(ours), 2),
        "peer": round(statistics.median(plain for _, plain in pairs), 2),
        "peer_name": "five JVM processes",
        "peer_sharing_classes": round(statistics.median(sharing), 2),
        "unit": "s",
        "ratio": round(statistics.median(ratios), 2),
        "spread": [round(ratios[0], 2), round(ratios[-1], 2)],
        "parts_s": {
            name: round(statistics.median(parts[name] for parts, _ in pairs), 2)
            for name in pairs[0][0]
        },
    }
    write_row(row)
    console.print(
        f"median ratio {row['ratio']} (goal: at most {MOST_RATIO}), parts {row['parts_s']}"
    )
    return int(row["ratio"] > MOST_RATIO)


def time_quorum(config: QuorumConfig) -> dict[str, float]:
    """Return the seconds of each part of one start, which add up to all of it."""
    began = time.monotonic()
    started = starting.up(config)
    try:
        up_s = time.monotonic() - began
        ready_s = started.wait_ready(within_s=READY_WITHIN_S)
        known = {name: started.timings_s[name] for name in ("sandboxes", "servers")}
        return {"engine": up_s - sum(known.values()), **known, "ready": ready_s}
    finally:
        started.down()


def time_processes(client: docker.DockerClient, config: QuorumConfig, flags: str) -> float:
    """Return the seconds from the start of five JVMs, with these flags, until all serve."""
    run = f"bench-{time.monotonic_ns()}"
    servers = image.server(client, config, print)
    container = client.containers.run(
        servers.id,
        ["infinity"],
        entrypoint="sleep",
        detach=True,
        init=False,
        network_mode="host",
        environment=environment(config) | {"JVMFLAGS": flags},
        labels=labels.of_run(run, labels.Owner.me(), by_hand=False),
    )
    try:
        ports = free_ports(3 * len(NODES))
        script = "\n".join(start_script(config, id, ports) for id in NODES)
        began = time.monotonic()
        container.exec_run(["sh", "-c", script], detach=True)
        wait_until_ready([("127.0.0.1", ports[3 * (id - 1)]) for id in NODES])
        return time.monotonic() - began
    finally:
        container.remove(force=True, v=True)


def start_script(config: QuorumConfig, id: int, ports: list[int]) -> str:
    """Return the shell lines that configure and start one server in the background."""
    servers = "\n".join(
        f"server.{n}=127.0.0.1:{ports[3 * n - 2]}:{ports[3 * n - 1]}" for n in NODES
    )
    folder = f"/logs/node-{id}"
    text = zoo_cfg(config, {}).replace("dataDir=/data", f"dataDir={folder}")
    text = text.replace("clientPort=2181", f"clientPort={ports[3 * (id - 1)]}") + servers
    return (
        f"mkdir -p {folder}; echo {id} > {folder}/myid\n"
        f"cat > {folder}/zoo.cfg <<'EOF'\n{text}\nEOF\n"
        f"/debian/server.sh {folder}/zoo.cfg > {folder}/log 2>&1 &"
    )


def free_ports(count: int) -> list[int]:
    """Return ports on loopback that nobody listens on at this moment."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


def wait_until_ready(addresses: list[tuple[str, int]]) -> None:
    """Poll as the quorum does, until all serve and one leads."""
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        seen = [probe.look(id, address) for id, address in enumerate(addresses, 1)]
        if all(s.serving for s in seen) and sum(s.mode == "leader" for s in seen) == 1:
            return
        time.sleep(quorum.POLL_S)
    sys.exit(f"plain processes: expected a quorum within {READY_WITHIN_S} s, got {seen}")


if __name__ == "__main__":
    sys.exit(main())
