"""Wait for a znode to change, by long poll or server-sent events (rest.md 9)."""

import asyncio
from collections.abc import AsyncIterator

from starlette.responses import Response, StreamingResponse

from zkmq.rest.http.http_errors import HttpError
from zkmq.rest.http.negotiation import EVENTS
from zkmq.rest.http.representations import child_of, stat_of, stat_with_data, to_json
from zkmq.rest.http.request_target import INT64
from zkmq.rest.http.statuses import RETRY
from zkmq.rest.resources.rest_call import RestCall, reply
from zkmq.rest.upstream.shared_watches import SharedWatches, Snapshot, View, WatchedZnode

_KEEP_ALIVE_S = 15.0
_RETRY_S = 1.0
_KINDS = ("data", "children", "exists")


class Cursor:
    """How much of a znode's history a client has seen.

    The cursor starts at a zxid that the client names, and follows the states that it is sent.
    `kind` is what the client watches: data, children, or exists, which also waits for a creation.
    """

    def __init__(self, kind: str, since: int) -> None:
        self._kind = kind
        self._since = since
        self._seen: Snapshot | None = None

    def zxid(self, state: Snapshot) -> int | None:
        """Return the zxid of the last change that the client watches; None without a znode."""
        if state.stat is None:
            return None
        return state.stat.pzxid if self._kind == "children" else state.stat.mzxid

    def is_news(self, state: Snapshot) -> bool:
        """Whether the client has not seen this state."""
        zxid = self.zxid(state)
        if self._seen is not None:
            return zxid != self.zxid(self._seen)
        if zxid is None:
            # A client that names a zxid knew the znode, so that it is gone is news.
            return self._kind != "exists" or self._since > 0
        return zxid > self._since

    def advance(self, state: Snapshot) -> None:
        """Note that the client has seen a state."""
        self._seen = state


async def follow(call: RestCall, watches: SharedWatches, path: str) -> Response:
    """Answer when a znode has changed since `since`, or with a stream of its changes."""
    kind = call.query.get("watch")
    if kind is None:
        kind = "children" if call.query.get("view") == "children" else "data"
    if kind not in _KINDS:
        raise HttpError(400, f"{path} bad watch {kind}: expected one of {', '.join(_KINDS)}")
    if call.media == EVENTS:
        return _stream(call, watches, path, kind)
    return await _long_poll(call, watches, path, kind)


async def _long_poll(call: RestCall, watches: SharedWatches, path: str, kind: str) -> Response:
    wait_s = call.query.seconds("wait", 30, most=call.config.limits.wait_s)
    since = _since(call.query.get("since"), path)
    try:
        async with watches.watch(path, _view(kind)) as znode, asyncio.timeout(wait_s):
            state = await _next(znode, kind, since)
    except TimeoutError:
        return reply(304)
    if state is None:
        raise HttpError(503, f"{path} the gateway is shutting down", headers=RETRY)
    if state.stat is None:
        raise HttpError(404, f"{path} not found")
    root = "child" if kind == "children" else "stat"
    fields = _fields(call, path, kind, state)
    return call.answer(root, fields, headers={"Cache-Control": "no-store"})


async def _next(znode: WatchedZnode, kind: str, since: int | None) -> Snapshot | None:
    """Wait for a change after a zxid; without one, after now, or for the znode to exist."""
    cursor = Cursor(kind, since or 0)
    if since is None and kind != "exists":
        now = await znode.wait(lambda _: True)
        if now is None or now.stat is None:
            return now
        cursor.advance(now)
    return await znode.wait(cursor.is_news)


def _stream(call: RestCall, watches: SharedWatches, path: str, kind: str) -> Response:
    resume = call.headers.get("last-event-id") or call.query.get("since")
    cursor = Cursor(kind, _since(resume, path) or 0)
    watches.admit(path, _view(kind))
    return StreamingResponse(
        _events(call, watches, path, kind, cursor),
        media_type=EVENTS,
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _events(
    call: RestCall, watches: SharedWatches, path: str, kind: str, cursor: Cursor
) -> AsyncIterator[bytes]:
    """Yield one event for each new state. A slow client misses states between."""
    async with watches.watch(path, _view(kind)) as znode:
        while True:
            try:
                async with asyncio.timeout(_KEEP_ALIVE_S):
                    state = await znode.wait(cursor.is_news)
            except TimeoutError:
                yield b": keep-alive\n\n"
                continue
            except HttpError as error:  # ZooKeeper cannot be reached: keep the stream open
                yield f": {error.status}\n\n".encode()
                await asyncio.sleep(_RETRY_S)
                continue
            if state is None:
                return
            cursor.advance(state)
            yield _event(call, path, kind, state, cursor.zxid(state))


def _event(call: RestCall, path: str, kind: str, state: Snapshot, zxid: int | None) -> bytes:
    if zxid is None:
        return b"event: absent\ndata: " + to_json({"path": path, "uri": call.uri}) + b"\n\n"
    data = to_json(_fields(call, path, kind, state))
    return f"event: {kind}\nid: {zxid}\ndata: ".encode() + data + b"\n\n"


def _fields(call: RestCall, path: str, kind: str, state: Snapshot) -> dict[str, object]:
    assert state.stat is not None  # the callers checked
    if kind == "children":
        return child_of(path, call.uri, state.children)
    if kind == "exists":
        return stat_of(path, call.uri, state.stat)
    as_text = call.query.get("dataformat") == "utf8"
    return stat_with_data(path, call.uri, state.stat, state.data, as_text=as_text)


def _view(kind: str) -> View:
    return "children" if kind == "children" else "data"


def _since(text: str | None, path: str) -> int | None:
    if text is None:
        return None
    # The length bound keeps int() cheap; no zxid is longer.
    if not text.isascii() or not text.isdecimal() or len(text) > 19 or int(text) not in INT64:
        raise HttpError(400, f"{path} bad since {text}: expected a zxid")
    return int(text)
