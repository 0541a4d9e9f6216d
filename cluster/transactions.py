"""The zxid at which each session ended, read from the servers' transaction logs.

No client gets to know it, and the tree does not keep it. A server that was wiped has only the
transactions since, so each server's log is read by itself.
Source: FileTxnLog of ZooKeeper, whose layout is the same in 3.8 and 3.9.
"""

import struct
import tarfile
from collections.abc import Iterable, Iterator
from typing import IO

from docker.errors import DockerException

from cluster.engine.containers import download
from cluster.engine.each import each
from cluster.pods.pod import Pod
from harness.common.server_states import SessionEnds

FOLDER = "/data/version-2"
MAX_BYTES = 1 << 30  # of one log; a longer one is an `error`
MAX_RECORD_BYTES = 64 << 20
CLOSE_SESSION = -11
_MAGIC = b"ZKLG"
_FILE = struct.Struct(">4siq")  # magic, version, database
_RECORD = struct.Struct(">qi")  # checksum, length
_HEADER = struct.Struct(">qiqqi")  # session, cxid, zxid, time, type


def session_ends(pods: Iterable[Pod]) -> list[SessionEnds]:
    """Read all servers' logs at once; a log that can't be read gives an `error`, no exception."""
    return each(pods, _read)


def ends_of(log: IO[bytes]) -> Iterator[tuple[int, int]]:
    """Yield session and zxid of each session's end in one log file, up to its first gap.

    A gap is where the file was allocated and not yet written, or where a crash cut a record.

    Raises:
        ValueError: it is not a transaction log.
    """
    head = log.read(_FILE.size)
    if head[:4] != _MAGIC:
        if not head.strip(b"\0"):
            return  # allocated a moment before a crash
        raise ValueError(f"expected a transaction log ({_MAGIC!r}), got {head[:4]!r}")
    while len(prefix := log.read(_RECORD.size)) == _RECORD.size:
        _, length = _RECORD.unpack(prefix)
        if not _HEADER.size <= length <= MAX_RECORD_BYTES:
            return
        record = log.read(length + 1)  # and a byte that ends it
        if len(record) <= length:
            return
        session, _, zxid, _, kind = _HEADER.unpack_from(record)
        if kind == CLOSE_SESSION:
            yield session, zxid


def _logs(pod: Pod) -> Iterator[IO[bytes]]:
    """Yield a server's transaction log files, one after the other."""
    with download(pod.server, FOLDER) as archive, tarfile.open(fileobj=archive) as tar:
        for entry in tar:
            if entry.name.rpartition("/")[2].startswith("log."):
                if entry.size > MAX_BYTES:
                    raise ValueError(f"{entry.name}: {entry.size} bytes, more than {MAX_BYTES}")
                file = tar.extractfile(entry)
                assert file is not None
                yield file


def _read(pod: Pod) -> SessionEnds:
    ended: dict[int, int] = {}
    try:
        for log in _logs(pod):
            ended.update(ends_of(log))
    except (DockerException, tarfile.TarError, ValueError, OSError) as error:
        return SessionEnds(node=pod.id, error=f"{type(error).__name__}: {error}")
    return SessionEnds(node=pod.id, ended=ended)
