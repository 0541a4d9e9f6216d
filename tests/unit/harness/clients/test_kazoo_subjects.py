"""kazoo's queues as subjects: what they raise tells whether it took effect."""

import socket

import pytest

from harness.clients.subject import SubjectConfig
from harness.clients.subject_lookup import connect


@pytest.mark.parametrize("kind", ["kazoo-queue", "kazoo-locking-queue"])
def test_a_session_that_nobody_gives_is_a_definite_failure(kind: str) -> None:
    """A client that cannot connect asked for nothing, so it may try again and end its run."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        hosts = f"127.0.0.1:{taken.getsockname()[1]}"
        config = SubjectConfig(kind=kind, hosts=hosts, deadline_s=0.2)
        with pytest.raises(Exception, match=r"expected a session within 0\.2 s") as raised:
            connect(config, lambda *_: None)
    assert getattr(raised.value, "definite", False)
