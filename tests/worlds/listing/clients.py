"""The clients of a simulated queue: each call in steps, between which anything may happen."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from worlds.listing.lines import Lines, Zxids, batched
from worlds.listing.servers import Name, Servers, Session

STRIDE = 1000


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
        again: chance that a session ends with a claim whose reply has not come, in a client that
            holds nothing else: the same call then registers again, and goes on.
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
    again: float
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
            again=rng.choice((0.0, 0.1, 0.4)),
            noted=rng.choice((0.5, 1.0)),
        )


@dataclass(slots=True, kw_only=True)
class Client:
    """One client: its process, its session, and the call it is in."""

    number: int
    consumes: bool
    process: int
    session: Session
    call: Iterator[None] | None = None
    invoke_ns: int = 0
    alive_ns: int = 0
    known: bool = False


class Calls:
    """What clients do: at the servers, and in what they record."""

    def __init__(self, rng: Random, mix: Mix, servers: Servers, lines: Lines) -> None:
        self.rng, self.mix, self.servers, self.lines = rng, mix, servers, lines
        self.puts = 0

    def client(self, number: int, process: int | None = None, *, consumes: bool) -> Client:
        """Return a new client in a session of its own."""
        place = number if process is None else process
        session = self.servers.register()
        return Client(number=number, consumes=consumes, process=place, session=session)

    def event(self, client: Client, type_: str, f: str, **fields: Any) -> None:
        """Record one line of a call."""
        if type_ == "invoke":
            client.invoke_ns = fields.get("time_ns", self.lines.now_ns)
        who = {"session": client.session.id}
        who["producer" if f == "put" else "consumer"] = client.session.consumer
        event = {"process": client.process, "type": type_, "f": f, **fields}
        self.lines.write(f"worker-{client.number}", event | ({} if type_ == "invoke" else who))

    def put(self, client: Client) -> Iterator[None]:
        """Put the next value; each step of the iterator is one of the call."""
        self.puts += 1
        value, priority = self.puts, self.rng.randrange(self.mix.priorities)
        asked = {"value": value, "priority": priority}
        self.event(client, "invoke", "put", **asked)
        yield
        lost = self.rng.random() < self.mix.unknown
        if lost and self.rng.random() < 0.5:
            self.doubt(client, "put", asked)
            return
        zxid = self.servers.put(value, priority)
        yield
        if lost:
            self.doubt(client, "put", asked)
        else:
            self.answer(client, "put", asked | {"zxid": self.lines.told(zxid)})

    def reserve(self, client: Client, batch: int) -> Iterator[None]:
        """List, then claim the first that are still there."""
        asked: dict[str, Any] = {"value": None} | ({"n": batch} if batch > 1 else {})
        self.event(client, "invoke", "reserve", **asked)
        if client.session.gone and not client.session.mine:
            client.session = (
                self.servers.register()
            )  # it held nothing: a new registration does as well
        yield
        lost = self.rng.random() < self.mix.unknown
        if lost and self.rng.random() < 0.4:
            self.doubt(client, "reserve", asked)
            return
        while True:
            read_zxid, listed = self.servers.listing(client.session, self.rng, sync=self.mix.sync)
            if read_zxid is None:
                self.refused(client, "reserve", asked)
                return
            yield
            if not listed:
                taken = []
                answer = {"read_zxid": self.lines.told(read_zxid)}
                break
            taken = yield from self.first_free(client.session, listed, batch)
            if client.session.gone:
                self.refused(client, "reserve", asked)
                return
            if taken:
                zxid = self.servers.claim(client.session, taken)
                if self.rng.random() < self.mix.again and not client.session.mine:
                    yield
                    self.servers.end(client.session)
                    began_ns = client.invoke_ns
                    self.doubt(client, "reserve", asked)
                    self.event(client, "invoke", "reserve", time_ns=began_ns, **asked)
                    yield
                    continue
                answer = {"zxid": self.lines.told(zxid)} | batched(
                    taken, [self.servers.deliveries[value] for value in taken]
                )
                yield
                break
        if lost:
            self.doubt(client, "reserve", asked)
        else:
            client.session.mine.update(taken)
            self.answer(client, "reserve", asked | answer)

    def first_free(
        self, session: Session, listed: tuple[Name, ...], batch: int
    ) -> Generator[None, None, list[int]]:
        """Try one after the other, as long as the session lives; a claim is one step."""
        for place in range(len(listed)):
            if session.gone:
                return []
            _, waiting = self.servers.states[-1]
            free = [name for name in listed[place:] if name in waiting]
            if listed[place] in free:
                return [value for value, _ in free[:batch]]
            session.seen = self.servers.newest  # it was told that the item is gone
            yield
        return []

    def finish(self, client: Client, f: str, values: list[int]) -> Iterator[None]:
        """Acknowledge or release."""
        asked = batched(values)
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
        zxid = self.servers.drop(client.session, values, finish=f == "done")
        yield
        if lost:
            self.doubt(client, f, asked)
        else:
            client.session.mine.difference_update(values)
            self.answer(client, f, asked | {"zxid": self.lines.told(zxid)})

    def answer(self, client: Client, f: str, fields: dict[str, Any]) -> None:
        """Record a success; what changed something shows that the session lived."""
        if fields["value"] is not None:
            client.alive_ns, client.known = client.invoke_ns, True
        client.session.seen = self.servers.newest
        self.event(client, "ok", f, **fields)

    def refused(self, client: Client, f: str, fields: dict[str, Any]) -> None:
        """The registration is gone: a certain failure, and the end of this process."""
        self.lost(client)
        self.event(client, "fail", f, **fields)
        self.close(client, "expired")

    def lost(self, client: Client) -> None:
        """Note what the client held in a session that is gone."""
        session = client.session
        if session.mine:
            values = sorted(session.mine)
            file = f"worker-{client.number}"
            self.lines.note(file, "hold-lost", consumer=session.consumer, values=values)

    def doubt(self, client: Client, f: str, fields: dict[str, Any]) -> None:
        """The reply is lost: the client closes its session, and goes on as a new process."""
        self.event(client, "info", f, **fields)
        self.close(client, "in-doubt")

    def close(self, client: Client, why: str) -> None:
        """End the session, record it, and go on as the next process."""
        alive_ns = self.lines.now_ns if why == "closed" else client.alive_ns
        if why != "expired" and self.rng.random() < 0.5 and not client.session.gone:
            if client.session.hand:  # a close gives back what is held, and notes nothing
                self.servers.drop(client.session, sorted(client.session.hand), finish=False)
            self.servers.end(client.session)
        self.lines.note(
            f"worker-{client.number}",
            "session-end",
            process=client.process,
            session=client.session.id,
            consumer=client.session.consumer,
            why=why,
            alive_until_ns=alive_ns,
            zxid=None,
        )
        self.servers.end(client.session)
        client.process += STRIDE
        client.session, client.known = self.servers.register(), False
