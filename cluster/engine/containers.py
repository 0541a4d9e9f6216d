"""Files and commands of one container, through the engine, which may be on another machine."""

import io
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Any, NamedTuple

import docker
import tenacity
from docker.api.client import APIClient
from docker.errors import APIError, ContainerError, DockerException, NotFound
from docker.models.containers import Container
from docker.models.images import Image
from requests.exceptions import ReadTimeout

from cluster.cluster_errors import ClusterError, EngineGoneError
from cluster.engine import engine
from harness.common.harness_errors import UnsupportedError
from harness.common.polling import wait_until

UID = 1000  # of the server, as in the official image
ENDS_WITHIN_S = 300.0  # a container with one command: a few seconds of Java, on a busy machine
EXIT_WITHIN_S = 30.0  # after a command's output has ended; usually its exit is known at once
POLL_S = 0.01
FREEZE_WITHIN_S = 30.0
REMOVED_WITHIN_S = 20.0
STARTS = 5
PAUSE_S = 0.5


class Executed(NamedTuple):
    """How a command ended: its exit status, its standard output, its standard error.

    The two are kept apart, as the engine may send them in any order.
    """

    status: int
    output: str = ""
    errors: str = ""


# What an engine that is too busy to start a command says of it. A shell's own 126 has words.
NOT_STARTED = Executed(126)


def pack(files: Mapping[str, str | bytes]) -> bytes:
    """Return a tar archive of these texts or bytes by path, owned by the server's user."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, text in files.items():
            content = text.encode() if isinstance(text, str) else text
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.uid, entry.gid = len(content), 0o644, UID, UID
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


@contextmanager
def download(container: Container, path: str) -> Iterator[IO[bytes]]:
    """Lend a folder's tar archive, on disk; the container need not run.

    Raises:
        DockerException: there is no such path, or the engine could not give it.
    """
    chunks, _ = container.get_archive(path)
    with tempfile.TemporaryFile() as archive:
        archive.writelines(chunks)
        archive.seek(0)
        yield archive


def execute(
    container: Container, command: Sequence[str], environment: Mapping[str, str] | None = None
) -> Executed:
    """Run a command in a container that runs; return how it ended, and what it printed.

    Raises:
        ClusterError: the engine could not run it, or did not say how it ended.
    """
    where = f"container {container.name}: {command[0]}"
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda ended: ended == NOT_STARTED),
        stop=tenacity.stop_after_attempt(STARTS),
        wait=tenacity.wait_fixed(PAUSE_S),
        retry_error_callback=lambda _: NOT_STARTED,
    )
    try:
        return retrying(_executed, container, command, environment or {}, where)
    except EngineGoneError:
        raise
    except (DockerException, OSError) as error:
        gone = engine.gone(container.client, error)
        raise gone or ClusterError(f"{where}: {error}") from error


def _executed(
    container: Container, command: Sequence[str], environment: Mapping[str, str], where: str
) -> Executed:
    assert container.client is not None
    api = container.client.api
    id = api.exec_create(container.id, list(command), environment=dict(environment))["Id"]
    output, errors = api.exec_start(id, demux=True)
    # The output may end before the engine has noted the exit: no status is not status 0.
    status = wait_until(
        lambda: _exit_status(api, id),
        lambda status: status is not None,
        within_s=EXIT_WITHIN_S,
        every_s=POLL_S,
        late=lambda _: ClusterError(
            f"{where}: expected an exit status in {EXIT_WITHIN_S:g} s, got none"
        ),
    )
    assert status is not None
    return Executed(status, *((part or b"").decode(errors="replace") for part in (output, errors)))


def _exit_status(api: APIClient, id: str) -> int | None:
    status: int | None = api.exec_inspect(id)["ExitCode"]
    return status


def _is_unfrozen(error: BaseException) -> bool:
    return isinstance(error, APIError) and "unable to freeze" in str(error)


@tenacity.retry(
    retry=tenacity.retry_if_exception(_is_unfrozen),
    stop=tenacity.stop_after_delay(FREEZE_WITHIN_S),
    wait=tenacity.wait_fixed(POLL_S),
    reraise=True,
)
def freeze(container: Container) -> None:
    """Freeze a container's processes, trying again if the kernel could not stop them all.

    On a busy machine runc gives up and thaws them; its caller is meant to try again
    (https://github.com/opencontainers/runc/pull/4388).

    Raises:
        UnsupportedError: the engine has no control groups, by which alone it could.
        DockerException: the engine could not.
    """
    try:
        container.pause()
    except APIError as error:
        assert container.client is not None
        if container.client.info().get("CgroupDriver") != "none":
            raise
        raise UnsupportedError(
            "this Docker engine has no control groups, so it cannot freeze a server; a rootless "
            "engine has them with cgroup v2 and systemd"
        ) from error


def output_of(
    client: docker.DockerClient, image: Image | str, command: list[str], **options: Any
) -> bytes:
    """Run a command in a container of its own; return what it wrote to standard output.

    `containers.run(remove=True)` would leave a volume for each that the image declares.

    Raises:
        ContainerError: the command ended with another status than 0.
        ClusterError: it did not end within ENDS_WITHIN_S.
        DockerException: the engine could not run it.
    """
    container = client.containers.create(image, command, **options)
    try:
        container.start()
        status = _status_at_end(container, command)
        if status:
            said = container.logs(stdout=False, stderr=True).decode(errors="replace")
            raise ContainerError(container, status, command, image, said)
        return bytes(container.logs(stdout=True, stderr=False))
    finally:
        remove(container)


def _status_at_end(container: Container, command: Sequence[str]) -> int:
    try:
        return int(container.wait(timeout=ENDS_WITHIN_S)["StatusCode"])  # by itself it has no limit
    except EngineGoneError as error:
        if not isinstance(error.__cause__, ReadTimeout):
            raise
        raise ClusterError(
            f"container {container.name}: {command[0]}: expected its end within "
            f"{ENDS_WITHIN_S:g} s, got none"
        ) from error


def remove(container: Container) -> None:
    """Remove a container and its anonymous volumes, whatever its state; a gone one is fine.

    A busy engine may not see its processes end, or not get its disk unmounted. It is asked again.

    Raises:
        ClusterError: the engine refused, or could not do it within REMOVED_WITHIN_S.
    """

    def refusal() -> DockerException | None:
        try:
            container.remove(force=True, v=True)
        except NotFound:
            return None  # another `clean` was quicker
        except DockerException as error:
            return None if "already in progress" in str(error) else error
        return None

    error = wait_until(
        refusal,
        lambda error: not (isinstance(error, APIError) and error.is_server_error()),
        within_s=REMOVED_WITHIN_S,
        every_s=PAUSE_S,
    )
    if error is not None:
        raise ClusterError(f"container {container.name}: {error}") from error
