"""Owners of what a run makes: which of them still run, as far as that can be seen from here."""

import os
import subprocess
import sys

import pytest

from cluster.engine import labels
from cluster.engine.labels import Owner


@pytest.fixture
def gone() -> Owner:
    """Give an owner of this machine that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    me = Owner.me()
    return Owner(me.host, me.boot, ended.pid, me.start_ticks)


def test_an_owner_that_has_ended_is_told_from_one_that_runs(gone: Owner) -> None:
    """Also if another process has its pid by now: the start time differs."""
    me = Owner.me()
    assert Owner.parse(str(me)) == me
    assert me.alive()
    assert not gone.alive()
    assert not Owner(me.host, me.boot, me.pid, me.start_ticks - 1).alive()


def test_an_owner_in_a_container_is_not_looked_for_by_its_pid(
    gone: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On its host's network a container has the host's name, and its pids mean nothing outside.

    A run out here must not take that one's workers and servers for leftovers, nor the other way.
    """
    monkeypatch.setattr(labels, "_OUTERMOST", 1)  # as if this process were in a container
    inside = Owner.me()
    assert inside.alive()
    assert gone.alive()
    assert not Owner(inside.host, inside.boot, gone.pid, gone.start_ticks).alive()
    monkeypatch.undo()
    assert Owner(inside.host, inside.boot, gone.pid, gone.start_ticks).alive()


def test_an_owner_that_proc_hides_is_not_taken_for_one_that_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With `hidepid` another user's run would be removed from an engine that both use."""

    def kill(pid: int, number: int) -> None:
        assert number == 0, "it asks, and ends nothing"
        if pid in others:
            raise PermissionError(pid)
        raise ProcessLookupError(pid)

    me = Owner.me()
    others, unused = {1 << 23}, 1 << 24  # above every pid of a kernel
    monkeypatch.setattr(os, "kill", kill)
    assert Owner(me.host, me.boot, *others, 5).alive()
    assert not Owner(me.host, me.boot, unused, 5).alive()
    assert not Owner(me.host, "another boot", *others, 5).alive()
    others.add(me.pid)
    assert not Owner(me.host, me.boot, me.pid, me.start_ticks - 1).alive(), "it is seen"
