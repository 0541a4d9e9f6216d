"""ZooKeeper requests for kazoo's connection that kazoo lacks, or encodes slowly.

kazoo sends any object that has `type`, `serialize` and `deserialize`. These classes keep the zxid
of the reply, which kazoo drops, and encode a multi at a third of the cost. Source: zookeeper.jute
and MultiOperationRecord.java of ZooKeeper 3.9.
"""

import struct
from collections.abc import Sequence
from typing import Any

from kazoo.protocol.serialization import Exists, GetChildren2, Sync
from kazoo.protocol.serialization import GetData as KazooGetData

from zkmq.zookeeper.session.consistent_reads import Refusal, Seen, Value, View
from zkmq.zookeeper.store import (
    CheckVersion,
    Code,
    Committed,
    Create,
    Delete,
    GetData,
    Lost,
    Op,
    Read,
    Rejected,
    Reply,
    SetData,
    Znode,
)

CREATE, DELETE, GET_DATA, SET_DATA, GET_CHILDREN, CHECK = 1, 2, 4, 5, 8, 13
MULTI, MULTI_READ, ERROR = 14, 22, -1
EPHEMERAL, SEQUENCE = 1, 2
ROLLED_BACK, RUNTIME_INCONSISTENCY = 0, -2
SESSION_EXPIRED, SESSION_MOVED = -112, -118
KNOWN = {code.value: code for code in Code}
# What an error of one of several reads says of that node alone.
ABOUT_THE_NODE = {Code.NO_NODE.value: None, Code.NO_AUTH.value: Refusal.DENIED}

# The length, xid and type of a request.
REQUEST_HEADER_BYTES = 12
INT = struct.Struct("!i")
OP_HEADER = struct.Struct("!iBi")
REPLY_HEADER = struct.Struct("!iqi")
STAT = struct.Struct("!qqqqiiiqiiq")

CREATE_HEAD = OP_HEADER.pack(CREATE, 0, -1)
DELETE_HEAD = OP_HEADER.pack(DELETE, 0, -1)
SET_DATA_HEAD = OP_HEADER.pack(SET_DATA, 0, -1)
CHECK_HEAD = OP_HEADER.pack(CHECK, 0, -1)
GET_DATA_HEAD = OP_HEADER.pack(GET_DATA, 0, -1)
GET_CHILDREN_HEAD = OP_HEADER.pack(GET_CHILDREN, 0, -1)
END = OP_HEADER.pack(-1, 1, -1)


def _bytes(value: bytes) -> bytes:
    return INT.pack(len(value)) + value


def encode_acl(acls: Sequence[Any]) -> bytes:
    """Encode kazoo's ACLs for a create request."""
    encoded = INT.pack(len(acls))
    for acl in acls:
        encoded += INT.pack(acl.perms) + _bytes(acl.id.scheme.encode())
        encoded += _bytes(acl.id.id.encode())
    return encoded


class Multi:
    """A request for several writes, of which all or none take effect."""

    type = MULTI
    __slots__ = ("_body", "_chroot")

    def __init__(self, ops: Sequence[Op], acl: bytes, chroot: str = "") -> None:
        self._chroot = chroot
        self._body = b"".join([_encode(op, acl, chroot) for op in ops]) + END

    def serialize(self) -> bytes:
        """The request's body."""
        return self._body

    def deserialize(self, data: bytes, offset: int) -> list[Reply]:
        """Decode the answer. It is in a list, because kazoo copies the results of a multi."""
        _, zxid, _ = REPLY_HEADER.unpack_from(data, 0)
        created: list[str | None] = []
        codes: list[int] = []
        mtime_ms: int | None = None
        while True:
            kind, done, _ = OP_HEADER.unpack_from(data, offset)
            offset += OP_HEADER.size
            if done:
                break
            path: str | None = None
            if kind == CREATE:
                path, offset = self._path(data, offset)
            elif kind == SET_DATA:
                stat = STAT.unpack_from(data, offset)
                zxid, mtime_ms = stat[1], stat[3]
                offset += STAT.size
            elif kind == ERROR:
                codes.append(INT.unpack_from(data, offset)[0])
                offset += INT.size
            created.append(path)
        if codes:
            return [_rejected(codes)]
        return [Committed(zxid, created, mtime_ms)]

    def _path(self, data: bytes, offset: int) -> tuple[str, int]:
        length = INT.unpack_from(data, offset)[0]
        offset += INT.size
        path = data[offset : offset + length].decode()
        return path[len(self._chroot) :], offset + length


def _encode(op: Op, acl: bytes, chroot: str) -> bytes:
    path = _bytes((chroot + op.path).encode())
    match op:
        case Create(_, data, ephemeral, sequence):
            flags = INT.pack(EPHEMERAL * ephemeral | SEQUENCE * sequence)
            return b"".join((CREATE_HEAD, path, INT.pack(len(data)), data, acl, flags))
        case Delete(_, version):
            return b"".join((DELETE_HEAD, path, INT.pack(version)))
        case SetData(_, data, version):
            return b"".join((SET_DATA_HEAD, path, _bytes(data), INT.pack(version)))
        case CheckVersion(_, version):
            return b"".join((CHECK_HEAD, path, INT.pack(version)))


def multi_bytes(ops: Sequence[Op], acl: bytes, chroot: str = "") -> int:
    """The length of a whole request with these operations, in bytes."""
    fixed = OP_HEADER.size + 2 * INT.size + len(chroot.encode())
    total = REQUEST_HEADER_BYTES + len(END) + fixed * len(ops)
    for op in ops:
        total += len(op.path.encode())
        if isinstance(op, Create):
            total += len(op.data) + len(acl) + INT.size
        elif isinstance(op, SetData):
            total += len(op.data) + INT.size
    return total


def _rejected(codes: Sequence[int]) -> Reply:
    """Find the cause: the first error that is not a consequence of another one."""
    for index, code in enumerate(codes):
        if code in {SESSION_EXPIRED, SESSION_MOVED}:
            return Lost(f"the session was over (error {code})")
        if code not in {ROLLED_BACK, RUNTIME_INCONSISTENCY}:
            return Rejected(index, KNOWN.get(code, Code.OTHER), code)
    return Rejected(0, Code.OTHER, codes[0])


class MultiRead:
    """A request for several reads at one state. Servers from 3.6 on know it."""

    type = MULTI_READ
    __slots__ = ("_body",)

    def __init__(self, reads: Sequence[Read], chroot: str = "") -> None:
        parts = []
        for read in reads:
            head = GET_DATA_HEAD if isinstance(read, GetData) else GET_CHILDREN_HEAD
            parts += [head, _bytes((chroot + read.path).encode()), b"\0"]
        self._body = b"".join(parts) + END

    def serialize(self) -> bytes:
        """The request's body."""
        return self._body

    def deserialize(self, data: bytes, offset: int) -> "View | ReadRefusedError":
        """Decode the answers, in the order of the reads.

        A refusal is returned, because kazoo logs an exception as a defect, with its traceback.
        """
        _, zxid, _ = REPLY_HEADER.unpack_from(data, 0)
        results: list[Value] = []
        while True:
            kind, done, _ = OP_HEADER.unpack_from(data, offset)
            offset += OP_HEADER.size
            if done:
                return View(results, zxid)
            if kind == GET_DATA:
                node, offset = decode_node(data, offset)
                results.append(node)
            elif kind == GET_CHILDREN:
                names, offset = decode_names(data, offset)
                results.append(names)
            else:
                (code,) = INT.unpack_from(data, offset)
                if code not in ABOUT_THE_NODE:
                    return ReadRefusedError(code)
                results.append(ABOUT_THE_NODE[code])
                offset += INT.size


class ReadRefusedError(Exception):
    """A server refused one of several reads, and not for the node: it exists and may be read."""

    def __init__(self, code: int) -> None:
        super().__init__(f"error {code}")
        self.code = code


class ChildrenRequest(GetChildren2):  # type: ignore[misc]
    """A request for the children of one node, which keeps the zxid of the reply."""

    __slots__ = ()

    @classmethod
    def deserialize(cls, data: bytes, offset: int) -> Seen:
        """Decode the names, the zxid of the reply, and the zxid of the last change of a child."""
        names, offset = decode_names(data, offset)
        *_, last_change = STAT.unpack_from(data, offset)
        return Seen(names, REPLY_HEADER.unpack_from(data, 0)[1], last_change)


class DataRequest(KazooGetData):  # type: ignore[misc]
    """A request for the data and stat of one node, which keeps the zxid of the reply."""

    __slots__ = ()

    @classmethod
    def deserialize(cls, data: bytes, offset: int) -> Seen:
        """Decode the node, and the zxid of the reply."""
        node, _ = decode_node(data, offset)
        return Seen(node, REPLY_HEADER.unpack_from(data, 0)[1])


class SyncRequest(Sync):  # type: ignore[misc]
    """A request that is answered when the server has caught up with the leader."""

    __slots__ = ()

    def deserialize(self, data: bytes, offset: int) -> int:
        """Decode the zxid of the reply."""
        return int(REPLY_HEADER.unpack_from(data, 0)[1])


class StatRequest(Exists):  # type: ignore[misc]
    """A request for the stat of one node."""

    __slots__ = ()

    @classmethod
    def deserialize(cls, data: bytes, offset: int) -> Znode:
        """Decode the node, which has empty data."""
        return _node(b"", STAT.unpack_from(data, offset))


def decode_names(data: bytes, offset: int) -> tuple[list[str], int]:
    """Decode a vector of strings; also return the offset after it."""
    (count,) = INT.unpack_from(data, offset)
    offset += INT.size
    names = []
    for _ in range(count):
        start = offset + INT.size
        offset = start + INT.unpack_from(data, offset)[0]
        names.append(data[start:offset].decode())
    return names, offset


def decode_node(data: bytes, offset: int) -> tuple[Znode, int]:
    """Decode a buffer and a stat; also return the offset after them."""
    (length,) = INT.unpack_from(data, offset)
    offset += INT.size
    end = offset + max(length, 0)
    return _node(bytes(data[offset:end]), STAT.unpack_from(data, end)), end + STAT.size


def _node(data: bytes, stat: tuple[int, ...]) -> Znode:
    czxid, mzxid, ctime_ms, mtime_ms, version, changes, _, owner, _, children, _ = stat
    return Znode(data, version, czxid, mzxid, ctime_ms, mtime_ms, children, owner, changes)


def single_read(read: Read, chroot: str) -> DataRequest | ChildrenRequest:
    """Make a separate request of one read."""
    if isinstance(read, GetData):
        return DataRequest(chroot + read.path, None)
    return ChildrenRequest(chroot + read.path, None)
