"""ZooKeeper's wire protocol as far as a proxy has to understand it: frames, requests, replies.

A frame is a length and a body. The first frame of each direction is the handshake; then requests
carry an xid and an opcode, and replies the same xid, a zxid and an error. Integers are big-endian.
Source: zookeeper.jute and MultiOperationRecord.java of ZooKeeper 3.9.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

INT = struct.Struct("!i")
LONG = struct.Struct("!q")
STAT_BYTES = 68
REPLY_HEADER = struct.Struct("!iqi")
REQUEST_HEADER = struct.Struct("!ii")
HANDSHAKE = struct.Struct("!iqiq")
HANDSHAKE_REPLY = struct.Struct("!iiq")
MULTI_HEADER = struct.Struct("!i?i")
EPHEMERAL = 1


class Opcode(IntEnum):
    """Requests by their number; CONNECT is this proxy's own name for the handshake."""

    CREATE = 1
    DELETE = 2
    EXISTS = 3
    GET_DATA = 4
    SET_DATA = 5
    GET_CHILDREN = 8
    SYNC = 9
    PING = 11
    GET_CHILDREN2 = 12
    CHECK = 13
    MULTI = 14
    CREATE2 = 15
    REMOVE_WATCHES = 18
    MULTI_READ = 22
    AUTH = 100
    SET_WATCHES = 101
    SASL = 102
    CLOSE = -11
    ERROR = -1
    CONNECT = -1000


# What a connection sends by itself: no call of an application waits for it.
UPKEEP = frozenset({Opcode.PING, Opcode.AUTH, Opcode.SET_WATCHES, Opcode.SASL})
WRITES = frozenset(
    {Opcode.CREATE, Opcode.CREATE2, Opcode.DELETE, Opcode.SET_DATA, Opcode.MULTI, Opcode.CLOSE}
)
WATCH_EVENT_XID = -1
NO_NODE, SESSION_EXPIRED = -101, -112


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a request; `ephemeral` only of a creation."""

    opcode: Opcode
    path: str
    ephemeral: bool = False

    def __str__(self) -> str:
        """For people: `delete …/item-100-0000000000`."""
        return f"{self.opcode.name.lower()} {self.path}"


@dataclass(frozen=True, slots=True)
class Request:
    """One request with all its operations, a multi's in order."""

    xid: int
    opcode: Opcode
    operations: tuple[Operation, ...]

    def __str__(self) -> str:
        """For people: the opcode, and what it is about."""
        about = ", ".join(map(str, self.operations))
        return f"{self.opcode.name.lower()}[{about}]" if about else self.opcode.name.lower()


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. `created` has a path for each creation of a multi, in order.

    `error` is the header's, or the first of a multi's that is a cause and no consequence.
    """

    xid: int
    zxid: int
    error: int
    created: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Handshake:
    """Who a client says it is (0: nobody yet), or who the server says it is from now on."""

    session: int
    password: bytes
    timeout_ms: int


class Cursor:
    """Reads one body from its start."""

    def __init__(self, body: bytes, offset: int = 0) -> None:
        self._body = body
        self._offset = offset

    def unpack(self, layout: struct.Struct) -> tuple[int, ...]:
        """Read fixed fields."""
        values = layout.unpack_from(self._body, self._offset)
        self._offset += layout.size
        return values

    def integer(self) -> int:
        """Read four bytes."""
        return self.unpack(INT)[0]

    def buffer(self) -> bytes:
        """Read a length and as many bytes; -1 is none."""
        length = max(0, self.integer())
        self.skip(length)
        return self._body[self._offset - length : self._offset]

    def string(self) -> str:
        """Read a path."""
        return self.buffer().decode()

    def skip(self, count: int) -> None:
        """Pass over bytes."""
        self._offset += count


def frame(body: bytes) -> bytes:
    """Put the length in front."""
    return INT.pack(len(body)) + body


def read_handshake(body: bytes) -> Handshake:
    """Decode a client's first frame."""
    cursor = Cursor(body)
    _, _, timeout_ms, session = cursor.unpack(HANDSHAKE)
    return Handshake(session, cursor.buffer(), timeout_ms)


def read_handshake_reply(body: bytes) -> Handshake:
    """Decode a server's first frame; a time-out of 0 says that the session has expired."""
    cursor = Cursor(body)
    _, timeout_ms, session = cursor.unpack(HANDSHAKE_REPLY)
    return Handshake(session, cursor.buffer(), timeout_ms)


def write_handshake(session: int, password: bytes, timeout_ms: int) -> bytes:
    """Encode a client's first frame."""
    return HANDSHAKE.pack(0, 0, timeout_ms, session) + frame(password) + b"\0"


def read_request(body: bytes) -> Request:
    """Decode a request; opcodes that this proxy need not understand have no operations."""
    cursor = Cursor(body)
    xid, number = cursor.unpack(REQUEST_HEADER)
    opcode = Opcode(number)
    if opcode in {Opcode.MULTI, Opcode.MULTI_READ}:
        return Request(xid, opcode, tuple(_operations(cursor)))
    if opcode in UPKEEP or opcode is Opcode.CLOSE:
        return Request(xid, opcode, ())
    return Request(xid, opcode, (_operation(opcode, cursor),))


def read_reply(body: bytes, opcode: Opcode) -> Reply:
    """Decode the reply to a request of that opcode."""
    cursor = Cursor(body)
    xid, zxid, error = cursor.unpack(REPLY_HEADER)
    if opcode is Opcode.MULTI and not error:
        error, created = _results(cursor)
        return Reply(xid, zxid, error, created)
    if opcode in {Opcode.CREATE, Opcode.CREATE2} and not error:
        return Reply(xid, zxid, 0, (cursor.string(),))
    return Reply(xid, zxid, error)


def _operations(cursor: Cursor) -> Iterator[Operation]:
    while True:
        number, done, _ = cursor.unpack(MULTI_HEADER)
        if done:
            return
        yield _operation(Opcode(number), cursor)


def _operation(opcode: Opcode, cursor: Cursor) -> Operation:
    path = cursor.string()
    if opcode in {Opcode.CREATE, Opcode.CREATE2}:
        cursor.buffer()
        for _ in range(cursor.integer()):
            cursor.integer()
            cursor.buffer()
            cursor.buffer()
        return Operation(opcode, path, ephemeral=bool(cursor.integer() & EPHEMERAL))
    if opcode is Opcode.SET_DATA:
        cursor.buffer()
    cursor.skip(INT.size if opcode in {Opcode.DELETE, Opcode.SET_DATA, Opcode.CHECK} else 1)
    return Operation(opcode, path)


def _results(cursor: Cursor) -> tuple[int, tuple[str, ...]]:
    """The first error that is a cause, and what was created."""
    errors: list[int] = []
    created: list[str] = []
    while True:
        number, done, _ = cursor.unpack(MULTI_HEADER)
        if done:
            cause = next((error for error in errors if error not in {0, -2}), 0)
            return cause or (errors[0] if errors else 0), tuple(created)
        if number == Opcode.ERROR:
            errors.append(cursor.integer())
        elif number in {Opcode.CREATE, Opcode.CREATE2}:
            created.append(cursor.string())
            cursor.skip(STAT_BYTES if number == Opcode.CREATE2 else 0)
        elif number == Opcode.SET_DATA:
            cursor.skip(STAT_BYTES)
