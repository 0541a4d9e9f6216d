"""The znode resource: GET HEAD PUT POST DELETE on `znodes/v1<path>` (rest.md 4)."""

import asyncio
from collections.abc import Mapping
from urllib.parse import quote

from starlette.responses import Response

from zkmq.rest.http.http_errors import HttpError
from zkmq.rest.http.negotiation import OCTETS
from zkmq.rest.http.preconditions import etag, if_match, if_none_match
from zkmq.rest.http.representations import Stat, child_of, stat_fields, stat_of, stat_with_data
from zkmq.rest.http.request_target import check_path, child_path
from zkmq.rest.resources.rest_call import RestCall, reply
from zkmq.rest.upstream.async_session import AsyncSession

# The bytes of a create request without path and data: header, two lengths, the open ACL, flags.
_REQUEST_OVERHEAD = 64


async def get(call: RestCall, connection: AsyncSession, path: str) -> Response:
    """Answer with a znode's data or its children (4.1)."""
    if call.media != OCTETS and call.query.get("view") == "children":
        names, stat = await connection.children(path)
        return await children_answer(call, connection, path, names, stat)
    data, stat = await connection.get(path)
    return data_answer(call, path, data, stat)


async def head(call: RestCall, connection: AsyncSession, path: str) -> Response:
    """Answer whether a znode exists (4.2)."""
    stat = await _stat(connection, path)
    if _unmodified(call, stat):
        return reply(304, {"ETag": etag(stat)})
    headers = {"ETag": etag(stat)}
    if call.media == OCTETS:
        return reply(204, headers)
    response = Response(status_code=200, headers=headers, media_type=call.media)
    del response.headers["content-length"]  # 0 would say that GET has no body
    return response


async def put(call: RestCall, connection: AsyncSession, path: str) -> Response:
    """Set a znode's data (4.3)."""
    version = call.query.integer("version", -1, path)
    data = await _body(call, connection, path)
    version = await _required_version(call, connection, path, version)
    stat = await connection.set(path, data, version)
    headers = {"ETag": etag(stat)}
    if call.media == OCTETS:
        return reply(204, headers)
    return call.answer("stat", stat_of(path, call.uri, stat), headers=headers)


async def post(call: RestCall, connection: AsyncSession, path: str) -> Response:
    """Create a znode below `path` (4.4)."""
    query = call.query
    if (operation := query.get("op")) not in (None, "create"):
        raise HttpError(400, f"{path} bad operation {operation}")
    new, sequence = _new_path(call, path)
    data = await _body(call, connection, new)
    created = await connection.create(new, data, ephemeral=_is_ephemeral(call), sequence=sequence)
    headers = {"Location": _location(call, path, created)}
    if call.media == OCTETS:
        return Response(created.encode(), 201, headers, media_type=OCTETS)
    return call.answer("path", {"path": created, "uri": call.uri}, 201, headers)


async def delete(call: RestCall, connection: AsyncSession, path: str) -> Response:
    """Delete a znode (4.6)."""
    version = call.query.integer("version", -1, path)
    if path == "/":  # with a chroot, this would delete the chroot itself
        raise HttpError(400, "/ bad arguments: the root cannot be deleted")
    version = await _required_version(call, connection, path, version)
    await connection.delete(path, version)
    return reply(204)


def data_answer(call: RestCall, path: str, data: bytes | None, stat: Stat) -> Response:
    """Answer with a STAT, or with only the data as octets."""
    headers = {"ETag": etag(stat), "Cache-Control": "no-cache", "Vary": "Accept"}
    if _unmodified(call, stat):
        return reply(304, headers)
    if call.media == OCTETS:
        if data is None:
            return reply(204, headers)
        return Response(data, 200, headers, media_type=OCTETS)
    as_text = call.query.get("dataformat") == "utf8"
    fields = stat_with_data(path, call.uri, stat, data, as_text=as_text)
    return call.answer("stat", fields, headers=headers)


async def children_answer(
    call: RestCall, connection: AsyncSession, path: str, names: list[str], stat: Stat
) -> Response:
    """Answer with a CHILD. With `limit` or `after`, it is a sorted page of the children."""
    page, rest = _page(call, path, names)
    fields = child_of(path, call.uri, page)
    if call.query.flag("stat"):
        fields["stats"] = await _stats(call, connection, path, page)
    if rest:
        fields["next"] = page[-1]
    headers = {"Cache-Control": "no-cache", "Vary": "Accept", "Zookeeper-Pzxid": str(stat.pzxid)}
    return call.answer("child", fields, headers=headers)


def _page(call: RestCall, path: str, names: list[str]) -> tuple[list[str], bool]:
    limit = call.query.integer("limit", 0, path, allowed=range(1, 2**31))
    after = call.query.get("after")
    if not limit and after is None:
        return names, False
    names = sorted(name for name in names if after is None or name > after)
    return (names[:limit], len(names) > limit) if limit else (names, False)


async def _stats(
    call: RestCall, connection: AsyncSession, path: str, names: list[str]
) -> list[Mapping[str, object]]:
    most = call.config.limits.children_stats
    if len(names) > most:
        raise HttpError(400, f"{path} bad arguments: stat=true takes limit={most} at most")
    stats = await asyncio.gather(
        *(_stat_if_told(connection, child_path(path, name)) for name in names)
    )
    # Leave out a child that was deleted between the two reads, or that may not be read.
    return [
        {"name": name} | stat_fields(stat)
        for name, stat in zip(names, stats, strict=True)
        if stat is not None
    ]


async def _stat_if_told(connection: AsyncSession, path: str) -> Stat | None:
    try:
        return await connection.exists(path)
    except HttpError as error:
        if error.status != 403:
            raise
        return None


async def _stat(connection: AsyncSession, path: str) -> Stat:
    stat = await connection.exists(path)
    if stat is None:
        raise HttpError(404, f"{path} not found")
    return stat


def _unmodified(call: RestCall, stat: Stat) -> bool:
    header = call.joined("if-none-match")
    return header is not None and not if_none_match(header, stat)


async def _required_version(
    call: RestCall, connection: AsyncSession, path: str, version: int
) -> int:
    """Return the version for the write, from `version` and the conditional headers.

    Raises:
        HttpError: 412, a condition does not hold.
    """
    wanted, unwanted = call.joined("if-match"), call.joined("if-none-match")
    if wanted is None and unwanted is None:
        return version
    stat = await _stat(connection, path)
    holds = (wanted is None or if_match(wanted, stat)) and (
        unwanted is None or if_none_match(unwanted, stat)
    )
    if not holds or version not in (-1, stat.version):
        raise HttpError(412, f"{path} bad version")
    return stat.version


async def _body(call: RestCall, connection: AsyncSession, path: str) -> bytes | None:
    overhead = len(connection.rooted(path).encode()) + _REQUEST_OVERHEAD
    body = await call.body(call.config.limits.packet_bytes - overhead, path)
    return None if call.query.flag("null") else body


def _new_path(call: RestCall, parent: str) -> tuple[str, bool]:
    name, sequence = call.query.get("name"), call.query.flag("sequence")
    if name is None:
        raise HttpError(400, f"{parent} bad arguments: expected name=")
    new = child_path(parent, name)
    check_path(f"{new}0" if sequence else new)  # ZooKeeper appends digits to it
    return new, sequence


def _is_ephemeral(call: RestCall) -> bool:
    ephemeral = call.query.get("ephemeral") not in (None, "false")
    if ephemeral and not call.query.get("session"):
        raise HttpError(400, "bad arguments: ephemeral needs session=")
    return ephemeral


def _location(call: RestCall, parent: str, created: str) -> str:
    below = created if parent == "/" else created[len(parent) :]
    return call.uri.rstrip("/") + quote(below, safe="/!$&'()*+,;=:@~")
