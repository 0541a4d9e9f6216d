"""An engine of two that is gone in the middle of a run: it dies, hangs, or is cut off."""

import re
import signal
from pathlib import Path

import pytest

from cluster.engine import run_engines
from worlds.command_line import harness
from worlds.docker_hosts import DockerHost
from worlds.host_runs import NEEDS_HOSTS, nothing_is_left, run_until_it_ends

pytestmark = [*NEEDS_HOSTS, pytest.mark.slow]


def test_an_engine_that_dies_in_a_run_ends_it_with_its_name(
    loaded: list[DockerHost], tmp_path: Path
) -> None:
    """With 255; the other host is clean at once, and this one by `clean` when it is back."""
    told = run_until_it_ends(tmp_path, loaded, loaded[1].kill)
    assert "has it been stopped?" in told
    assert nothing_is_left(loaded[:1])
    (gone,) = re.findall(r"quorum (\w+) could not be removed", told)
    assert f"run {gone} may have left something" in harness("clean").stdout
    loaded[1].start()
    assert harness("clean").returncode == 0
    assert nothing_is_left(loaded)
    assert run_engines.noted() == []


def test_a_host_whose_cable_is_pulled_ends_a_run_with_its_name(
    loaded: list[DockerHost], tmp_path: Path
) -> None:
    """With 255, long before a request of a minute would run out of time; `clean` does the rest."""
    try:
        told = run_until_it_ends(tmp_path, loaded, loaded[1].cut_off)
        assert "is its machine cut off?" in told
        assert nothing_is_left(loaded[:1])
    finally:
        loaded[1].mend()
    assert harness("clean").returncode == 0
    assert nothing_is_left(loaded)


def test_an_engine_that_hangs_ends_a_run_with_its_name(
    loaded: list[DockerHost], tmp_path: Path
) -> None:
    """With 255, and all requests that wait for it end, also those that have no limit."""
    try:
        told = run_until_it_ends(tmp_path, loaded, lambda: loaded[1].signal(signal.SIGSTOP))
        assert "has it been stopped?" in told
    finally:
        loaded[1].signal(signal.SIGCONT)
    assert harness("clean").returncode == 0
    assert nothing_is_left(loaded)
