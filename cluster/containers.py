"""What is done with one container through the engine, which may be on another machine."""

import io
import tarfile
from collections.abc import Mapping, Sequence

from docker.errors import DockerException, NotFound
from docker.models.containers import Container

from cluster.errors import ClusterError

UID = 1000  # of the server, as in the official image


def pack(files: Mapping[str, str]) -> bytes:
    """Return a tar archive of these texts by path, owned by the server's user."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.uid, entry.gid = len(text.encode()), 0o644, UID, UID
            tar.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


def execute(
    container: Container, command: Sequence[str], environment: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Run a command in a container that runs; return its exit status and what it printed.

    Raises:
        ClusterError: the engine could not run it.
    """
    try:
        status, output = container.exec_run(list(command), environment=dict(environment or {}))
    except DockerException as error:
        raise ClusterError(f"container {container.name}: {command[0]}: {error}") from error
    return status or 0, output.decode(errors="replace") if isinstance(output, bytes) else ""


def remove(container: Container) -> None:
    """Remove a container, whatever its state; one that is gone already is fine."""
    try:
        container.remove(force=True, v=True)
    except NotFound:
        pass  # somebody else's clean was quicker
    except DockerException as error:
        if "already in progress" not in str(error):
            raise ClusterError(f"container {container.name}: {error}") from error
