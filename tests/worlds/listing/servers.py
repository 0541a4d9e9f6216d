"""The servers of a simulated queue that lists and then claims: what is where, state by state."""

from collections import Counter
from dataclasses import dataclass, field
from random import Random

Name = tuple[int, int]  # value, and how often it came back: each return has a new name


@dataclass(slots=True, kw_only=True)
class Session:
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


class Servers:
    """One state for each zxid; everything else is a change of the newest one."""

    def __init__(self) -> None:
        self.zxid = 100
        self.items: dict[int, int] = {}  # priority by value, in the order of the puts
        self.holder: dict[int, Session] = {}
        self.returns: Counter[int] = Counter()
        self.deliveries: Counter[int] = Counter()
        self.states: list[tuple[int, tuple[Name, ...]]] = [(self.zxid, ())]
        self.sessions: list[Session] = []
        self.ended: dict[str, int] = {}

    @property
    def newest(self) -> int:
        """Return the number of the newest state."""
        return len(self.states) - 1

    def register(self) -> Session:
        """Open a session."""
        name = len(self.sessions) + 1
        session = Session(id=f"0x{name:x}", consumer=f"c{name}", seen=self.newest)
        self.sessions.append(session)
        return session

    def put(self, value: int, priority: int) -> int:
        """Append an item; return the zxid."""
        self.items[value] = priority
        return self.commit()

    def commit(self) -> int:
        """Give the next zxid, and remember the state that it left."""
        self.zxid += 1
        lane = sorted(self.items, key=self.items.__getitem__)  # of one priority, as they were put
        waiting = tuple((v, self.returns[v]) for v in lane if v not in self.holder)
        self.states.append((self.zxid, waiting))
        return self.zxid

    def claim(self, session: Session, values: list[int]) -> int:
        """Give items to a session; return the zxid."""
        for value in values:
            self.holder[value] = session
            self.deliveries[value] += 1
        session.hand.update(values)
        return self.commit()

    def drop(self, session: Session, values: list[int], *, finish: bool) -> int:
        """Take items from a session, for ever or back to their places; return the zxid."""
        for value in values:
            del self.holder[value]
            self.returns[value] += 1
            if finish:
                del self.items[value]
        session.hand.difference_update(values)
        return self.commit()

    def end(self, session: Session) -> None:
        """End a session; what it held comes back later."""
        if not session.gone:
            session.last = self.newest
            self.ended[session.id] = self.commit()

    def listing(
        self, session: Session, rng: Random, *, sync: bool
    ) -> tuple[int | None, tuple[Name, ...]]:
        """Read a state no older than the session has seen; with sync the newest.

        None if the session is gone: a server that lags may not know it yet.
        """
        seen = self.newest if sync else rng.randint(session.seen, self.newest)
        if session.last is not None and seen > session.last:
            return None, ()
        session.seen = seen
        return self.states[seen]
