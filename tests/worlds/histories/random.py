"""Random runs of a correct queue: calls overlap, clocks tie, replies get lost, sessions end."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Any

from msgspec.structs import replace

from harness.history.columns import History
from worlds.histories.oracle import NEVER, Model, Op, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """What a random run may contain; probabilities are per step of a call, or per call.

    Attributes:
        take: consumers know only take; else reserve, done and release.
        unknown_put, unknown_reserve, unknown_end: chance that a call's outcome is unknown.
        failed: chance that a call certainly fails.
        crash: chance that a consumer's session ends instead of its next call.
        ended: chance that the session ends of a consumer whose call has an unknown outcome.
        recovered: chance that the recovery of an ended session is observed.
        zxids: whether calls and observed recoveries know their zxids.
    """

    take: bool = False
    priorities: int = 1
    producers: int = 2
    consumers: int = 2
    puts: int = 4
    calls: int = 11
    ticks: int = 14
    release: float = 0.0
    unknown_put: float = 0.0
    unknown_reserve: float = 0.0
    unknown_end: float = 0.0
    failed: float = 0.05
    crash: float = 0.0
    ended: float = 0.0
    recovered: float = 0.7
    zxids: bool = False


ZXID_STEP = 10  # apart, so that a mutation can move one into between two others


@dataclass(slots=True, kw_only=True)
class _Client:
    """One process: its outstanding call, what it holds, and how far its session's end has come."""

    process: int
    consumer: bool
    call: Op | None = None
    effect: Op | None = None
    applied: bool = False
    dropped: bool = False
    hand: list[int] = field(default_factory=list)
    crash_begin: int | None = None
    crashed: bool = False
    crash_zxid: int | None = None
    over: bool = False
    free_from: int = 0


class _Run:
    """A simulation in integer time: at each tick some clients invoke, take effect, or complete."""

    def __init__(self, rng: Random, mix: Mix) -> None:
        self.rng, self.mix = rng, mix
        self.model = Model()
        self.state = State()
        self.ops: list[Op] = []
        self.puts = self.started = 0
        self.zxid = 100
        count = mix.producers + mix.consumers
        self.clients = [_Client(process=p, consumer=p >= mix.producers) for p in range(count)]
        self.processes = count

    def run(self) -> list[Op]:
        for now in range(self.mix.ticks):
            for client in self.rng.sample(self.clients, len(self.clients)):
                self.step(client, now)
        for client in self.clients:
            self.abandon(client)
        return self.ops

    def step(self, client: _Client, now: int) -> None:
        rng = self.rng
        if client.over:
            return
        if client.crash_begin is not None and not client.crashed and rng.random() < 0.5:
            self.end_session(client)
        if client.call is None:
            if client.crash_begin is not None:
                self.finish_crash(client, now)
            elif client.free_from <= now and rng.random() < 0.7 and self.started < self.mix.calls:
                self.invoke(client, now)
        if client.call is not None and not client.applied and rng.random() < 0.6:
            self.apply(client)
        if client.call is not None and (client.applied or client.dropped) and rng.random() < 0.7:
            self.complete(client, now)

    def invoke(self, client: _Client, now: int) -> None:
        rng, mix = self.rng, self.mix
        if client.consumer and rng.random() < mix.crash:
            client.crash_begin = now
            return
        op = self.next_call(client, now)
        if op is None:
            return
        self.started += 1
        client.call, client.applied, client.effect = op, False, None
        client.dropped = rng.random() < mix.failed
        if client.consumer and rng.random() < mix.crash:
            client.crash_begin = now

    def next_call(self, client: _Client, now: int) -> Op | None:
        rng, mix, p = self.rng, self.mix, client.process
        if not client.consumer:
            if self.puts >= mix.puts:
                return None
            self.puts += 1
            priority = rng.randrange(mix.priorities)
            self.model.priorities[self.puts] = priority
            return Op(f="put", process=p, begin=now, end=now, value=self.puts, priority=priority)
        if client.hand and rng.random() < 0.75:
            f = "release" if rng.random() < mix.release else "done"
            return Op(f=f, process=p, begin=now, end=now, value=client.hand[0])
        return Op(f="take" if mix.take else "reserve", process=p, begin=now, end=now)

    def apply(self, client: _Client) -> None:
        """Let the call take effect, unless it fails for certain or its session has ended."""
        op = client.call
        assert op is not None
        if client.dropped or (client.crashed and op.f != "put"):
            client.dropped = True
            return
        asked = op if op.f not in ("reserve", "take") else self._asked(op)
        after = next(self.model.steps(self.state, asked), None)
        if after is None:
            client.dropped = True
            return
        self.state, client.applied, client.effect = after, True, asked
        if asked.value is not None or asked.f not in ("reserve", "take"):
            self.zxid += ZXID_STEP
        client.effect = replace(asked, zxid=self.zxid)
        self._hold(client, asked)

    def _asked(self, op: Op) -> Op:
        return replace(op, value=self.model.head(self.state))

    def _hold(self, client: _Client, op: Op) -> None:
        if op.f == "reserve" and op.value is not None:
            client.hand.append(op.value)
        elif op.f in ("done", "release") and op.value in client.hand:
            client.hand.remove(op.value)

    def end_session(self, client: _Client) -> None:
        crash = Op(f="crash", process=client.process, begin=0, end=0)
        self.state = next(self.model.steps(self.state, crash))
        self.zxid += ZXID_STEP
        client.crashed, client.crash_zxid = True, self.zxid

    def complete(self, client: _Client, now: int) -> None:
        rng, op, mix = self.rng, client.call, self.mix
        assert op is not None
        chance = {"put": mix.unknown_put, "reserve": mix.unknown_reserve}
        chance["take"] = mix.unknown_reserve
        if rng.random() < chance.get(op.f, mix.unknown_end):
            self.unknown(client, now)
            return
        if client.applied and client.effect is not None:
            zxid = client.effect.zxid if mix.zxids else None
            self.ops.append(replace(client.effect, end=now, zxid=zxid))
        else:
            self.ops.append(replace(op, end=now, outcome="fail"))
        client.call, client.free_from = None, now + 1

    def unknown(self, client: _Client, now: int) -> None:
        """Lose the reply: the call may still take effect, the process goes no further."""
        op = client.call
        assert op is not None
        value = None if op.f in ("reserve", "take") else op.value
        self.ops.append(replace(op, value=value, end=NEVER, outcome="info"))
        if not client.applied and not client.dropped and self.rng.random() < 0.5:
            self.apply(client)
        client.call = None
        if client.consumer and self.rng.random() < self.mix.ended:
            client.crash_begin = now if client.crash_begin is None else client.crash_begin
        elif client.crash_begin is None:
            self.replace(client)

    def finish_crash(self, client: _Client, now: int) -> None:
        if not client.crashed:
            return
        seen = self.rng.random() < self.mix.recovered
        self._crash_row(client, now if seen else NEVER)
        self.replace(client)

    def _crash_row(self, client: _Client, end: int) -> None:
        assert client.crash_begin is not None
        zxid = client.crash_zxid if self.mix.zxids and end < NEVER else None
        self.ops.append(
            Op(f="crash", process=client.process, begin=client.crash_begin, end=end, zxid=zxid)
        )

    def replace(self, client: _Client) -> None:
        client.over = True
        self.clients.append(_Client(process=self.processes, consumer=client.consumer))
        self.processes += 1

    def abandon(self, client: _Client) -> None:
        """Close what is open at the end of the run, as unknown."""
        if client.call is not None:
            op = client.call
            value = None if op.f in ("reserve", "take") else op.value
            self.ops.append(replace(op, value=value, end=NEVER, outcome="info"))
        if client.crash_begin is not None and not client.over:
            self._crash_row(client, NEVER)


def simulate(rng: Random, mix: Mix) -> list[Op]:
    """Return the calls of one run of a correct queue."""
    return _Run(rng, mix).run()


def sequential(ops: Sequence[Op]) -> bool:
    """Say whether each process does one thing strictly after the other.

    Nothing comes after a call of unknown outcome, which never ends.
    """
    by_process: dict[int, list[Op]] = {}
    for op in ops:
        if op.f != "crash":
            by_process.setdefault(op.process, []).append(op)
    for calls in by_process.values():
        for one, other in pairwise(sorted(calls, key=_at)):
            if one.end >= other.begin:
                return False
    return all(op.begin <= op.end for op in ops)


def _at(op: Op) -> tuple[int, int]:
    return (op.begin, op.end)


def as_events(ops: Sequence[Op]) -> list[dict[str, Any]]:
    """Return the events a harness would have recorded of these calls."""
    lines: list[tuple[int, int, dict[str, Any]]] = []
    for op in sorted(ops, key=_at):
        lines += _crash_lines(op) if op.f == "crash" else _call_lines(op)
    # Of equal times only a process's own order matters, and its calls were sorted above.
    return [event for _, _, event in sorted(lines, key=lambda line: line[:2])]


def _call_lines(op: Op) -> list[tuple[int, int, dict[str, Any]]]:
    who = "producer" if op.f == "put" else "consumer"
    base: dict[str, Any] = {"process": op.process, "f": op.f, who: f"{who[0]}{op.process}"}
    if op.f == "put":
        base["priority"] = op.priority
    asked = None if op.f in ("reserve", "take") else op.value
    lines = [(op.begin, 0, base | {"time_ns": op.begin, "type": "invoke", "value": asked})]
    if op.end < NEVER:
        answer = base | {"time_ns": op.end, "type": op.outcome, "value": op.value}
        empty = op.f in ("reserve", "take") and op.value is None
        if op.zxid is not None:
            answer["read_zxid" if empty else "zxid"] = op.zxid
        lines.append((op.end, 0, answer))
    return lines


def _crash_lines(op: Op) -> list[tuple[int, int, dict[str, Any]]]:
    consumer = f"c{op.process}"
    end = {"consumer": consumer, "alive_until_ns": op.begin, "why": "killed", "zxid": op.zxid}
    lines = [(op.begin, 1, _note("session-end", op.begin, end))]
    if op.end < NEVER:
        back = {"consumer": consumer, "values": [], "to": "items", "zxid": op.zxid}
        lines.append((op.end, 1, _note("returned", op.end, back)))
    return lines


def _note(f: str, at: int, value: dict[str, Any]) -> dict[str, Any]:
    return {"time_ns": at, "process": "harness", "type": "info", "f": f, "value": value}


def as_history(ops: Sequence[Op]) -> History:
    """Return the history of these calls, as the harness would read it."""
    return History.from_events(as_events(ops))
