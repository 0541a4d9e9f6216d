"""kazoo's own queues under the same single faults, behind one small adapter.

They have no deadlines and no way to ask for an outcome, so what their callers can know is less:
`unknown` means that the call raised, and nobody can tell whether it took effect.
"""

import itertools
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import Any, Self

from kazoo.client import KazooClient
from kazoo.protocol.states import Callback
from kazoo.retry import KazooRetry

from worlds.crash_points.adapters import NEW, Adapter, Call, KazooLockingQueue
from worlds.crash_points.client import PAUSE_S, SESSION_TIMEOUT_S
from worlds.proxy.faults import HOLDS, PASSES_DEADLINE, Fault
from worlds.proxy.protocol import WRITES, Request
from worlds.proxy.proxy import Plan, Proxy

A, B, LAST = b"a", b"b", b"zz-last"
# A call that has not ended by then hangs: on a busy machine a new connection takes seconds.
ENDS_WITHIN_S = 30.0
WAIT_S = 1.5
FAULTS = [fault for fault in Fault if fault not in PASSES_DEADLINE | HOLDS]


class Verdict(Enum):
    """What a crash point did to a peer, the worst first."""

    LOST = "lost"
    TWICE = "twice"
    WEDGED = "wedged"
    HANGS = "hangs"
    UNKNOWN = "unknown"
    FINE = "fine"


@dataclass(slots=True)
class Told:
    """What the caller was told: a result, an error, or nothing at all."""

    result: Any = None
    error: BaseException | None = None
    ended: bool = False


@dataclass(slots=True)
class PeerTrial:
    """One crash point of a peer."""

    plan: Plan
    told: Told
    requests: list[Request]
    verdict: Verdict
    seen: Mapping[bytes, int] = field(default_factory=dict)


class Peers:
    """Strikes at the calls of kazoo's queues on one server."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._numbers = itertools.count(1)
        self._prefix = f"/peers-{os.getpid()}-{time.monotonic_ns()}"
        self._client = _client(server)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _end(self._client)

    def single_faults(self, call: Call) -> Iterator[Plan]:
        """Every fault at every request of a call; kills as for zkmq."""
        for number, request in enumerate(self.strike(call, {}).requests, 1):
            for fault in FAULTS:
                if fault is Fault.KILL_BEFORE and number > 1:
                    continue
                if fault is Fault.KILL_AFTER and request.opcode not in WRITES:
                    continue
                yield {number: fault}

    def strike(self, call: Call, plan: Plan) -> PeerTrial:
        """Run one call under one plan."""
        path = f"{self._prefix}/{next(self._numbers)}"
        with Proxy(self._server) as proxy:
            other = call.adapter(self._client, path)
            for payload in (A, B):
                other.put(payload)
            client = _client(proxy.address)
            try:
                return self._strike(call, plan, proxy=proxy, other=other, client=client, path=path)
            finally:
                _end(client)

    def waits_through_a_cut(self) -> bool:
        """Whether a LockingQueue that waits for an item gets one put after its connection broke."""
        path = f"{self._prefix}/{next(self._numbers)}"
        with Proxy(self._server) as proxy:
            client = _client(proxy.address)
            mine, other = (KazooLockingQueue(each, path) for each in (client, self._client))
            mine.ready()
            mine.look_s = WAIT_S
            proxy.arm({})
            got: list[bytes | None] = []
            thread = threading.Thread(target=lambda: got.append(mine.get()))
            thread.start()
            proxy.await_answers(2)
            proxy.cut()
            proxy.await_connections(2)
            other.put(NEW)
            thread.join()
            _end(client)
        return got == [NEW]

    def _strike(
        self,
        call: Call,
        plan: Plan,
        *,
        proxy: Proxy,
        other: Adapter,
        client: KazooClient,
        path: str,
    ) -> PeerTrial:
        mine = call.adapter(client, path)
        held = call.ready(mine)
        dead = threading.Event()
        seen: Counter[bytes] = Counter()

        def kill() -> None:
            proxy.refusing = True  # the process never comes back
            dead.set()

        proxy.kill = kill
        proxy.meanwhile = lambda: _drain(other, seen, most=1)
        proxy.arm(plan)
        told = _told(call, mine, dead)
        if not dead.is_set():
            proxy.heal()
            _settle(client)
        other.put(LAST)
        _drain(other, seen)
        taken = held if call.name == "consume" else told.result if call.name == "get" else None
        if not dead.is_set() and told.ended:
            _finish(call, mine, taken, told, seen)
        before_end = Counter(seen)
        requests = [each.request for each in proxy.journal if each.number]
        _end(client)
        proxy.expire_all()
        _drain(other, seen)
        verdict = _judge(call, told, taken, before_end, seen, killed=dead.is_set())
        return PeerTrial(plan, told, requests, verdict, seen)


def _client(hosts: str) -> KazooClient:
    client = KazooClient(
        hosts=hosts,
        timeout=SESSION_TIMEOUT_S,
        connection_retry=KazooRetry(max_tries=-1, delay=PAUSE_S, max_delay=0.02),
        logger=logging.getLogger("zkmq.kazoo"),
    )
    client.start()
    return client


def _end(client: KazooClient) -> None:
    client.stop()
    client.close()


def _told(call: Call, mine: Adapter, dead: threading.Event) -> Told:
    """Make the call on a thread: some never end."""
    told = Told()

    def run() -> None:
        try:
            told.result = call.call(mine)
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller is told so
            told.error = error
        told.ended = True

    thread = threading.Thread(target=run, name="peer", daemon=True)
    thread.start()
    until_s = time.monotonic() + ENDS_WITHIN_S
    while thread.is_alive() and not dead.is_set() and time.monotonic() < until_s:
        thread.join(0.01)
    return told


def _settle(client: KazooClient) -> None:
    """Let the client's callbacks end that have begun, before others look.

    A watch that the failed call has left behind may still lock an item, in the next session too.
    """
    settled = threading.Event()
    client.handler.dispatch_callback(Callback("watch", settled.set, ()))
    settled.wait(ENDS_WITHIN_S)


def _drain(other: Adapter, seen: Counter[bytes], most: int = 100) -> None:
    for _ in range(most):
        if isinstance(other, KazooLockingQueue) and not other.available():
            return
        payload = other.get()
        if payload is None and isinstance(other, KazooLockingQueue):
            continue  # a busy machine let its time pass; what is there is looked for again
        if payload is None:
            return
        if other.done():
            seen[payload] += 1


def _finish(
    call: Call, mine: Adapter, taken: bytes | None, told: Told, seen: Counter[bytes]
) -> None:
    """Let the client acknowledge what it was told it has."""
    if call.name == "consume":
        seen.update([taken] if told.result and taken else [])
    elif call.name == "get" and taken is not None:
        try:
            seen.update([taken] if mine.done() else [])
        except Exception:  # noqa: BLE001 - it is not told that this is done
            return


def _judge(
    call: Call,
    told: Told,
    taken: bytes | None,
    before_end: Counter[bytes],
    seen: Counter[bytes],
    *,
    killed: bool,
) -> Verdict:
    """Compare what the caller was told with what everybody got."""
    raised = told.error is not None or killed
    expected = {A, B, LAST}
    if call.name.startswith("put"):
        expected |= set() if raised else {NEW}
    if call.name == "consume" and raised:
        expected -= {taken or b""}  # processed; only its acknowledgement is in doubt
    if any(seen[payload] == 0 for payload in expected):
        return Verdict.LOST
    if any(count > 1 for count in seen.values()):
        return Verdict.TWICE
    if not killed and not told.ended:
        return Verdict.HANGS
    if not killed and any(before_end[payload] == 0 for payload in expected):
        return Verdict.WEDGED
    return Verdict.UNKNOWN if told.error is not None and not killed else Verdict.FINE
