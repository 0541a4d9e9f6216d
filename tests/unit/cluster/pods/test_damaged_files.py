"""Which file of a server is damaged, and how it is put back in its place."""

import io
import re
import tarfile
from collections.abc import Iterator, Sequence
from typing import Any, cast

import pytest

from cluster.cluster_errors import ClusterError
from cluster.pods import damaged_files
from cluster.pods.sandbox import Sandbox
from harness.common.harness_errors import UnsupportedError
from harness.target.disturbances import Damage, FileKind

PARCEL = "run/nemesis/damaged"


class Files(Sandbox):
    """A sandbox with these files in its database."""

    def __init__(self, **files: bytes) -> None:
        super().__init__(id=3, run="r", tags={})
        self.files = {name.replace("_", "."): content for name, content in files.items()}
        self._container = cast("Any", self)
        self.parcel = b""
        self.deaf = False
        self.appended = b""

    def get_archive(self, _: str) -> tuple[Iterator[bytes], dict[str, Any]]:
        """Give all files."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for name, content in self.files.items():
                entry = tarfile.TarInfo(f"version-2/{name}")
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
        return iter([packed.getvalue()]), {}

    def put_archive(self, _: str, packed: bytes) -> None:
        """Take one file."""
        with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
            opened = tar.extractfile(PARCEL)
            assert opened is not None
            self.parcel = opened.read()

    def run(self, command: Sequence[str]) -> str:
        """List, delete, or put the taken file in a place."""
        if command[0] == "ls":
            return "\n".join(self.files)
        if command[0] == "rm":
            for path in command[2:]:
                del self.files[path.rpartition("/")[2]]
        elif not self.deaf:
            self._patch(command[2])
        return ""

    def _patch(self, script: str) -> None:
        path, at = re.findall(r" of=(\S+) .* seek=(\d+) ", script)[0]
        name, begin = path.rpartition("/")[2], int(at)
        old = self.files[name]
        new = old[:begin] + self.parcel + old[begin + len(self.parcel) :]
        cut = re.findall(r"truncate -s (\d+)", script)
        new = new[: int(cut[0])] if cut else new
        # A server that runs writes where it was, with a hole before it in a file that was cut.
        self.files[name] = new.ljust(len(old), b"\0") + self.appended if self.appended else new


@pytest.mark.parametrize(
    ("file", "name"), [("snapshot", "snapshot.10"), ("epoch", "currentEpoch"), ("log", "log.a")]
)
def test_the_newest_file_of_its_kind_is_damaged(file: FileKind, name: str) -> None:
    """Numbers in names are hexadecimal; all other files stay as they are."""
    node = Files(
        snapshot_9=b"old", snapshot_10=b"new", log_9=b"x", log_a=b"y", currentEpoch=b"1", log_1=b"z"
    )
    before = dict(node.files)
    told = damaged_files.damage(node, file, "empty")
    assert (told["file"], told["changed"], told["bytes"][1]) == (name, True, 0)
    assert node.files == before | {name: b""}


def test_a_file_that_stays_as_it_was_is_told() -> None:
    """What could not be written did not change."""
    node = Files(currentEpoch=b"1")
    node.deaf = True
    assert damaged_files.damage(node, "epoch", "empty")["changed"] is False


@pytest.mark.parametrize("how", ["flip-bit", "truncate", "empty"])
def test_a_server_that_runs_goes_on_writing(how: Damage) -> None:
    """What it writes behind the damaged bytes stays, and does not hide that they changed."""
    node = Files(currentEpoch=b"12345678")
    node.appended = b"more"
    told = damaged_files.damage(node, "epoch", how)
    assert told["changed"] is True
    assert node.files["currentEpoch"].endswith(b"more")
    node = Files(currentEpoch=b"12345678")
    node.deaf = True
    assert damaged_files.damage(node, "epoch", how)["changed"] is False


def test_only_the_bytes_that_differ_are_written() -> None:
    """A bit of a long file is one byte at its place."""
    node = Files(snapshot_1=bytes(1000))
    damaged_files.damage(node, "snapshot", "flip-bit")
    assert node.parcel == b"\1"
    assert node.files["snapshot.1"] == bytes(500) + b"\1" + bytes(499)


def test_no_file_of_the_kind_is_refused() -> None:
    """A server that never wrote a snapshot cannot have it damaged."""
    with pytest.raises(UnsupportedError, match="node 3: expected a file of kind 'snapshot'"):
        damaged_files.damage(Files(log_1=b"x"), "snapshot", "flip-bit")


def test_a_log_with_too_few_records_is_refused() -> None:
    """The reason names the node, the file and the damage."""
    with pytest.raises(UnsupportedError, match=r"node 3: log.1: drop-record: expected a log of"):
        damaged_files.damage(Files(log_1=b"ZKLG"), "log", "drop-record")


def test_an_old_snapshot_is_put_back() -> None:
    """The oldest snapshot and the epochs stay; newer snapshots and all logs go."""
    node = Files(snapshot_9=b"", snapshot_10=b"", log_1=b"", log_a=b"", currentEpoch=b"1")
    told = damaged_files.put_back_old_snapshot(node)
    assert sorted(node.files) == ["currentEpoch", "snapshot.9"]
    assert (told["file"], told["changed"]) == ("snapshot.9", True)
    assert sorted(told["removed"]) == ["log.1", "log.a", "snapshot.10"]
    with pytest.raises(ClusterError, match="expected a snapshot"):
        damaged_files.put_back_old_snapshot(Files(log_1=b""))
