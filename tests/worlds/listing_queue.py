"""Random runs of a correct queue that lists, then claims: what zkmq does, in a few hundred lines.

It has what makes correct runs look wrong: clocks that hardly move, so that calls of one process
and of others begin and end in the same nanosecond; replies that are lost; consumers that die, whose
sessions end, or who give an item back and get it again; zxids that all, none or half of the answers
tell. Nothing here knows how a checker works.
"""

from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

from harness.history import History

Zxids = Literal["on", "off", "half"]
Name = tuple[int, int]  # value, and how often it came back: each return has a new name
CALLS = 40
STRIDE = 1000
NODES = (1, 2, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """What a run contains; probabilities are per call, or per step of the simulation.

    Attributes:
        sync: whether a listing is of the newest state; else it may be of any that the session
            has not gone behind.
        zxids: which answers and notes tell their zxid.
        tick: chance that the clock moves between two steps.
        unknown: chance that the reply of a call is lost.
        ends: chance that a session ends, or its client dies, instead of its next call.
        noted: chance that the client that gives items back for a dead one says so.
    """

    sync: bool
    zxids: Zxids
    producers: int
    consumers: int
    priorities: int
    tick: float
    unknown: float
    ends: float
    release: float
    noted: float

    @classmethod
    def drawn(cls, rng: Random, *, sync: bool, zxids: Zxids) -> "Mix":
        """Draw all that is not given: from quiet runs to rough ones."""
        return cls(
            sync=sync,
            zxids=zxids,
            producers=rng.choice((1, 2, 3)),
            consumers=rng.choice((1, 2, 3)),
            priorities=rng.choice((1, 2)),
            tick=rng.choice((0.02, 0.25, 0.9)),
            unknown=rng.choice((0.0, 0.04, 0.15)),
            ends=rng.choice((0.0, 0.04, 0.15)),
            release=rng.choice((0.0, 0.3, 0.6)),
            noted=rng.choice((0.5, 1.0)),
        )


@dataclass(slots=True, kw_only=True)
class _Session:
    """One registration: what the servers know of it, and what its client does.

    `hand` is what it holds there, `mine` what its client was given and has not ended, `seen` the
    newest state that it knows.
    """

    id: str
    consumer: str
    hand: set[int] = field(default_factory=set)
    mine: set[int] = field(default_factory=set)
    seen: int = 0
    last: int | None = None

    @property
    def gone(self) -> bool:
        """Tell whether the servers have ended it; `last` is the state before that."""
        return self.last is not None


@dataclass(slots=True, kw_only=True)
class _Client:
    """One client: its process, its session, and the call it is in."""

    number: int
    consumes: bool
    process: int
    session: _Session
    call: Iterator[None] | None = None
    invoke_ns: int = 0
    alive_ns: int = 0
    known: bool = False


class _Run:
    """The servers, the clients and the clock; each step does one thing of one client."""

    def __init__(self, rng: Random, mix: Mix) -> None:
        self.rng, self.mix = rng, mix
        self.now_ns = self.calls = self.puts = self.names = 0
        self.zxid = 100
        self.items: dict[int, int] = {}  # priority by value, in the order of the puts
        self.holder: dict[int, _Session] = {}
        self.returns: Counter[int] = Counter()
        self.deliveries: dict[int, int] = {}
        self.states: list[tuple[int, tuple[Name, ...]]] = [(self.zxid, ())]
        self.sessions: list[_Session] = []
        self.ended: dict[str, int] = {}
        self.lines: list[tuple[int, str, int, dict[str, Any]]] = []
        kinds = [False] * mix.producers + [True] * mix.consumers
        self.clients = [
            self.client(number, consumes=consumes) for number, consumes in enumerate(kinds)
        ]

    # What is recorded

    def write(self, file: str, event: dict[str, Any]) -> None:
        """Append a line to one file, as the worker does whose file it is."""
        event["time_ns"] = self.now_ns
        self.lines.append((self.now_ns, file, len(self.lines), event))

    def note(self, file: str, f: str, *, process: int | str = "harness", **value: Any) -> None:
        """Append a note."""
        self.write(file, {"process": process, "type": "info", "f": f, "value": value})

    def told(self, zxid: int) -> int | None:
        """Return the zxid if this run tells it."""
        chance = {"on": 1.0, "off": 0.0, "half": 0.5}[self.mix.zxids]
        return zxid if self.rng.random() < chance else None

    def history(self) -> History:
        """Merge the files: by time, then by file, as `record.merge` does."""
        return History.from_events([event for *_, event in sorted(self.lines, key=_merged)])

    # The servers

    def commit(self) -> int:
        """Give the next zxid, and remember the state that it left."""
        self.zxid += 1
        lane = sorted(self.items, key=self.items.__getitem__)  # of one priority, as they were put
        waiting = tuple((v, self.returns[v]) for v in lane if v not in self.holder)
        self.states.append((self.zxid, waiting))
        return self.zxid

    def claim(self, session: _Session, values: list[int]) -> int:
        for value in values:
            self.holder[value] = session
            self.deliveries[value] = self.deliveries.get(value, 0) + 1
        session.hand.update(values)
        return self.commit()

    def drop(self, session: _Session, values: list[int], *, finish: bool) -> int:
        for value in values:
            del self.holder[value]
            self.returns[value] += 1
            if finish:
                del self.items[value]
        session.hand.difference_update(values)
        return self.commit()

    def end(self, session: _Session) -> None:
        """End a session; what it held comes back later."""
        if not session.gone:
            session.last = len(self.states) - 1
            self.ended[session.id] = self.commit()

    def give_back(self, session: _Session) -> None:
        """Do what the reaper does for a dead consumer, and what its client notes of it."""
        values = sorted(session.hand)
        zxid = self.drop(session, values, finish=False)
        if self.rng.random() < self.mix.noted:
            self.note(
                f"worker-{self.rng.randrange(self.mix.consumers)}",
                "returned",
                consumer=session.consumer,
                values=values,
                to="items",
                zxid=self.told(zxid),
            )

    # The clients

    def client(self, number: int, process: int | None = None, *, consumes: bool) -> _Client:
        place = number if process is None else process
        return _Client(number=number, consumes=consumes, process=place, session=self.register())

    def register(self) -> _Session:
        self.names += 1
        session = _Session(
            id=f"0x{self.names:x}", consumer=f"c{self.names}", seen=len(self.states) - 1
        )
        self.sessions.append(session)
        return session

    def event(self, client: _Client, type_: str, f: str, **fields: Any) -> None:
        if type_ == "invoke":
            client.invoke_ns = self.now_ns
        who = {"session": client.session.id}
        who["producer" if f == "put" else "consumer"] = client.session.consumer
        event = {"process": client.process, "type": type_, "f": f, **fields}
        self.write(f"worker-{client.number}", event | ({} if type_ == "invoke" else who))

    def put(self, client: _Client) -> Iterator[None]:
        self.puts += 1
        value, priority = self.puts, self.rng.randrange(self.mix.priorities)
        asked = {"value": value, "priority": priority}
        self.event(client, "invoke", "put", **asked)
        yield
        lost = self.rng.random() < self.mix.unknown
        if lost and self.rng.random() < 0.5:
            self.doubt(client, "put", asked)
            return
        self.items[value] = priority
        zxid = self.commit()
        yield
        if lost:
            self.doubt(client, "put", asked)
        else:
            self.answer(client, "put", asked | {"zxid": self.told(zxid)})

    def reserve(self, client: _Client, batch: int) -> Iterator[None]:
        asked: dict[str, Any] = {"value": None} | ({"n": batch} if batch > 1 else {})
        self.event(client, "invoke", "reserve", **asked)
        if client.session.gone and not client.session.mine:
            client.session = self.register()  # it held nothing: a new registration does as well
        yield
        lost = self.rng.random() < self.mix.unknown
        if lost and self.rng.random() < 0.4:
            self.doubt(client, "reserve", asked)
            return
        while True:
            read_zxid, listed = self.listing(client.session)
            if read_zxid is None:
                self.refused(client, "reserve", asked)
                return
            yield
            if not listed:
                taken = []
                answer = {"read_zxid": self.told(read_zxid)}
                break
            taken = yield from self.first_free(client.session, listed, batch)
            if client.session.gone:
                self.refused(client, "reserve", asked)
                return
            if taken:
                zxid = self.claim(client.session, taken)
                answer = {"zxid": self.told(zxid)} | _batch(
                    taken, [self.deliveries[value] for value in taken]
                )
                yield
                break
        if lost:
            self.doubt(client, "reserve", asked)
        else:
            client.session.mine.update(taken)
            self.answer(client, "reserve", asked | answer)

    def listing(self, session: _Session) -> tuple[int | None, tuple[Name, ...]]:
        """Read a state no older than the session has seen; with sync the newest.

        None if the session is gone: a server that lags may not know it yet.
        """
        newest = len(self.states) - 1
        seen = newest if self.mix.sync else self.rng.randint(session.seen, newest)
        if session.last is not None and seen > session.last:
            return None, ()
        session.seen = seen
        return self.states[seen]

    def first_free(
        self, session: _Session, listed: tuple[Name, ...], batch: int
    ) -> Generator[None, None, list[int]]:
        """Try one after the other, as long as the session lives; a claim is one step."""
        for place in range(len(listed)):
            if session.gone:
                return []
            _, waiting = self.states[-1]
            free = [name for name in listed[place:] if name in waiting]
            if listed[place] in free:
                return [value for value, _ in free[:batch]]
            session.seen = len(self.states) - 1  # it was told that the item is gone
            yield
        return []

    def finish(self, client: _Client, f: str, values: list[int]) -> Iterator[None]:
        asked = _batch(values)
        self.event(client, "invoke", f, **asked)
        yield
        lost = self.rng.random() < self.mix.unknown
        if lost and self.rng.random() < 0.5:
            self.doubt(client, f, asked)
            return
        if client.session.gone:
            if not lost:
                self.refused(client, f, asked)
                return
            self.doubt(client, f, asked)
            return
        zxid = self.drop(client.session, values, finish=f == "done")
        yield
        if lost:
            self.doubt(client, f, asked)
        else:
            client.session.mine.difference_update(values)
            self.answer(client, f, asked | {"zxid": self.told(zxid)})

    def answer(self, client: _Client, f: str, fields: dict[str, Any]) -> None:
        if fields["value"] is not None:
            client.alive_ns, client.known = client.invoke_ns, True
        client.session.seen = len(self.states) - 1
        self.event(client, "ok", f, **fields)

    def refused(self, client: _Client, f: str, fields: dict[str, Any]) -> None:
        """The registration is gone: a certain failure, and the end of this process."""
        self.lost(client)
        self.event(client, "fail", f, **fields)
        self.close(client, "expired")

    def lost(self, client: _Client) -> None:
        """Note what the client held in a session that is gone."""
        session = client.session
        if session.mine:
            values = sorted(session.mine)
            file = f"worker-{client.number}"
            self.note(file, "hold-lost", consumer=session.consumer, values=values)

    def doubt(self, client: _Client, f: str, fields: dict[str, Any]) -> None:
        """The reply is lost: the client closes its session, and goes on as a new process."""
        self.event(client, "info", f, **fields)
        self.close(client, "in-doubt")

    def close(self, client: _Client, why: str) -> None:
        alive_ns = self.now_ns if why == "closed" else client.alive_ns
        if why != "expired" and self.rng.random() < 0.5 and not client.session.gone:
            if client.session.hand:  # a close gives back what is held, and notes nothing
                self.drop(client.session, sorted(client.session.hand), finish=False)
            self.end(client.session)
        self.note(
            f"worker-{client.number}",
            "session-end",
            process=client.process,
            session=client.session.id,
            consumer=client.session.consumer,
            why=why,
            alive_until_ns=alive_ns,
            zxid=None,
        )
        self.end(client.session)
        client.process += STRIDE
        client.session, client.known = self.register(), False

    def kill(self, client: _Client) -> None:
        """SIGKILL: the harness notes what it last heard; the servers end the session later."""
        known = client.known
        self.note(
            "harness",
            "session-end",
            process=client.process,
            session=client.session.id if known else None,
            consumer=client.session.consumer if known else None,
            why="killed",
            alive_until_ns=client.alive_ns,
            zxid=None,
        )
        place = self.clients.index(client)
        successor = self.client(client.number, client.process + 100, consumes=client.consumes)
        self.clients[place] = successor

    # The run

    def run(self) -> History:
        """Run all, stop all, drain, read the trees."""
        while self.calls < CALLS or any(client.call for client in self.clients):
            self.step()
        for client in self.clients:
            self.settle(client)
        for session in self.sessions:
            self.end(session)
        while any(session.hand for session in self.sessions):
            self.reap()
        self.drain()
        self.look()
        return self.history()

    def step(self) -> None:
        """Do one step of one client, of the reaper or of the clock."""
        rng = self.rng
        if rng.random() < self.mix.tick:
            self.now_ns += 1
        if rng.random() < 0.15:
            self.reap()
        client = rng.choice(self.clients)
        if client.consumes and rng.random() < self.mix.ends / 4:
            self.end(client.session)
        if rng.random() < self.mix.ends / 4 and self.calls < CALLS:
            self.kill(client)
            return
        if client.call is None and self.calls < CALLS:
            self.calls += 1
            client.call = self.next_call(client)
        if client.call is not None and next(client.call, self) is self:
            client.call = None

    def next_call(self, client: _Client) -> Iterator[None]:
        rng, hand = self.rng, sorted(client.session.mine)
        if not client.consumes:
            return self.put(client)
        if hand and rng.random() < 0.7:
            values = hand if rng.random() < 0.5 else hand[:1]
            f = "release" if rng.random() < self.mix.release else "done"
            return self.finish(client, f, values)
        return self.reserve(client, rng.choice((1, 1, 2)))

    def reap(self) -> None:
        """Give back what one dead session held, after it ended at the servers."""
        dead = [s for s in self.sessions if s.gone and s.hand]
        if not dead:
            dead = [s for s in self.sessions if not s.gone and not self.lives(s)]
            for session in dead[:1]:
                self.end(session)
            return
        self.give_back(self.rng.choice(dead))

    def lives(self, session: _Session) -> bool:
        """Tell whether a client still has this session."""
        return any(client.session is session for client in self.clients)

    def settle(self, client: _Client) -> None:
        """Let a client finish, or close with items in its hand."""
        if client.session.mine and self.rng.random() < 0.5:
            for _ in self.finish(client, "done", sorted(client.session.mine)):
                pass
        if client.session.gone:
            self.lost(client)
        self.close(client, "closed")

    def drain(self) -> None:
        """Let a new client take and acknowledge all that is left."""
        last = self.client(90, 90, consumes=True)
        self.now_ns += 1
        self.note("worker-90", "drain", phase="begin")
        while True:
            _, listed = self.states[-1]
            self.event(last, "invoke", "reserve", value=None, n=50)
            if not listed:
                break
            taken = [value for value, _ in listed]
            zxid = self.claim(last.session, taken)
            counts = [self.deliveries[value] for value in taken]
            self.answer(last, "reserve", {"n": 50, "zxid": self.told(zxid)} | _batch(taken, counts))
            self.event(last, "invoke", "done", **_batch(taken))
            zxid = self.drop(last.session, taken, finish=True)
            self.answer(last, "done", _batch(taken) | {"zxid": self.told(zxid)})
        read = {"value": None, "n": 50, "read_zxid": self.told(self.zxid)}
        self.answer(last, "reserve", read)
        self.note("worker-90", "drain", phase="end", complete=True)
        self.close(last, "closed")

    def look(self) -> None:
        """Read each server: nothing is left; its log has every session's end."""
        self.now_ns += 1
        for node in NODES:
            tree = {"reachable": True, "settled": True, "digest": "1", "zxid": self.zxid}
            places: dict[str, list[int]] = {"items": []}
            self.note("harness", "tree", when="drained", node=node, places=places, **tree)
        if self.mix.zxids != "off":
            for node in NODES:
                self.note("harness", "sessions-ended", node=node, zxids=self.ended, error=None)


def run(seed: int, *, sync: bool, zxids: Zxids) -> History:
    """Return the history of one run; a seed always gives the same one."""
    rng = Random(seed)
    return _Run(rng, Mix.drawn(rng, sync=sync, zxids=zxids)).run()


def _batch(values: list[int], deliveries: list[int] | None = None) -> dict[str, Any]:
    """Return how one value, or several, stand in an event."""
    told: dict[str, Any] = {"value": values[0] if len(values) == 1 else list(values)}
    if deliveries is not None:
        told["delivery"] = deliveries[0] if len(values) == 1 else deliveries
    return told


def _merged(line: tuple[int, str, int, dict[str, Any]]) -> tuple[int, str, int]:
    return line[:3]
