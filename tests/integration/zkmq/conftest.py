"""Crash points on one real server, shared by the tests of this folder."""

import os
from collections.abc import Iterator

import pytest

from worlds.crash_points.client import short_pauses
from worlds.crash_points.course import CrashPoints


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> str:
    """The address of a ZooKeeper server."""
    return os.environ.get("ZK_HOSTS") or str(request.getfixturevalue("standalone_zookeeper"))


@pytest.fixture(scope="session")
def crash_points(server: str) -> Iterator[CrashPoints]:
    """Everything struck at meanwhile resends at once."""
    with short_pauses(), CrashPoints(server) as points:
        yield points
