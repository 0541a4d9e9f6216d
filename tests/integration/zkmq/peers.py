# ruff: noqa: E402 - a script has to make its imports findable first
"""What single faults do to kazoo's queues, and to zkmq beside them, as a table for the docs.

python tests/integration/zkmq/peers.py [HOST:PORT]     without an address, a server is started
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.common.settings.quorum_config import QuorumConfig

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[3])]

from cluster import lending
from worlds.crash_points.adapters import CALLS
from worlds.crash_points.checks import Ended
from worlds.crash_points.client import short_pauses
from worlds.crash_points.course import CrashPoints, Trial
from worlds.crash_points.peers import FAULTS, Peers
from worlds.proxy.faults import Fault
from worlds.proxy.protocol import Request
from worlds.proxy.proxy import Plan

# zkmq's own calls as the peers' are taken: a client that has worked before.
BESIDE = {"put": "put-warm", "reserve": "reserve-warm", "done": "done"}
# Queue, call and request -> what each fault did.
Rows = dict[tuple[str, str, str], dict[Fault, str]]


def table(server: str) -> str:
    """Strike at all calls, and write the table."""
    rows: Rows = {}
    with Peers(server) as peers:
        for call in CALLS:
            for plan in peers.single_faults(call):
                peer = peers.strike(call, plan)
                name = (f"kazoo {call.peer}", call.name)
                _enter(rows, name, plan, peer.requests, peer.verdict.value)
    with short_pauses(), CrashPoints(server) as points:
        for called, row in BESIDE.items():
            plans = [plan for plan in points.single_faults(row) if {*plan.values()} <= {*FAULTS}]
            for trial in points.strike_all(row, plans):
                _enter(rows, ("zkmq", called), trial.plan, trial.requests, _verdict(trial))
    head = ["queue", "call", "request", *map(str, FAULTS)]
    lines = [head, ["---"] * len(head)]
    for call_and_request, cells in rows.items():
        found = [cells.get(fault, "") for fault in FAULTS]
        lines.append([*call_and_request, *found])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _enter(
    rows: Rows, call: tuple[str, str], plan: Plan, requests: list[Request], cell: str
) -> None:
    ((number, fault),) = plan.items()
    request = f"{number} {requests[number - 1].opcode.name.lower()}"
    rows.setdefault((*call, request), {})[fault] = cell if cell == "fine" else f"**{cell}**"


def _verdict(trial: Trial) -> str:
    if trial.violations:
        return trial.violations[0].reason.value
    if trial.outcome.ended is not Ended.UNKNOWN:
        return "fine"
    return "unknown" if None in (trial.outcome.settled or (None,)) else "fine"


@contextmanager
def _server(given: list[str]) -> Iterator[str]:
    """The server at the address, or one of our own."""
    if given:
        yield given[0]
        return
    with lending.started(QuorumConfig(nodes=1), by_hand=False, say=lambda _: None) as up:
        up.wait_ready(within_s=90)
        yield up.hosts


if __name__ == "__main__":
    with _server(sys.argv[1:]) as address:
        print(table(address))
