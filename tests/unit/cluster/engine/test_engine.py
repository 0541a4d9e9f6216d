"""The engine: what is said, and left open, where none answers."""

import gc
import socket
from contextlib import closing

import pytest
from docker.errors import DockerException

from cluster.cluster_errors import EngineError, EngineGoneError
from cluster.engine import engine
from harness.common.harness_errors import TargetError


def test_no_engine_is_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the address that was asked, and how to start an engine there."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///nobody/listens/here.sock")
    with pytest.raises(EngineError, match=r"got none; start it .*engine\.sh") as told:
        engine.connect()
    assert "unix:///nobody/listens/here.sock" in str(told.value)


def test_no_engine_leaves_no_socket_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every socket that was made to ask an engine that is not there is closed again."""
    made = []

    class Watched(socket.socket):
        """A socket that is remembered."""

        def __init__(self, *args: int) -> None:
            super().__init__(*args)
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
