"""kazoo's queues as subjects: what they raise tells whether it took effect."""

import socket
from typing import Any
from unittest import mock

import pytest
from kazoo.exceptions import ConnectionLoss

from harness.clients.kazoo_subjects import NotSyncedByKazooError
from harness.clients.subject import SubjectConfig
from harness.clients.subject_lookup import connect
from worlds.wire.zookeeper import WireZooKeeper


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


@pytest.mark.parametrize("kind", ["kazoo-queue", "kazoo-locking-queue"])
@pytest.mark.parametrize(("lost", "definite"), [("sync", True), ("get", False)])
def test_only_a_take_that_was_asked_for_may_have_taken(
    kind: str, lost: str, *, definite: bool
) -> None:
    """A sync without an answer took nothing. Counted as unknown, it would excuse a loss."""
    with WireZooKeeper() as server:
        subject: Any = connect(SubjectConfig(kind=kind, hosts=server.address), lambda *_: None)
        try:
            owner = subject._client if lost == "sync" else subject._queue
            with (
                mock.patch.object(owner, lost, side_effect=ConnectionLoss),
                pytest.raises((ConnectionLoss, NotSyncedByKazooError)) as raised,
            ):
                subject.reserve(1, 0.0, sync=True)
        finally:
            subject.close()
    assert getattr(raised.value, "definite", False) is definite
