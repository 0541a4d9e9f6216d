"""The engine: what is said, and left open, where none answers."""

import gc
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from docker.errors import DockerException

from cluster.cluster_errors import EngineError, EngineGoneError
from cluster.engine import engine
from cluster.engine.reach import LOOPBACK
from harness.common.harness_errors import TargetError


def test_no_engine_is_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the address that was asked, and how to start an engine there."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///nobody/listens/here.sock")
    with pytest.raises(EngineError, match=r"got none; start it .*engine\.sh") as told:
        engine.connect()
    assert "unix:///nobody/listens/here.sock" in str(told.value)


def test_no_engine_leaves_no_socket_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every socket that was made to ask an engine that is not there is closed again."""
    made, here = [], threading.current_thread()

    class Watched(socket.socket):
        """A socket that is remembered, if no other thread of this process makes it."""

        def __init__(self, *args: int, **named: int) -> None:
            super().__init__(*args, **named)
            if threading.current_thread() is here:
                made.append(self)

    monkeypatch.setattr(socket, "socket", Watched)
    with pytest.raises(EngineError):
        engine.connect()
    gc.collect()
    assert made
    assert [one.fileno() for one in made] == [-1] * len(made)


def test_an_engine_that_is_gone_is_an_error_of_ours_and_of_dockers() -> None:
    """Whoever expects docker's errors gets it, and whoever does not has one sentence for people."""
    with (
        closing(engine.Engine(base_url="tcp://127.0.0.1:1", version="1.43")) as client,
        pytest.raises(EngineGoneError, match="expected an answer, got none") as told,
    ):
        client.containers.list()
    assert isinstance(told.value, DockerException)
    assert isinstance(told.value, TargetError)


@contextmanager
def listening(answer: bytes | None) -> Iterator[int]:
    """Listen on loopback; answer each request with these bytes, or never."""
    with socket.create_server((LOOPBACK, 0)) as server:

        def serve() -> None:
            held = []
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    held.append(connection)
                    if answer is not None and connection.recv(65536):
                        connection.sendall(answer)
                        connection.close()
            for connection in held:
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def answered(body: bytes) -> bytes:
    """Return an HTTP answer."""
    return b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )


def test_an_engine_that_takes_connections_and_is_silent_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line says early that it is silent; the error says how long it was waited for."""
    monkeypatch.setattr(engine, "ANSWER_WITHIN_S", 0.3)
    monkeypatch.setattr(engine, "TOLD_AFTER_S", 0.01)
    with listening(None) as port:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://{LOOPBACK}:{port}")
        with pytest.raises(EngineError, match=r"gave no answer within 0\.3 s: .* got none"):
            engine.connect()
        told = f"at tcp://{LOOPBACK}:{port} (DOCKER_HOST): no answer yet; it has 0.3 s\n"
        assert told in capsys.readouterr().err


@pytest.mark.parametrize("answer", [answered(b"[]"), answered(b"{}"), answered(b"hi"), b"nonsense"])
def test_what_is_no_engine_is_told(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program at the engine's address is an error in one sentence."""
    with listening(answer) as port:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://{LOOPBACK}:{port}")
        with pytest.raises(EngineError, match="expected one that answers, got none"):
            engine.connect()


def test_a_proxy_is_not_for_the_way_to_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine on TCP is asked directly, whatever proxy the environment names."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://{LOOPBACK}:1")
    with listening(answered(b'{"ApiVersion": "1.44"}')) as port:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://{LOOPBACK}:{port}")
        with closing(engine.connect()) as client:
            assert client.api.api_version == "1.44"


def test_a_socket_of_another_user_is_told_with_a_way_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where the socket may not be used, the message names the group and the rootless engine."""

    class Forbidden(socket.socket):
        """A socket that may not connect."""

        def connect(self, _: object) -> None:
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket, "socket", Forbidden)
    with pytest.raises(EngineError, match=r"Permission denied: .* group docker, .* rootless"):
        engine.connect()


def test_an_engine_of_somebody_else_is_not_started_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where DOCKER_HOST names an engine that is gone, none is installed on this machine."""

    def run(*_: object, **__: object) -> None:
        pytest.fail("it tried to start an engine")

    monkeypatch.setattr(engine.subprocess, "run", run)
    with pytest.raises(EngineError, match="expected one that answers, got none"):
        engine.ensure()
