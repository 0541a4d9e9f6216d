"""A proxy between one client and one ZooKeeper server that strikes at chosen requests.

    with Proxy("127.0.0.1:2181") as proxy:
        client = connect(proxy.address)
        proxy.arm({3: Fault.LOSE_REPLY})        # the third request from here on
        ...
        proxy.heal()
        proxy.journal                           # every request, and what the server answered

Before it strikes, it lets everything answered that is on its way, so that the same plan always
meets the same state. A session is expired by a second connection that opens it by its id and
password and closes it: nothing waits for a time-out.
"""

import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from worlds.proxy.faults import Fault
from worlds.proxy.link import Link
from worlds.proxy.protocol import UPKEEP, Opcode, Reply, Request
from worlds.proxy.session import Session

Plan = Mapping[int, Fault]
# For clients that never ask again on a connection that has gone silent.
SILENCE_S = 0.3
HAPPENS_WITHIN_S = 60.0
REFUSES_S = 0.3


def _nothing() -> None:
    """Do nothing."""


@dataclass(eq=False, slots=True)
class Exchange:
    """One request of the client and what became of it.

    Attributes:
        number: counted from `arm`, from 1; 0 is one that no plan can strike at.
        session: the session of its connection; 0 for the handshake that opens one, and for what
            is late.
        reply: the server's, whether or not the client saw it; None if the server never answered.
        fault: what was done to it.
        late: it arrived in another session, after its own had ended.
        struck: the fault after its answer is done.
    """

    number: int
    session: int
    request: Request
    reply: Reply | None = None
    fault: Fault | None = None
    late: bool = False
    struck: bool = False

    @property
    def applied(self) -> bool:
        """Whether the server carried it out."""
        return self.reply is not None and not self.reply.error

    def __str__(self) -> str:
        """For people: the request, the fault, and the server's answer."""
        answer = "no answer" if self.reply is None else f"error {self.reply.error}"
        answer = "ok" if self.applied else answer
        return f"{self.number}. {self.request} {self.fault or ''} -> {answer}"


class Proxy:
    """Listens on a port of its own. Everything it does happens on its own threads."""

    def __init__(self, server: str, *, silence_s: float = SILENCE_S) -> None:
        host, _, port = server.partition(":")
        self.server = (host, int(port))
        self.silence_s = silence_s
        self.journal: list[Exchange] = []
        self.passwords: dict[int, bytes] = {}
        # Session -> the zxid of the transaction that ended it.
        self.expired: dict[int, int] = {}
        self.errors: list[str] = []
        self.refusing = False
        self.silent = False
        self.meanwhile: Callable[[], None] = _nothing
        self.pass_deadline: Callable[[], None] = _nothing
        self.kill: Callable[[], None] = _nothing
        self._plan: Plan = {}
        self._armed = False
        self._counted = 0
        self._held: list[tuple[bytes, Exchange]] = []
        self._links: list[Link] = []
        self._unheard: list[socket.socket] = []
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._accept, name="proxy", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """Where clients connect to."""
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def faults(self) -> set[Fault]:
        """The faults of the plan."""
        return set(self._plan.values())

    def arm(self, plan: Plan) -> None:
        """Count requests from here on, and strike at those of the plan."""
        with self._lock:
            self._plan, self._armed, self._counted = plan, True, 0

    def heal(self) -> None:
        """Count and strike no more; let clients connect again."""
        with self._lock:
            self._armed = False
        self.refusing = False
        self.speak()

    def hush(self) -> None:
        """Accept connections and say nothing, as a server that hangs; until `speak` or `heal`."""
        self.silent = True

    def speak(self) -> None:
        """Break the connections on which something was swallowed, and let others begin."""
        self.silent = False
        for link in list(self._links):
            if link.hushed:
                link.cut()
        unheard, self._unheard = self._unheard, []
        for client in unheard:
            client.close()

    def refuse(self) -> None:
        """Let no client connect until `heal`, or for a moment if the call goes on without."""
        self.refusing = True
        self._timer = threading.Timer(REFUSES_S, self._admit)
        self._timer.start()

    def cut(self) -> None:
        """Break every connection, whatever is on its way."""
        for link in list(self._links):
            link.cut()

    def await_answers(self, count: int) -> None:
        """Wait until so many requests since `arm` were answered."""
        self._await(lambda: sum(bool(each.number and each.reply) for each in self.journal) >= count)

    def await_connections(self, count: int) -> None:
        """Wait until so many handshakes were answered, from the first client on."""
        self._await(lambda: sum(_took_session(each) for each in self.journal) >= count)

    def unstruck(self) -> list[int]:
        """The numbers of the plan whose request never came."""
        struck = {exchange.number for exchange in self.journal if exchange.fault}
        return sorted(set(self._plan) - struck)

    def note(self, session: int, request: Request) -> Exchange:
        """Enter a request in the journal, with its number and the fault it shall meet."""
        with self._lock:
            exchange = Exchange(0, session, request)
            self.journal.append(exchange)
            if self._armed and request.opcode not in UPKEEP:
                self._counted += 1
                exchange.number = self._counted
                exchange.fault = self._plan.get(self._counted)
            return exchange

    def hold(self, body: bytes, exchange: Exchange) -> None:
        """Keep a request for later."""
        self._held.append((body, exchange))

    def release_held(self) -> None:
        """Let the requests that were held arrive now, in another session."""
        held, self._held = self._held, []
        for body, exchange in held:
            exchange.late, exchange.session = True, 0
            with Session.open(self.server) as session:
                exchange.reply = session.ask(body, exchange.request)
                if exchange.request.opcode is not Opcode.CLOSE:
                    session.end()

    def expire(self, session: int) -> None:
        """End a client's session, now."""
        if session not in self.passwords or session in self.expired:
            return
        zxid = Session.end_other(self.server, session, self.passwords[session])
        if zxid is not None:
            self.expired[session] = zxid

    def expire_all(self) -> None:
        """End every session that a client has left open, as its time-out would."""
        for session in list(self.passwords):
            self.expire(session)

    def close(self) -> None:
        """Cut all connections and stop listening."""
        with suppress(OSError):  # it was never connected, but this is what wakes accept()
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()
        for link in self._links:
            link.cut()
            link.join()
        self.speak()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _admit(self) -> None:
        self.refusing = False

    def _await(self, happened: Callable[[], bool]) -> None:
        until_s = time.monotonic() + HAPPENS_WITHIN_S
        while not happened():
            assert time.monotonic() < until_s, f"did not happen: {self.journal[-3:]}"
            time.sleep(0.002)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.refusing:
                client.close()
                continue
            if self.silent:
                self._unheard.append(client)
                continue
            # Known before anything passes: else a `cut` would miss one that is already in use.
            link = Link(self, client)
            self._links.append(link)
            link.start()


def _took_session(exchange: Exchange) -> bool:
    return exchange.request.opcode is Opcode.CONNECT and exchange.applied
