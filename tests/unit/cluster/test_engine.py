"""The engine: what is said, and left open, where none answers."""

import gc
import socket

import pytest

from cluster import engine
from cluster.errors import EngineError


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
