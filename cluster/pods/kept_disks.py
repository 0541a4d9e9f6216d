"""Servers' databases, kept on this machine between one quorum and the next."""

import gzip
import shutil
from pathlib import Path

from docker.errors import DockerException
from docker.models.containers import Container

from cluster.cluster_errors import ClusterError
from cluster.engine.containers import download
from harness.common.settings.quorum_config import kept_disk

DATA = "/data"
DATABASE = f"{DATA}/version-2"
LEVEL = 1  # logs are mostly zeros, which any level packs


def keep(server: Container, folder: Path, node: int) -> None:
    """Write the database of a server that is down to a folder; it appears whole or not at all.

    Raises:
        ClusterError: it could not be read or written.
    """
    kept = kept_disk(folder, node)
    partial = kept.with_suffix(".partial")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with download(server, DATABASE) as archive, gzip.open(partial, "wb", LEVEL) as packed:
            shutil.copyfileobj(archive, packed)
        partial.replace(kept)
    except (DockerException, OSError) as error:
        raise ClusterError(
            f"node {node}: its disk could not be kept in {folder}: {error}"
        ) from error


def put_back(server: Container, folder: Path, node: int) -> None:
    """Copy the kept database to a server that was created and not started yet.

    Raises:
        ClusterError: it could not be read, or the engine refused.
    """
    kept = kept_disk(folder, node)
    why = f"node {node}: the kept disk {kept} cannot be used"
    try:
        with gzip.open(kept) as packed:
            archive = packed.read()
        if archive:
            server.put_archive(DATA, archive)
    except (DockerException, OSError, EOFError) as error:
        raise ClusterError(f"{why}: {error}") from error
    if not archive:
        raise ClusterError(f"{why}: it is empty")
