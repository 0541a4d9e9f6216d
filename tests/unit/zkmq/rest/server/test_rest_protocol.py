"""HTTP/1.1 on a connection, byte by byte: what is refused, what is waited for, what comes next."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from zkmq.rest.server.http_protocol import LimitedProtocol

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
HEAD_BYTES = 1000
HEAD_S = LimitedProtocol.header_timeout_s


class Strict(LimitedProtocol):
    """A small limit."""

    header_bytes = HEAD_BYTES


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose time passes by `after` only."""

    now_s = 0.0

    def time(self) -> float:
        """Seconds."""
        return self.now_s


async def after(seconds: float = 0.0) -> None:
    """Let time pass, and everything happen that is due."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, Loop)
    loop.now_s += seconds
    for _ in range(300):
        await asyncio.sleep(0)


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.ended = ""
        self.protocol: LimitedProtocol

    def write(self, data: Any) -> None:
        """Keep it."""
        self.sent += bytes(data)

    def close(self) -> None:
        """End, as a socket does."""
        self._end("closed")

    def abort(self) -> None:
        """End at once."""
        self._end("aborted")

    def is_closing(self) -> bool:
        """Whether it has ended."""
        return bool(self.ended)

    def pause_reading(self) -> None:
        """Nobody reads here."""

    def resume_reading(self) -> None:
        """Nobody reads here."""

    def _end(self, how: str) -> None:
        if not self.ended:
            self.ended = how
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)


class App:
    """An application that answers `ok` once it has read the body, or `no` without reading it."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, bytes]] = []
        self.fields: list[list[tuple[bytes, bytes]]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        self.fields.append(scope["headers"])
        body, text = b"", b"no"
        while scope["path"] != "/no":
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            if not message["more_body"]:
                text = b"ok"
                break
        self.seen.append((scope["method"], scope["path"], body))
        await send({"type": "http.response.start", "status": 200,
                    "headers": [(b"content-length", b"2")]})  # fmt: skip
        await send({"type": "http.response.body", "body": text})


Talk = Callable[[LimitedProtocol, Wire], Awaitable[None]]


def talk(conversation: Talk) -> tuple[App, Wire]:
    """Have a conversation over one connection."""
    app, wire = App(), Wire()

    async def run() -> None:
        config = uvicorn.Config(
            app, ws="none", log_config=None, access_log=False, lifespan="off", timeout_keep_alive=75
        )
        config.load()
        protocol = Strict(config, ServerState(), {}, asyncio.get_running_loop())
        wire.protocol = protocol
        protocol.connection_made(wire)
        await conversation(protocol, wire)

    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(run())
    return app, wire


def say(*parts: bytes) -> tuple[App, Wire]:
    """Send these parts, one after the other, and see what comes of them."""

    async def conversation(protocol: LimitedProtocol, _: Wire) -> None:
        for part in parts:
            protocol.data_received(part)
            await after()

    return talk(conversation)


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    """A PUT with a body in chunks."""
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return b"PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + body + end


def put(path: str, body: bytes, length: int | None = None, more: str = "") -> bytes:
    """A PUT with a length."""
    length = len(body) if length is None else length
    return (
        f"PUT {path} HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n{more}\r\n".encode() + body
    )


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_requests_are_read_however_they_are_cut(size: int) -> None:
    """Three requests in a row are answered in order, whatever parts they arrive in."""
    sent = GET + put("/b", b"12345") + chunked(b"123", b"45")
    app, wire = say(*(sent[at : at + size] for at in range(0, len(sent), size)))
    assert app.seen == [("GET", "/a", b""), ("PUT", "/b", b"12345"), ("PUT", "/a", b"12345")]
    assert wire.sent.count(b"HTTP/1.1 200 OK") == 3
    assert not wire.ended


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"FOO /a HTTP/1.1\r\nHost: h\r\n\r\n", 405),
        (b"get /a HTTP/1.1\r\nHost: h\r\n\r\n", 405),
        (b"CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n", 405),
        (b"GET /" + b"a" * HEAD_BYTES, 414),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * HEAD_BYTES, 431),
        (b"GET / HTTP/1.1\r\n folded: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (b"PUT / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"PUT / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", 400),
        (b"PUT / HTTP/1.1\r\nContent-Length: +3\r\n\r\n", 400),
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused_and_never_run(sent: bytes, status: int) -> None:
    """Each gets its status and an end of the connection; the application does not hear of it."""
    app, wire = say(GET, sent)
    assert [path for _, path, _ in app.seen] == ["/a"]
    assert b"HTTP/1.1 %d " % status in wire.sent
    assert wire.ended == "closed"


def test_a_method_nobody_knows_is_told_which_there_are() -> None:
    """405 comes with Allow."""
    _, wire = say(b"FOO / HTTP/1.1\r\n\r\n")
    assert b"\r\nallow: OPTIONS, GET, HEAD, PUT, POST, DELETE\r\n" in wire.sent


def test_many_complete_heads_at_once_are_no_long_head() -> None:
    """Pipelined requests, the last one cut, are not taken for one that is too long."""
    sent = GET * 100
    app, wire = say(sent[:-5], sent[-5:])
    assert len(app.seen) == 100
    assert not wire.ended


def test_a_half_head_is_408_in_time_and_a_busy_connection_is_not() -> None:
    """The time for a head runs from its first byte, also after a request that was answered."""

    async def conversation(protocol: LimitedProtocol, wire: Wire) -> None:
        protocol.data_received(GET)
        await after()
        await after(HEAD_S + 1)
        assert not wire.ended
        protocol.data_received(GET[:10])
        await after(HEAD_S + 1)

    _, wire = talk(conversation)
    assert wire.sent.count(b"HTTP/1.1 200 ") == 1
    assert b"HTTP/1.1 408 " in wire.sent
    assert wire.ended == "closed"


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"\r\n\r\n"])
def test_a_connection_that_says_nothing_is_408(sent: bytes) -> None:
    """Not even empty lines keep a connection open."""

    async def conversation(protocol: LimitedProtocol, _: Wire) -> None:
        if sent:
            protocol.data_received(sent)
        await after(HEAD_S + 1)

    assert b"HTTP/1.1 408 " in talk(conversation)[1].sent


def test_a_body_in_no_hurry_is_the_applications_to_limit() -> None:
    """Between head and body the head's time does not run."""

    async def conversation(protocol: LimitedProtocol, _: Wire) -> None:
        protocol.data_received(put("/a", b"", 3))
        await after(HEAD_S + 1)
        protocol.data_received(b"abc")
        await after()

    assert talk(conversation)[0].seen == [("PUT", "/a", b"abc")]


def test_the_rest_of_an_unwanted_body_is_skipped() -> None:
    """A request that was answered before its body came leaves the connection fit for the next."""
    app, wire = say(put("/no", b"abc", 10), b"defghij" + GET)
    assert [path for _, path, _ in app.seen] == ["/no", "/a"]
    assert not wire.ended


def test_an_unwanted_body_must_come_in_time() -> None:
    """One that stops in the midst ends the connection, without a second answer."""

    async def conversation(protocol: LimitedProtocol, _: Wire) -> None:
        protocol.data_received(put("/no", b"abc", 10))
        await after()
        await after(HEAD_S + 1)

    _, wire = talk(conversation)
    assert wire.ended == "aborted"
    assert wire.sent.count(b"HTTP/1.1 ") == 1


def test_an_unwanted_body_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than is put up with ends the connection."""
    monkeypatch.setattr("zkmq.rest.server.http_protocol._MOST_DISCARDED", 100)
    _, wire = say(put("/no", b"abc", 10_000), b"x" * 99)
    assert not wire.ended
    _, wire = say(put("/no", b"abc", 10_000), b"x" * 99, b"xx")
    assert wire.ended == "aborted"


def test_a_client_that_asked_first_is_not_waited_for() -> None:
    """After a final answer to Expect: 100-continue the body may never come: it ends."""
    _, wire = say(put("/no", b"", 10, "Expect: 100-continue\r\n"))
    assert b"100 Continue" not in wire.sent
    assert wire.ended == "closed"


def test_a_client_that_asked_first_is_told_to_go_on() -> None:
    """Where the body is wanted, 100 comes first."""
    app, wire = say(put("/a", b"", 3, "Expect: 100-continue\r\n"), b"abc")
    assert wire.sent.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ")
    assert app.seen == [("PUT", "/a", b"abc")]


def test_fields_behind_a_body_are_not_heard() -> None:
    """A trailer cannot add to the head that was judged."""
    app, _ = say(chunked(b"abc", end=b"0\r\nAuthorization: Basic x\r\n\r\n"))
    assert app.seen == [("PUT", "/a", b"abc")]
    assert b"authorization" not in dict(app.fields[0])


def test_endless_fields_behind_a_body_end() -> None:
    """A trailer may be as long as a head."""
    _, wire = say(chunked(b"abc", end=b"0\r\nX: "), b"x" * HEAD_BYTES, b"x")
    assert wire.ended


def test_a_bad_chunk_ends_its_request() -> None:
    """A body that cannot be followed is 400, and its request is not run."""
    app, wire = say(chunked(b"abc", end=b"zz\r\n"))
    assert app.seen == []
    assert b"HTTP/1.1 400 " in wire.sent
    assert wire.ended == "closed"


def test_an_upgrade_that_nobody_offers_is_an_ordinary_request() -> None:
    """A client that would rather speak HTTP/2 is answered in HTTP/1.1, and what follows too."""
    upgrade = b"GET /b HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    app, wire = say(upgrade + GET, GET)
    assert [path for _, path, _ in app.seen] == ["/b", "/a", "/a"]
    assert not wire.ended
