"""The command `zkmq`, as processes of their own, on a real server."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.docker

Zkmq = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def zkmq(server: str, request: pytest.FixtureRequest) -> Zkmq:
    """Give a function that runs the command on a queue of the test's own."""
    environment = os.environ | {"ZKMQ_HOSTS": server, "ZKMQ_PATH": f"/{request.node.name}"}

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "zkmq", *map(str, words)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def held(zkmq: Zkmq) -> int:
    """How many items are held."""
    return int(json.loads(zkmq("stats", "--json").stdout)["held"])


def test_a_command_works_on_every_item(zkmq: Zkmq) -> None:
    """What one process put, another hands to a command, once each and in order."""
    assert zkmq("put", "a\n", "b\n", "c\n").returncode == 0
    worked = zkmq("reserve", "--all", "--", "cat")
    assert (worked.returncode, worked.stdout, worked.stderr) == (0, "a\nb\nc\n", "")
    assert zkmq("reserve", "--", "cat").returncode == 1


def test_a_hold_outlives_its_process(zkmq: Zkmq, tmp_path: Path) -> None:
    """The item stays reserved between two processes, and the second one ends it for ever."""
    zkmq("put", "value")
    hold = tmp_path / "hold"
    reserved = zkmq("reserve", "--hold", hold)
    assert (reserved.returncode, reserved.stdout) == (0, "value")
    assert held(zkmq) == 1
    assert zkmq("reserve", "--", "cat").returncode == 1
    done = zkmq("done", "--hold", hold)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(zkmq("stats", "--json").stdout) == {
        "order": None,
        "waiting": {"100": 0},
        "held": 0,
        "delayed": 0,
        "partial": 0,
        "dead": 0,
        "consumers": 0,
        "producers": 0,
        "skipped": 0,
        "paused": None,
        "oldest_s": None,
    }


def test_a_hold_that_is_over_cannot_be_ended(zkmq: Zkmq, tmp_path: Path) -> None:
    """Once the session has ended the item goes to another consumer, and `done` has status 4."""
    zkmq("put", "value")
    hold = tmp_path / "hold"
    assert zkmq("reserve", "--hold", hold, "--hold-s", 4).returncode == 0
    taken = zkmq("reserve", "--wait-s", 40, "--", "cat")
    assert (taken.returncode, taken.stdout) == (0, "value")
    late = zkmq("done", "--hold", hold)
    assert late.returncode == 4
    assert "its items go to other consumers" in late.stderr
    assert not hold.exists()


def test_a_failing_command_gives_the_item_back(zkmq: Zkmq) -> None:
    """Status 5, and the same item again in its second delivery."""
    zkmq("put", "value")
    assert zkmq("reserve", "--", "false").returncode == 5
    again = zkmq("reserve", "--", "sh", "-c", "echo $ZKMQ_ITEM_DELIVERY")
    assert again.stdout == "2\n"


def test_nobody_there_is_one_line(zkmq: Zkmq) -> None:
    """A server that does not answer is told in one line, with a status of its own."""
    ended = zkmq("--hosts", "127.0.0.1:1", "--deadline-s", 2, "stats")
    assert ended.returncode == 3
    assert ended.stderr.count("\n") == 1
    assert "expected a session within 2.0 s" in ended.stderr
