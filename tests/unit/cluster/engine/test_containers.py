"""Commands in a container: how they end is told, or it is an error."""

from contextlib import nullcontext
from itertools import count
from types import SimpleNamespace
from typing import Any, cast
from unittest import mock

import pytest
from docker import DockerClient
from docker.errors import APIError, ContainerError, NotFound
from docker.models.containers import Container
from requests import Response
from requests.exceptions import ReadTimeout

from cluster.cluster_errors import ClusterError, EngineGoneError
from cluster.engine import containers
from harness.common import polling
from harness.common.harness_errors import UnsupportedError


class Api:
    """An engine that tells these exit codes of one command, one a look; the last one stays."""

    def __init__(
        self, *codes: int | None, output: bytes | None = None, errors: bytes | None = None
    ) -> None:
        self._codes, self._told = list(codes), (output, errors)

    def exec_create(self, container: str, command: list[str], **_: Any) -> dict[str, str]:
        """Accept any command."""
        return {"Id": "1"}

    def exec_start(self, id: str, *, demux: bool) -> tuple[bytes | None, bytes | None]:
        """Return standard output and standard error, which only `demux` keeps apart."""
        assert demux
        return self._told

    def exec_inspect(self, id: str) -> dict[str, int | None]:
        """Return the next code."""
        return {"ExitCode": self._codes.pop(0) if len(self._codes) > 1 else self._codes[0]}


def container_of(api: Any) -> Container:
    """Return a container of that engine."""
    made = Container(attrs={"Id": "c", "Name": "/box"})
    made.client = cast(DockerClient, SimpleNamespace(api=api))
    return made


def test_status_and_output_are_told() -> None:
    """A command that fails is told by its status, with what it printed, to either stream."""
    box = container_of(Api(7, output=b"no", errors=b"disk full"))
    assert containers.execute(box, ["false"]) == (7, "no", "disk full")


def test_a_command_that_never_started_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy engine gives up a start with status 126 and no word; a shell's own has one."""
    monkeypatch.setattr(containers, "PAUSE_S", 0.0)
    assert containers.execute(container_of(Api(126, 126, 0)), ["nft"]) == (0, "", "")
    assert containers.execute(container_of(Api(126)), ["nft"]) == (126, "", "")
    denied = Api(126, 0, errors=b"sh: nft: Permission denied")
    ended = containers.execute(container_of(denied), ["nft"])
    assert ended == (126, "", "sh: nft: Permission denied")


def test_a_status_that_comes_late_is_waited_for() -> None:
    """Where output ends before the engine knows the exit, the status of the end counts."""
    assert containers.execute(container_of(Api(None, None, 1)), ["false"]) == (1, "", "")


def test_a_missing_status_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command of which nobody knows how it ended did not succeed: it is an error."""
    monkeypatch.setattr(containers, "EXIT_WITHIN_S", 0.0)
    with pytest.raises(ClusterError, match=r"container box: nft: expected an exit status"):
        containers.execute(container_of(Api(None)), ["nft", "list"])


def test_an_engine_that_refuses_is_an_error() -> None:
    """What the engine says of a command it cannot run comes with the container and the command."""

    class Refusing(Api):
        def exec_start(self, id: str, *, demux: bool) -> tuple[bytes | None, bytes | None]:
            raise APIError("container is paused")

    with pytest.raises(ClusterError, match=r"container box: nft: container is paused"):
        containers.execute(container_of(Refusing(0)), ["nft", "list"])


def test_an_output_that_breaks_off_is_an_error_of_ours() -> None:
    """A connection that the engine resets while a command runs leaves its outcome unknown."""

    class Resetting(Api):
        def exec_start(self, id: str, *, demux: bool) -> tuple[bytes | None, bytes | None]:
            raise ConnectionResetError("reset by peer")

    with pytest.raises(ClusterError, match=r"container box: nft: reset by peer"):
        containers.execute(container_of(Resetting(0)), ["nft", "list"])


def test_a_freeze_that_runc_gave_up_is_tried_again() -> None:
    """A busy machine is no failed fault; the caller is meant to ask again."""
    busy = APIError("Cannot pause: OCI runtime pause failed: unable to freeze: unknown")
    server = mock.Mock(pause=mock.Mock(side_effect=[busy, busy, None]))
    containers.freeze(server)
    assert server.pause.call_count == 3


@pytest.mark.parametrize(
    ("driver", "expected", "told"),
    [
        ("cgroupfs", APIError, "not running"),
        ("none", UnsupportedError, "no control groups, so it cannot freeze a server"),
    ],
)
def test_a_freeze_that_cannot_be_is_an_error_at_once(
    driver: str, expected: type[Exception], told: str
) -> None:
    """What trying again cannot mend is told; that it never can be here makes the fault skipped."""
    server = mock.Mock(pause=mock.Mock(side_effect=APIError("Cannot pause: not running")))
    server.client.info.return_value = {"CgroupDriver": driver}
    with pytest.raises(expected, match=told):
        containers.freeze(server)
    assert server.pause.call_count == 1


def refused(status: int, told: str) -> APIError:
    """Return what docker's client raises for an answer of the engine."""
    answer = Response()
    answer.status_code = status
    return APIError("refused", response=answer, explanation=told)


def test_a_container_that_cannot_be_removed_at_once_is_removed_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A busy engine does not see its processes end in time, or does not get its disk unmounted."""
    monkeypatch.setattr(containers, "PAUSE_S", 0.0)
    busy = [
        refused(500, "tried to kill container, but did not receive an exit event"),
        refused(500, "failed to remove root filesystem: device or resource busy"),
    ]
    container = mock.Mock(spec=Container, remove=mock.Mock(side_effect=[*busy, None]))
    containers.remove(container)
    assert container.remove.call_count == 3


@pytest.mark.parametrize(
    ("refusal", "asked", "told"),
    [
        (NotFound("No such container: c"), 1, None),
        (refused(409, "removal of container c is already in progress"), 1, None),
        (refused(403, "not allowed"), 1, "container box: .*not allowed"),
        (refused(500, "device or resource busy"), 2, "container box: .*device or resource busy"),
        (EngineGoneError("Docker engine: gone"), 1, "container box: Docker engine: gone"),
    ],
    ids=["gone", "by another", "refused", "never", "no engine"],
)
def test_what_trying_again_cannot_mend_is_told_or_fine(
    refusal: Exception, asked: int, told: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another `clean` removes is no error; what stays is one, after some time."""
    tries = count()
    clock = SimpleNamespace(monotonic=lambda: 15.0 * next(tries), sleep=lambda _: None)
    monkeypatch.setattr(polling, "time", clock)
    container = mock.Mock(spec=Container, remove=mock.Mock(side_effect=refusal))
    container.name = "box"
    with nullcontext() if told is None else pytest.raises(ClusterError, match=told):
        containers.remove(container)
    assert container.remove.call_count == asked


@pytest.mark.parametrize("status", [0, 3])
def test_a_command_in_a_container_of_its_own_leaves_no_volume(status: int) -> None:
    """However it ends, the container goes with the volumes that its image declares."""
    container = mock.Mock(spec=Container, name="container")
    container.wait.return_value = {"StatusCode": status}
    container.logs.side_effect = lambda **streams: b"out" if streams["stdout"] else b"why"
    client = cast(DockerClient, mock.Mock())
    client.containers.create.return_value = container  # type: ignore[attr-defined]
    if status:
        with pytest.raises(ContainerError, match="why"):
            containers.output_of(client, "image", ["true"], user="1")
    else:
        assert containers.output_of(client, "image", ["true"], user="1") == b"out"
    container.remove.assert_called_once_with(force=True, v=True)


@pytest.mark.parametrize(
    ("cause", "expected", "told"),
    [
        (ReadTimeout("Read timed out."), ClusterError, "container box: java: expected its end"),
        (ConnectionResetError("reset"), EngineGoneError, "expected an answer, got none"),
    ],
)
def test_a_command_that_never_ends_is_an_error(
    cause: Exception, expected: type[Exception], told: str
) -> None:
    """It is not waited for without limit, and its container goes all the same."""
    gone = EngineGoneError("Docker engine: expected an answer, got none")
    gone.__cause__ = cause
    container = mock.Mock(spec=Container)
    container.name = "box"
    container.wait.side_effect = gone
    client = cast(DockerClient, mock.Mock())
    client.containers.create.return_value = container  # type: ignore[attr-defined]
    with pytest.raises(expected, match=told):
        containers.output_of(client, "image", ["java", "-version"])
    assert container.wait.call_args.kwargs == {"timeout": containers.ENDS_WITHIN_S}
    container.remove.assert_called_once_with(force=True, v=True)
