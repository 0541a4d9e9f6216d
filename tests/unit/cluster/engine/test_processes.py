"""Processes found by their environment: what stands beside a quorum, and how it ends."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cluster.engine import labels, processes

SLEEPER = "import time; print(flush=True); time.sleep(60)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + SLEEPER
URL = "http://127.0.0.1:1"


@contextmanager
def standing(run: str, program: str = SLEEPER) -> Iterator["subprocess.Popen[bytes]"]:
    """Have a process beside a run, from its first line on."""
    marks = processes.marks(run, URL, "an engine")
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, env=marks
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep logs in a folder of the test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def test_it_is_found_by_its_run() -> None:
    """A process that bears a run's marks is found, with its URL, and another run's is not."""
    with standing("unit-a") as a, standing("unit-b") as b:
        expected = processes.Beside(pid=a.pid, run="unit-a", url=URL, engine="an engine")
        assert processes.beside("unit-a") == [expected]
        assert {one.pid for one in processes.beside()} >= {a.pid, b.pid}
        assert processes.beside("unit-c") == []


def test_end_ends_what_it_is_given_and_its_log() -> None:
    """One that is ended is gone when `end` returns, with its log, and another lives on."""
    log = processes.log_of("unit-d")
    log.parent.mkdir(parents=True)
    log.touch()
    with standing("unit-d") as ended, standing("unit-e") as other:
        processes.end(processes.beside("unit-d"))
        assert ended.wait(timeout=0) < 0
        assert not log.exists()
        assert other.poll() is None
        assert len(processes.beside("unit-e")) == 1


def test_whoever_has_a_foreign_owner_is_no_orphan() -> None:
    """A variable that is not ours does not keep `clean` from the others, nor ends its process."""
    me = labels.Owner.me()
    gone = str(labels.Owner(me.host, me.boot, me.pid, me.start_ticks + 1))
    with owned("somebody") as foreign, owned(gone) as orphan:
        found = set(processes.orphans())
    assert orphan.pid in found
    assert foreign.pid not in found


@contextmanager
def owned(owner: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Have a process with this owner in its environment."""
    with subprocess.Popen(
        [sys.executable, "-c", SLEEPER],
        stdout=subprocess.PIPE,
        env={labels.OWNER_VARIABLE: owner},
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def test_one_that_will_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that ignores SIGTERM is killed when its time is over."""
    monkeypatch.setattr(processes, "END_WITHIN_S", 0.1)
    with standing("unit-f", STUBBORN):
        processes.end(processes.beside("unit-f"))
        assert processes.beside("unit-f") == []


def test_one_that_is_killed_is_gone_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine may need a moment to end a process by SIGKILL, and that is waited for."""
    monkeypatch.setattr(processes, "END_WITHIN_S", 0.0)
    signal_one = processes._signal

    def late(one: processes.Beside, number: signal.Signals) -> None:
        if number is signal.SIGKILL:
            threading.Timer(0.2, signal_one, (one, number)).start()

    monkeypatch.setattr(processes, "_signal", late)
    with standing("unit-g"):
        processes.end(processes.beside("unit-g"))
        assert processes.beside("unit-g") == []
