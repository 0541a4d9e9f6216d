"""Random runs of a correct queue that lists, then claims: what zkmq does, in a few hundred lines.

It has what makes correct runs look wrong: clocks that hardly move, so that calls of one process
and of others begin and end in the same nanosecond; replies that are lost; consumers that die, whose
sessions end, or who give an item back and get it again; zxids that all, none or half of the answers
tell. Nothing here knows how a checker works.
"""

from collections.abc import Iterator
from random import Random

from harness.history.columns import History
from worlds.listing.clients import Calls, Client, Mix
from worlds.listing.lines import Lines, Zxids, batched
from worlds.listing.servers import Servers, Session

CALLS = 40
NODES = (1, 2, 3)


class _Run:
    """The servers, the clients and the clock; each step does one thing of one client."""

    def __init__(self, rng: Random, mix: Mix) -> None:
        self.rng, self.mix = rng, mix
        self.servers, self.lines = Servers(), Lines(rng, mix.zxids)
        self.does = Calls(rng, mix, self.servers, self.lines)
        self.asked = 0
        kinds = [False] * mix.producers + [True] * mix.consumers
        self.clients = [
            self.does.client(number, consumes=consumes) for number, consumes in enumerate(kinds)
        ]

    def run(self) -> History:
        """Run all, stop all, drain, read the trees."""
        while self.asked < CALLS or any(client.call for client in self.clients):
            self.step()
        for client in self.clients:
            self.settle(client)
        for session in self.servers.sessions:
            self.servers.end(session)
        while any(session.hand for session in self.servers.sessions):
            self.reap()
        self.drain()
        self.look()
        return self.lines.history()

    def step(self) -> None:
        """Do one step of one client, of the reaper or of the clock."""
        rng = self.rng
        if rng.random() < self.mix.tick:
            self.lines.now_ns += 1
        if rng.random() < 0.15:
            self.reap()
        client = rng.choice(self.clients)
        if client.consumes and rng.random() < self.mix.ends / 4:
            self.servers.end(client.session)
        if rng.random() < self.mix.ends / 4 and self.asked < CALLS:
            self.kill(client)
            return
        if client.call is None and self.asked < CALLS:
            self.asked += 1
            client.call = self.next_call(client)
        if client.call is not None and next(client.call, self) is self:
            client.call = None

    def next_call(self, client: Client) -> Iterator[None]:
        rng, hand = self.rng, sorted(client.session.mine)
        if not client.consumes:
            return self.does.put(client)
        if hand and rng.random() < 0.7:
            values = hand if rng.random() < 0.5 else hand[:1]
            f = "release" if rng.random() < self.mix.release else "done"
            return self.does.finish(client, f, values)
        return self.does.reserve(client, rng.choice((1, 1, 2)))

    def reap(self) -> None:
        """Give back what one dead session held, after it ended at the servers."""
        dead = [s for s in self.servers.sessions if s.gone and s.hand]
        if not dead:
            dead = [s for s in self.servers.sessions if not s.gone and not self.lives(s)]
            for session in dead[:1]:
                self.servers.end(session)
            return
        self.give_back(self.rng.choice(dead))

    def lives(self, session: Session) -> bool:
        """Tell whether a client still has this session."""
        return any(client.session is session for client in self.clients)

    def settle(self, client: Client) -> None:
        """Let a client finish, or close with items in its hand."""
        if client.session.mine and self.rng.random() < 0.5:
            for _ in self.does.finish(client, "done", sorted(client.session.mine)):
                pass
        if client.session.gone:
            self.does.lost(client)
        self.does.close(client, "closed")

    def drain(self) -> None:
        """Let a new client take and acknowledge all that is left."""
        last = self.does.client(90, 90, consumes=True)
        self.lines.now_ns += 1
        self.lines.note("worker-90", "drain", phase="begin")
        while True:
            _, listed = self.servers.states[-1]
            self.does.event(last, "invoke", "reserve", value=None, n=50)
            if not listed:
                break
            taken = [value for value, _ in listed]
            zxid = self.servers.claim(last.session, taken)
            counts = [self.servers.deliveries[value] for value in taken]
            self.does.answer(
                last, "reserve", {"n": 50, "zxid": self.lines.told(zxid)} | batched(taken, counts)
            )
            self.does.event(last, "invoke", "done", **batched(taken))
            zxid = self.servers.drop(last.session, taken, finish=True)
            self.does.answer(last, "done", batched(taken) | {"zxid": self.lines.told(zxid)})
        read = {"value": None, "n": 50, "read_zxid": self.lines.told(self.servers.zxid)}
        self.does.answer(last, "reserve", read)
        self.lines.note("worker-90", "drain", phase="end", complete=True)
        self.does.close(last, "closed")

    def look(self) -> None:
        """Read each server: nothing is left; its log has every session's end."""
        self.lines.now_ns += 1
        for node in NODES:
            tree = {"reachable": True, "settled": True, "digest": "1", "zxid": self.servers.zxid}
            places: dict[str, list[int]] = {"items": []}
            self.lines.note("harness", "tree", when="drained", node=node, places=places, **tree)
        if self.mix.zxids != "off":
            for node in NODES:
                self.lines.note(
                    "harness", "sessions-ended", node=node, zxids=self.servers.ended, error=None
                )

    def give_back(self, session: Session) -> None:
        """Do what the reaper does for a dead consumer, and what its client notes of it."""
        values = sorted(session.hand)
        zxid = self.servers.drop(session, values, finish=False)
        if self.rng.random() < self.mix.noted:
            self.lines.note(
                f"worker-{self.rng.randrange(self.mix.consumers)}",
                "returned",
                consumer=session.consumer,
                values=values,
                to="items",
                zxid=self.lines.told(zxid),
                dead=True,
            )

    def kill(self, client: Client) -> None:
        """SIGKILL: the harness notes what it last heard; the servers end the session later."""
        known = client.known
        self.lines.note(
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
        successor = self.does.client(client.number, client.process + 100, consumes=client.consumes)
        self.clients[place] = successor


def run(seed: int, *, sync: bool, zxids: Zxids) -> History:
    """Return the history of one run; a seed always gives the same one."""
    rng = Random(seed)
    return _Run(rng, Mix.drawn(rng, sync=sync, zxids=zxids)).run()
