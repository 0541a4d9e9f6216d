"""Links between nodes that are late: packets wait in a program in the sandbox of their sender.

Rules in the table `mangle` lead what a node sends to its peers into a queue (NFQUEUE). There the
program lets each packet go when its time has come. Clients have other addresses, so their path
stays fast unless `clients` is given. If the program is gone, the rules let all packets pass, and
count them all the same. So its file tells whether it runs: it goes with it.
"""

import re
import secrets
from collections.abc import Collection, Mapping, Sequence

from cluster.cluster_errors import ClusterError
from cluster.config import CLIENT_PORT
from cluster.engine.each import each
from cluster.pods.sandbox import LATE_OFF, LATE_RUNS, Sandbox
from harness.common.harness_errors import UnsupportedError
from harness.common.polling import wait_until
from harness.target import Evidence, RoundTrips
from harness.target.disturbances import Lateness

QUEUES = 60_000  # each program draws its own: an earlier program may still run
ROUNDS = 3
RULES_GO_WITHIN_S = 5.0
POLL_S = 0.2
SPARE_MS = 1000  # how much longer than its link's delay an answer may take
_LOG = "/run/nemesis/late.log"
_ALL = "0.0.0.0"  # noqa: S104 -- to the program it means: any address
_COUNTED = re.compile(
    r"^\[(\d+):\d+\] -A nemesis (?:-d ([\d.]+)/32 )?.*-j (NFQUEUE|TEE)", re.MULTILINE
)
# What the program writes: an address, how many packets have waited, how many overtook one.
_TOLD = re.compile(r"^([\d.]+) +(\d+) +(\d+)$", re.MULTILINE)
_QUEUE = re.compile(r"-j NFQUEUE --queue-num (\d+)")
_COUNTS = (
    f"iptables-save -c -t mangle; cat {LATE_RUNS}[0-9]* 2>/dev/null; "
    f"for f in {LATE_RUNS}*; do echo runs ${{f##*/}}; done; tail -n 1 {_LOG} 2>/dev/null; echo all"
)


def put(
    sandboxes: Mapping[int, Sandbox],
    links: Mapping[int, Mapping[int, Lateness]],
    clients: Lateness | None = None,
) -> None:
    """Delay what these nodes send to these peers; this replaces the delays that they had.

    Raises:
        UnsupportedError: the kernel of a node cannot queue packets for a program, or send them
            twice. Then no delay is in force on any of these nodes.
    """
    addresses = {id: sandbox.ip for id, sandbox in sandboxes.items()}

    def put_one(id: int) -> None:
        sandbox = sandboxes[id]
        to = {addresses[peer]: lateness for peer, lateness in links[id].items()}
        script = (
            f"{sandbox.lease.take()} && {script_of(to, clients, 1 + secrets.randbelow(QUEUES))}"
        )
        try:
            sandbox.repeat(["sh", "-c", script])
        except ClusterError as error:
            if refused := re.search(
                r".*(?:revision 0 not supported|No such file|late-links:).*", str(error)
            ):
                raise UnsupportedError(
                    f"node {id}: this kernel does not support it: {refused[0]}"
                ) from error
            raise

    try:
        each(sorted(links), put_one)
    except (ClusterError, UnsupportedError):
        take_off([sandboxes[id] for id in links])
        raise


def take_off(sandboxes: Collection[Sandbox]) -> None:
    """End all delays of these nodes."""
    each(list(sandboxes), lambda sandbox: sandbox.repeat(["sh", "-c", f"{LATE_OFF}; true"]))


def counted(sandboxes: Mapping[int, Sandbox], nodes: Collection[int]) -> dict[int, Evidence]:
    """Return packets of these nodes that were late, sent twice, waited, and overtook, by peer.

    The rules count the first two, the program the others. A node without rules is left out.

    Raises:
        ClusterError: a program has ended, or a lease was not renewed, so that rules may have.
    """
    peers = {sandbox.ip: str(id) for id, sandbox in sandboxes.items()}
    peers |= dict.fromkeys(("", _ALL), "clients")

    def count(id: int) -> Evidence | None:
        sandboxes[id].lease.check()
        # The end of a lease takes the program's file away a moment before the rules.
        told = wait_until(
            lambda: sandboxes[id].ask(["sh", "-c", _COUNTS], "rules"),
            _has_its_program,
            within_s=RULES_GO_WITHIN_S,
            every_s=POLL_S,
            late=lambda told: ClusterError(
                f"node {id}: late links: expected the program of their queue to run, got: "
                + "; ".join(told.partition("COMMIT\n")[2].splitlines()[:-1])
            ),
        )
        return counts_of(told, peers)

    seen = each(sorted(nodes), count)
    return {id: told for id, told in zip(sorted(nodes), seen, strict=True) if told is not None}


def counts_of(told: str, peers: Mapping[str, str]) -> Evidence | None:
    """Read the counts from what _COUNTS prints; None if there is no rule of ours."""
    late: dict[str, int] = {}
    twice: dict[str, int] = {}
    for packets, address, target in _COUNTED.findall(told):
        (late if target == "NFQUEUE" else twice)[peers[address]] = int(packets)
    program = _TOLD.findall(told)
    waited = {peers[address]: int(packets) for address, packets, _ in program}
    overtook = {peers[address]: int(packets) for address, _, packets in program}
    return {"late": late, "twice": twice, "waited": waited, "overtook": overtook} if late else None


def _has_its_program(told: str) -> bool:
    """Tell whether the program runs to which the rules lead packets; so it is without rules."""
    queue = _QUEUE.search(told)
    return queue is None or f"runs late.{queue[1]}" in told.splitlines()


def round_trips(
    sandboxes: Mapping[int, Sandbox], links: Mapping[int, Collection[int]], within_ms: int
) -> RoundTrips:
    """Measure each link ROUNDS times, by connections that the peer's kernel refuses."""
    addresses = {id: sandbox.ip for id, sandbox in sandboxes.items()}
    peers = {address: str(id) for id, address in addresses.items()}

    def measure(id: int) -> dict[str, list[float | None]]:
        wanted = [addresses[peer] for peer in sorted(links[id])]
        command = ["link-rtt", str(ROUNDS), str(within_ms + SPARE_MS), *wanted]
        lines = sandboxes[id].ask(command, "round trips").splitlines()
        return {peers[words[0]]: _times(words[1:]) for words in map(str.split, lines)}

    nodes = sorted(links)
    return {str(id): told for id, told in zip(nodes, each(nodes, measure), strict=True)}


def supported(sandbox: Sandbox) -> bool:
    """Try a queue without a program on a sandbox, for packets that no server sends."""
    rule = "OUTPUT -p udp --dport 9 -j NFQUEUE --queue-num 1 --queue-bypass"
    script = f"iptables -A {rule} 2>&1 && iptables -D {rule} && echo can || echo cannot"
    return sandbox.ask(["sh", "-c", script], "iptables").endswith("can")


def script_of(to: Mapping[str, Lateness], clients: Lateness | None, queue: int) -> str:
    """Return the shell script that takes a node to what is wanted, whatever was late before."""
    queued = f"-j NFQUEUE --queue-num {queue} --queue-bypass"
    rules, wanted = [], list(to.items())
    for address, lateness in wanted:
        chance = f"-m statistic --mode random --probability {lateness.duplicate_percent / 100:g}"
        if lateness.duplicate_percent:
            rules.append(f"-A nemesis -d {address}/32 {chance} -j TEE --gateway {address}")
        rules.append(f"-A nemesis -d {address}/32 {queued}")
    if clients is not None:
        rules.append(f"-A nemesis -p tcp -m tcp --sport {CLIENT_PORT} {queued}")
        wanted.append((_ALL, clients))
    runs = f"{LATE_RUNS}{queue}"
    program = " ".join(["late-links", str(queue), runs, *(_words(*each) for each in wanted)])
    table = "\\n".join(
        ["*mangle", ":nemesis - [0:0]", *rules, "-A OUTPUT -j nemesis", "COMMIT", ""]
    )
    # The program tells when the queue is its own, and ends when its file is gone.
    started = f"touch {runs} && (({program}; rm -f {runs}) > {_LOG} 2>&1 &) && {_BOUND}"
    return f"{LATE_OFF}; {started} && printf '{table}' | iptables-restore --noflush"


_BOUND = (
    f"for _ in $(seq 50); do grep -q . {_LOG} 2>/dev/null && break; sleep 0.1; done; "
    f"grep -q bound {_LOG} || {{ cat {_LOG}; exit 1; }}"
)


def _words(address: str, lateness: Lateness) -> str:
    times = f"{lateness.delay_ms * 1000} {lateness.jitter_ms * 1000}"
    return f"{address} {times} {lateness.reorder_percent}"


def _times(words: Sequence[str]) -> list[float | None]:
    return [None if word == "-" else float(word) for word in words]
