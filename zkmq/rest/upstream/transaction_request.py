"""kazoo's transaction, which keeps the error numbers for which kazoo has no class."""

from typing import Any

from kazoo.exceptions import EXCEPTIONS
from kazoo.protocol.serialization import Create, SetData, Transaction
from kazoo.protocol.states import ZnodeStat

from zkmq.zookeeper.session.kazoo_connection import ServerError
from zkmq.zookeeper.session.wire import ERROR, INT, OP_HEADER, STAT


class TransactionRequest(Transaction):  # type: ignore[misc]
    """A transaction. An error number that only a newer server knows becomes a `ServerError`.

    kazoo's own breaks there: the caller gets a RuntimeError instead of the results.
    """

    __slots__ = ()

    @classmethod
    def deserialize(cls, data: bytes, offset: int) -> list[Any]:
        """Decode one result for each operation: a path, a stat, True, or an error."""
        results: list[Any] = []
        while True:
            kind, done, _ = OP_HEADER.unpack_from(data, offset)
            offset += OP_HEADER.size
            if done:
                return results
            if kind == ERROR:
                (code,) = INT.unpack_from(data, offset)
                offset += INT.size
                results.append(EXCEPTIONS[code]() if code in EXCEPTIONS else ServerError(code))
            elif kind == Create.type:
                start = offset + INT.size
                offset = start + INT.unpack_from(data, offset)[0]
                results.append(data[start:offset].decode())
            elif kind == SetData.type:
                results.append(ZnodeStat._make(STAT.unpack_from(data, offset)))
                offset += STAT.size
            else:
                results.append(True)
