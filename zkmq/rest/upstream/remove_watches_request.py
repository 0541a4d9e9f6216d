"""A request that lets the server forget watches, which kazoo lacks. ZooKeeper 3.5 and later."""

from kazoo.client import KazooClient
from kazoo.protocol.serialization import write_string

from zkmq.zookeeper.session.wire import INT

ANY_KIND = 3
# The server had no such watch: it has fired.
NO_WATCHER = -121
# The server is older than this request.
UNIMPLEMENTED = -6


class RemoveWatchesRequest:
    """Removes the watches of one session on one znode, of data and of children.

    kazoo forgets their callbacks when it reads the answer, in its own thread. So the callback of a
    watch that is armed after this request stays.
    """

    type = 18
    __slots__ = ("_client", "_path")

    def __init__(self, client: KazooClient, path: str) -> None:
        self._client = client
        self._path = path

    def serialize(self) -> bytes:
        """The request's body."""
        body: bytes = write_string(self._path)
        return body + INT.pack(ANY_KIND)

    def deserialize(self, _data: bytes, _offset: int) -> bool:
        """Forget the callbacks."""
        for watchers in (self._client._data_watchers, self._client._child_watchers):  # noqa: SLF001
            watchers.pop(self._path, None)
        return True
