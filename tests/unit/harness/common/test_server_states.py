"""A look at servers of which one is busy."""

import pytest

from harness.common import server_states
from harness.common.server_states import NodeStatus, answered


def seen(*modes: str) -> list[NodeStatus]:
    """One look at so many servers."""
    return [NodeStatus(node=node, mode=mode) for node, mode in enumerate(modes, 1)]


def test_a_server_that_is_busy_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it answers; one that is down or looks for a leader is not waited for."""
    monkeypatch.setattr(server_states, "LOOK_AGAIN_S", 0.0)
    looks = iter([seen("leader", "silent"), seen("silent", "down"), seen("looking", "down")])
    assert answered(lambda: next(looks)) == seen("looking", "down")


def test_a_server_that_never_answers_is_told_as_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait has an end."""
    monkeypatch.setattr(server_states, "ANSWERS_WITHIN_S", 0.0)
    assert answered(lambda: seen("silent")) == seen("silent")
