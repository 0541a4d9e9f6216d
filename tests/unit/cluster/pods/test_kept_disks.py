"""Databases that are kept: whole or not at all, and put back as they were."""

import gzip
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from docker.errors import DockerException
from docker.models.containers import Container

from cluster.cluster_errors import ClusterError
from cluster.engine.containers import pack
from cluster.pods import kept_disks
from harness.common.settings.quorum_config import kept_disk


class Server:
    """A container with one folder; it may break while it is read."""

    def __init__(self, *, breaks: bool = False) -> None:
        self.put: dict[str, bytes] = {}
        self._breaks = breaks

    def get_archive(self, path: str) -> tuple[Iterator[bytes], object]:
        """Give the folder."""

        def chunks() -> Iterator[bytes]:
            yield pack({"version-2/log.1": b"\0" * 5000})
            if self._breaks:
                raise DockerException("the engine is gone")

        assert path == "/data/version-2"
        return chunks(), None

    def put_archive(self, path: str, data: bytes) -> None:
        """Note what it is given."""
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for entry in archive:
                file = archive.extractfile(entry)
                assert file is not None
                self.put[f"{path}/{entry.name}"] = file.read()


def container(server: Server) -> Container:
    """Return it as what it stands for."""
    return cast(Container, server)


def test_what_was_kept_is_put_back(tmp_path: Path) -> None:
    """Below /data, where the next server looks for it."""
    kept_disks.keep(container(Server()), tmp_path / "disks", 2)
    back = Server()
    kept_disks.put_back(container(back), tmp_path / "disks", 2)
    assert back.put == {"/data/version-2/log.1": b"\0" * 5000}


def test_half_a_disk_is_none(tmp_path: Path) -> None:
    """If the engine breaks off, no disk of that node is there."""
    with pytest.raises(ClusterError, match="node 2: its disk could not be kept"):
        kept_disks.keep(container(Server(breaks=True)), tmp_path, 2)
    assert not kept_disk(tmp_path, 2).exists()


@pytest.mark.parametrize(
    "content",
    [None, b"", b"nonsense", gzip.compress(b"x" * 999, mtime=0)[:-9]],
    ids=["gone", "empty", "nonsense", "cut"],
)
def test_a_damaged_disk_is_an_error(tmp_path: Path, content: bytes | None) -> None:
    """It names the file."""
    if content is not None:
        kept_disk(tmp_path, 2).write_bytes(content)
    with pytest.raises(ClusterError, match=r"node-2.tar.gz cannot be used"):
        kept_disks.put_back(container(Server()), tmp_path, 2)
