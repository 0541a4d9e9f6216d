"""One client's connection through the proxy: two threads, one for each direction."""

import socket
import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from worlds.proxy.faults import AFTER, EXPIRES, HOLDS, KILLS, PASSES_DEADLINE, SILENT, Fault
from worlds.proxy.protocol import (
    INT,
    UPKEEP,
    Opcode,
    Reply,
    Request,
    frame,
    read_handshake,
    read_handshake_reply,
    read_reply,
    read_request,
)
from worlds.proxy.session import no_delay, receive

if TYPE_CHECKING:
    from worlds.proxy.proxy import Exchange, Proxy

# A four-letter command is text where a frame has its length, which is never that large.
LONGEST_FRAME = 2**26
LONGEST_TEXT = 2**16
ANSWERED_WITHIN_S = 60.0


class Link:
    """Ends when either side hangs up, or a fault cuts it."""

    def __init__(self, proxy: "Proxy", client: socket.socket) -> None:
        self._proxy = proxy
        self._client = no_delay(client)
        self._server = no_delay(socket.create_connection(proxy.server))
        self._session = 0
        self._pending: deque[Exchange] = deque()
        self._answered = threading.Condition()
        self._over = False  # no answer can come any more
        self._deaf = False  # requests vanish
        self._mute = False  # replies vanish
        self._closing = False  # nothing goes to the server any more
        self.hushed = False  # something was swallowed while the proxy was silent
        self._frozen = False  # the server may hang up without the client's noticing
        self._timer: threading.Timer | None = None
        self._threads = [
            threading.Thread(target=run, name=f"proxy-{run.__name__}", daemon=True)
            for run in (self._requests, self._replies)
        ]

    def start(self) -> None:
        """Let pass what comes."""
        for thread in self._threads:
            thread.start()

    def cut(self) -> None:
        """Break the connection on both sides."""
        for sock in (self._client, self._server):
            with suppress(OSError):  # the peer was faster
                sock.shutdown(socket.SHUT_RDWR)

    def join(self) -> None:
        """Wait for both threads, and free the sockets."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()
        for thread in self._threads:
            thread.join()
        self._client.close()
        self._server.close()

    def _requests(self) -> None:
        if _is_text(self._client):
            self._server.sendall(self._client.recv(INT.size))
            return
        request: Request | None = Request(0, Opcode.CONNECT, ())
        while body := receive(self._client):
            if self._swallows():
                continue
            if not self._request(request or read_request(body), body):
                break
            request = None
        if not self._frozen:
            self.cut()

    def _request(self, request: Request, body: bytes) -> bool:
        """Handle one request; False if the connection is over."""
        if request.opcode is Opcode.CONNECT:
            self._session = read_handshake(body).session
        exchange = self._proxy.note(self._session, request)
        if self._deaf:
            return False
        fault = exchange.fault
        if fault is not None and fault not in AFTER:
            self._await_answers()
            if not self._strike(fault, body, exchange):
                return self._deaf
        self._forward(body, exchange)
        if fault in AFTER:
            with self._answered:
                self._answered.wait_for(lambda: self._over or exchange.struck, ANSWERED_WITHIN_S)
        elif self._mute and request.opcode not in UPKEEP:
            self._await_answers()
            return False
        return True

    def _forward(self, body: bytes, exchange: "Exchange") -> None:
        with self._answered:
            if self._closing:
                return
            if exchange.request.opcode not in UPKEEP:
                self._pending.append(exchange)
        with suppress(OSError):  # the other thread sees the end as well, and ends the link
            self._server.sendall(frame(body))

    def _replies(self) -> None:
        try:
            self._pass_replies()
        finally:
            with self._answered:
                self._over = True
                self._answered.notify_all()

    def _pass_replies(self) -> None:
        if _is_text(self._server):
            while text := self._server.recv(LONGEST_TEXT):
                self._client.sendall(text)
            self.cut()
            return
        first = True
        while body := receive(self._server):
            if self._swallows():
                continue
            if first and INT.unpack_from(body)[0] == 0:
                self._take_session(body)
            exchange = self._match(body, first=first)
            first = False
            goes_on = not self._mute
            if exchange is not None and exchange.fault in AFTER:
                assert exchange.fault is not None
                goes_on = self._strike(exchange.fault, body, exchange)
                exchange.struck = True
            if goes_on:
                with suppress(OSError):
                    self._client.sendall(frame(body))
            self._settle(exchange)
        if not self._frozen:
            self.cut()

    def _swallows(self) -> bool:
        """Whether nothing passes any more: the proxy is silent, or was, and cuts it soon."""
        self.hushed |= self._proxy.silent
        return self.hushed

    def _take_session(self, body: bytes) -> None:
        known = read_handshake_reply(body)
        if known.timeout_ms > 0:
            self._session = known.session
            self._proxy.passwords[known.session] = known.password

    def _match(self, body: bytes, *, first: bool) -> "Exchange | None":
        """The request that this answers; None for a watch's event and for upkeep."""
        if not self._pending:
            return None
        exchange = self._pending[0]
        if first:
            alive = read_handshake_reply(body).timeout_ms > 0
            exchange.reply = Reply(0, 0, 0 if alive else -112)
            return exchange
        if INT.unpack_from(body)[0] != exchange.request.xid:
            return None
        exchange.reply = read_reply(body, exchange.request.opcode)
        return exchange

    def _settle(self, exchange: "Exchange | None") -> None:
        if exchange is None:
            return
        with self._answered:
            self._pending.popleft()
            self._answered.notify_all()

    def _await_answers(self) -> None:
        """Let everything answered that was sent before."""
        with self._answered:
            self._answered.wait_for(lambda: self._over or not self._pending, ANSWERED_WITHIN_S)
            if self._pending:
                why = "it hung up" if self._over else f"in {ANSWERED_WITHIN_S:.0f} s"
                waiting = ", ".join(str(each) for each in self._pending)
                self._proxy.errors.append(f"no answer from the server, {why}: {waiting}")

    def _end_silence(self) -> None:
        """Break the connection once the server has answered what went to it, and no more goes.

        Else nobody would know what became of a request that came just before.
        """
        with self._answered:
            self._closing = True
            self._answered.wait_for(lambda: self._over or not self._pending, ANSWERED_WITHIN_S)
        self.cut()

    def _strike(self, fault: Fault, body: bytes, exchange: "Exchange") -> bool:
        """Do it; True if the frame goes on to where it was going."""
        proxy = self._proxy
        if fault is Fault.OVERTAKEN:
            proxy.meanwhile()
            return True
        if fault in SILENT:
            self._deaf = fault is Fault.LOSE_REQUEST
            self._mute = fault is Fault.LOSE_REPLY
            self._timer = threading.Timer(proxy.silence_s, self._end_silence)
            self._timer.start()
            return False
        if fault in HOLDS:
            proxy.hold(body, exchange)
        if fault in KILLS:
            self._frozen = True
            proxy.kill()
        if fault in PASSES_DEADLINE:
            proxy.refuse()
            proxy.pass_deadline()
        if fault in EXPIRES:
            self._frozen = True
            proxy.expire(self._session)
        self.cut()
        return False


def _is_text(sock: socket.socket) -> bool:
    """Whether a connection begins with a four-letter command, or its answer."""
    with suppress(OSError):
        first = sock.recv(INT.size, socket.MSG_PEEK | socket.MSG_WAITALL)
        return len(first) == INT.size and INT.unpack(first)[0] > LONGEST_FRAME
    return False
