"""A ZooKeeper server's half of the wire protocol: requests with all they carry, and answers.

What a proxy has to understand is in `worlds.proxy.protocol`; this decodes data, versions and
flags too, into the operations of `zkmq.zookeeper.store`, and encodes what a server sends back.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from worlds.memory.zookeeper import (
    READ,
    Changed,
    Created,
    Deleted,
    Leader,
    StoredZnode,
    Transaction,
    Tree,
)
from worlds.proxy.protocol import (
    EPHEMERAL,
    HANDSHAKE_REPLY,
    INT,
    MULTI_HEADER,
    NO_NODE,
    REPLY_HEADER,
    REQUEST_HEADER,
    Cursor,
    Opcode,
    frame,
)
from zkmq.zookeeper.store import (
    CheckVersion,
    Code,
    Create,
    Delete,
    GetChildren,
    GetData,
    Op,
    Read,
    Rejected,
    SetData,
)

SEQUENCE = 2
STAT = struct.Struct("!qqqqiiiqiiq")
NO_CHILDREN_FOR_EPHEMERALS = -108
AFTER_THE_CAUSE = -2
WATCH_HEADER = REPLY_HEADER.pack(-1, -1, 0)
CONNECTED = 3
END = MULTI_HEADER.pack(-1, True, -1)  # noqa: FBT003 - the field is a flag


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. `ops` are of a multi, `reads` of all that looks; `watch` of a single read."""

    xid: int
    opcode: Opcode
    ops: tuple[Op, ...] = ()
    reads: tuple[Read, ...] = ()
    path: str = ""
    watch: bool = False


def asked(body: bytes) -> Asked:
    """Decode a request; ValueError for an opcode that this server does not know."""
    cursor = Cursor(body)
    xid, number = cursor.unpack(REQUEST_HEADER)
    opcode = Opcode(number)
    match opcode:
        case Opcode.MULTI:
            return Asked(xid, opcode, ops=tuple(_ops(cursor)))
        case Opcode.MULTI_READ:
            return Asked(xid, opcode, reads=tuple(_reads(cursor)))
        case Opcode.GET_DATA | Opcode.EXISTS | Opcode.GET_CHILDREN2:
            path, watch = cursor.string(), bool(body[-1])
            return Asked(xid, opcode, path=path, watch=watch)
        case Opcode.SYNC | Opcode.REMOVE_WATCHES:
            return Asked(xid, opcode, path=cursor.string())
        case Opcode.PING | Opcode.AUTH | Opcode.CLOSE:
            return Asked(xid, opcode)
        case _:
            raise ValueError(f"expected a request that zkmq sends, got {opcode.name}")


def _ops(cursor: Cursor) -> list[Op]:
    ops: list[Op] = []
    while True:
        number, done, _ = cursor.unpack(MULTI_HEADER)
        if done:
            return ops
        path = cursor.string()
        match Opcode(number):
            case Opcode.CREATE:
                data = cursor.buffer()
                for _ in range(cursor.integer()):
                    cursor.integer()
                    cursor.buffer()
                    cursor.buffer()
                flags = cursor.integer()
                ops.append(Create(path, data, bool(flags & EPHEMERAL), bool(flags & SEQUENCE)))
            case Opcode.DELETE:
                ops.append(Delete(path, cursor.integer()))
            case Opcode.SET_DATA:
                data = cursor.buffer()
                ops.append(SetData(path, data, cursor.integer()))
            case Opcode.CHECK:
                ops.append(CheckVersion(path, cursor.integer()))
            case other:
                raise ValueError(f"expected an operation that zkmq sends, got {other.name}")


def _reads(cursor: Cursor) -> list[Read]:
    reads: list[Read] = []
    while True:
        number, done, _ = cursor.unpack(MULTI_HEADER)
        if done:
            return reads
        path = cursor.string()
        cursor.skip(1)
        reads.append(GetData(path) if number == Opcode.GET_DATA else GetChildren(path))


def welcome(session: int, password: bytes, timeout_ms: int) -> bytes:
    """The answer to a handshake; a time-out of 0 says that the session has ended."""
    return frame(HANDSHAKE_REPLY.pack(0, timeout_ms, session) + frame(password) + b"\0")


def answer(xid: int, zxid: int, error: int = 0, body: bytes = b"") -> bytes:
    """One answer."""
    return frame(REPLY_HEADER.pack(xid, zxid, error) + body)


def event(kind: int, path: str) -> bytes:
    """What a watch sends."""
    return frame(WATCH_HEADER + INT.pack(kind) + INT.pack(CONNECTED) + _text(path))


def stat(node: StoredZnode) -> bytes:
    """A node's stat."""
    changes = 2 * node.creations - len(node.children)
    return STAT.pack(
        node.czxid, node.mzxid, node.ctime_ms, node.mtime_ms, node.version, changes, 0,
        node.owner, len(node.data), len(node.children), 0,
    )  # fmt: skip


def data(node: StoredZnode) -> bytes:
    """A node's data and stat."""
    return _buffer(node.data) + stat(node)


def names(children: Sequence[str]) -> bytes:
    """The names of a node's children."""
    return INT.pack(len(children)) + b"".join(map(_text, children))


def results(tree: Tree, ops: Sequence[Op], transaction: Transaction) -> bytes:
    """The answer to a multi that was carried out."""
    effects = iter(transaction.effects)
    parts: list[bytes] = []
    for op in ops:
        match None if isinstance(op, CheckVersion) else next(effects):
            case None:
                parts.append(_result(Opcode.CHECK))
            case Created(path):
                parts.append(_result(Opcode.CREATE) + _text(path))
            case Changed(path):
                parts.append(_result(Opcode.SET_DATA) + stat(_stamped(tree, path, transaction)))
            case Deleted():
                parts.append(_result(Opcode.DELETE))
    return b"".join(parts) + END


def _stamped(tree: Tree, path: str, transaction: Transaction) -> StoredZnode:
    """A node as it was changed; one that the same multi has deleted since has its stamp."""
    zxid, time_ms = transaction.zxid, transaction.time_ms
    return tree.nodes.get(path) or StoredZnode(b"", zxid, zxid, time_ms, time_ms)


def views(leader: Leader, reads: Sequence[Read]) -> bytes:
    """The answer to several reads."""
    return b"".join(_view(leader, read) for read in reads) + END


def _view(leader: Leader, read: Read) -> bytes:
    node = leader.tree.nodes.get(read.path)
    if node is None:
        return _failed(NO_NODE)
    if not leader.allows(read.path, READ):
        return _failed(Code.NO_AUTH.value)
    if isinstance(read, GetData):
        return _result(Opcode.GET_DATA) + data(node)
    return _result(Opcode.GET_CHILDREN) + names(sorted(node.children))


def _failed(code: int) -> bytes:
    return _result(Opcode.ERROR) + INT.pack(code)


def refused(index: int, code: int, count: int) -> bytes:
    """The results of a multi that was refused for its operation `index`."""
    codes = [0] * index + [code] + [AFTER_THE_CAUSE] * (count - index - 1)
    return b"".join(map(_failed, codes)) + END


def number_of(rejected: Rejected) -> int:
    """A refusal's number on the wire."""
    return rejected.code.value or rejected.number or NO_CHILDREN_FOR_EPHEMERALS


def _result(opcode: Opcode) -> bytes:
    return MULTI_HEADER.pack(opcode, False, 0)  # noqa: FBT003 - the field is a flag


def _buffer(value: bytes) -> bytes:
    return INT.pack(len(value)) + value


def _text(value: str) -> bytes:
    return _buffer(value.encode())
