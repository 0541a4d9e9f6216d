"""Damage the files of a server, through its node's sandbox.

Bytes are changed in place, so that a running server reads the damaged file.
"""

import hashlib
import tarfile
from collections.abc import Mapping

from docker.errors import DockerException

from cluster.cluster_errors import ClusterError
from cluster.engine.containers import download, pack
from cluster.pods.damage import damaged
from cluster.pods.sandbox import Sandbox
from harness.common.harness_errors import UnsupportedError
from harness.target import Evidence
from harness.target.disturbances import Damage, FileKind

FOLDER = "/data/version-2"
_BEGINS: Mapping[FileKind, str] = {
    "log": "log.",
    "snapshot": "snapshot.",
    "epoch": "currentEpoch",
    "any": "",
}
_PARCEL = "run/nemesis/damaged"


def damage(sandbox: Sandbox, file: FileKind, how: Damage) -> Evidence:
    """Damage the newest file of a kind; return its name, its sizes, and whether it `changed`.

    Raises:
        UnsupportedError: there is none, or it has nothing that can be damaged so.
        ClusterError: it could not be read or written.
    """
    name, before = _newest(sandbox, file)
    try:
        wanted = damaged(before, file, how)
    except ValueError as error:
        raise UnsupportedError(f"node {sandbox.id}: {name}: {how}: {error}") from error
    begin, end = _changed(before, wanted)
    _write(
        sandbox, name, wanted[begin:end], begin, len(wanted) if len(wanted) < len(before) else None
    )
    after = _named(sandbox, name)
    # A running server goes on writing after its last record.
    last = end if len(wanted) == len(before) else len(before.rstrip(b"\0"))
    there, meant = (content.ljust(len(before), b"\0")[begin:last] for content in (after, wanted))
    return {
        "node": sandbox.id,
        "file": name,
        "bytes": [len(before), len(after)],
        "sha256": [hashlib.sha256(each).hexdigest()[:12] for each in (before, after)],
        "changed": before != wanted and there == meant,
    }


def put_back_old_snapshot(sandbox: Sandbox) -> Evidence:
    """Delete all logs and all snapshots but the oldest, as when an old backup is restored.

    Raises:
        ClusterError: there is no snapshot.
    """
    names = sorted(sandbox.ask(["ls", FOLDER], "ls").split(), key=_number)
    snapshots = [name for name in names if name.startswith("snapshot.")]
    logs = [name for name in names if name.startswith("log.")]
    if not snapshots:
        raise ClusterError(f"node {sandbox.id}: expected a snapshot in {FOLDER}, got none")
    removed = [*snapshots[1:], *logs]
    sandbox.run(["rm", "-f", *(f"{FOLDER}/{name}" for name in removed)])
    return {
        "node": sandbox.id,
        "file": snapshots[0],
        "removed": removed,
        "changed": bool(removed),
    }


def _newest(sandbox: Sandbox, file: FileKind) -> tuple[str, bytes]:
    """Return name and content of the file with the highest zxid in its name."""
    found = {n: text for n, text in _files(sandbox).items() if n.startswith(_BEGINS[file])}
    if not found:
        raise UnsupportedError(f"node {sandbox.id}: expected a file of kind {file!r}, got none")
    name = max(found, key=_number)
    return name, found[name]


def _named(sandbox: Sandbox, name: str) -> bytes:
    """Return the content of a file; empty if the file is gone."""
    return _files(sandbox).get(name, b"")


def _changed(before: bytes, wanted: bytes) -> tuple[int, int]:
    """Return the range of bytes in which the wanted content differs."""
    begin = _same(before, wanted)
    if len(before) != len(wanted):
        return begin, len(wanted)
    return begin, max(begin, len(wanted) - _same(before[::-1], wanted[::-1]))


def _same(one: bytes, other: bytes) -> int:
    """Return the number of equal bytes at the beginning."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


def _files(sandbox: Sandbox) -> dict[str, bytes]:
    """Return the files of the database by name."""
    found: dict[str, bytes] = {}
    try:
        with (
            download(sandbox.container, FOLDER) as archive,
            tarfile.open(fileobj=archive) as tar,
        ):
            for entry in tar:
                name = entry.name.rpartition("/")[2]
                if entry.isfile():
                    opened = tar.extractfile(entry)
                    assert opened is not None
                    found[name] = opened.read()
    except (DockerException, tarfile.TarError, OSError) as error:
        raise ClusterError(f"node {sandbox.id}: {FOLDER}: {error}") from error
    return found


def _write(sandbox: Sandbox, name: str, content: bytes, at: int, size: int | None) -> None:
    """Overwrite a part of an existing file, from byte `at`; then cut it to `size`, if given."""
    try:
        sandbox.container.put_archive("/", pack({_PARCEL: content}))
    except DockerException as error:
        raise ClusterError(f"node {sandbox.id}: {name}: {error}") from error
    path = f"{FOLDER}/{name}"
    put = f"dd if=/{_PARCEL} of={path} bs=1M seek={at} oflag=seek_bytes conv=notrunc status=none"
    cut = "" if size is None else f"truncate -s {size} {path} && "
    sandbox.run(["sh", "-c", f"{put} && {cut}rm /{_PARCEL}"])


def _number(name: str) -> int:
    """Return the zxid in the name of a log or snapshot; -1 for all others."""
    try:
        return int(name.rpartition(".")[2], 16)
    except ValueError:
        return -1
