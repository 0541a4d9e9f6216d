"""Campaigns on Dask's own workers, as processes on loopback; their runs are made up."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from cluster.engine.labels import start_ticks
from harness.common.polling import wait_until

ROOT = Path(__file__).parents[2]
WITHIN_S = 200.0
FILE = "runs/campaigns/c/campaign.jsonl"


def started(place: Path, *words: str) -> "subprocess.Popen[str]":
    """Start the command line, with made-up runs."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    return subprocess.Popen(
        [sys.executable, "-m", "worlds.fake_campaign", str(place), *words],
        cwd=place,
        env=os.environ | {"PYTHONPATH": path},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def events(place: Path, kind: str) -> list[dict[str, Any]]:
    """Return the lines of a kind that the campaign's file has now."""
    path = place / FILE
    lines = path.read_text().splitlines() if path.exists() else []
    return [told for line in lines if (told := json.loads(line))["event"] == kind]


def test_killed_workers_and_a_killed_campaign(tmp_path: Path) -> None:
    """A dead worker's run goes to another; a campaign killed -9 goes on, and repeats nothing."""
    whats = ("dies once", "valid", "lost", "sleeps once")
    for what in whats:
        text = f"description: {what}\nworkload: [{{put-all: {{count: 1}}}}]\n"
        (tmp_path / f"{what.replace(' ', '-')}.yaml").write_text(text)
    files = [f"{what.replace(' ', '-')}.yaml" for what in whats]
    words = ("run", *files, "--workers", "2", "--campaign", "c")
    first = started(tmp_path, *words)
    try:
        wait_until(
            lambda: len(events(tmp_path, "ended")) == 3 and len(events(tmp_path, "began")) >= 5,
            within_s=WITHIN_S,
            every_s=0.1,
        )
    finally:
        first.kill()
        told, _ = first.communicate(timeout=WITHIN_S)
    ended = {one["name"]: one for one in events(tmp_path, "ended")}
    assert set(ended) == {"dies-once", "valid", "lost"}, told
    assert (ended["dies-once"]["attempts"], ended["dies-once"]["verdict"]) == (2, "valid")
    assert (ended["lost"]["verdict"], ended["lost"]["cause"]) == ("invalid", "lost")
    assert "attempt 2, on worker" in told
    pids = [int(line.split()[1]) for line in (tmp_path / "begun").read_text().splitlines()]
    gone = wait_until(
        lambda: [pid for pid in pids if start_ticks(pid)],
        lambda left: not left,
        within_s=WITHIN_S,
        every_s=0.1,
    )
    assert gone == []  # no worker outlives its campaign
    second = started(tmp_path, *words)
    told, _ = second.communicate(timeout=WITHIN_S)
    assert second.returncode == 1, told  # of what was lost
    assert "3 of 4 decided before; going on with 1" in told
    assert "3 of 4 scenarios as expected" in told
    attempts = [line.split()[0] for line in (tmp_path / "begun").read_text().splitlines()]
    assert sorted(attempts) == sorted([*["dies-once"] * 2, "valid", "lost", *["sleeps-once"] * 2])


def test_a_scheduler_that_does_not_answer(tmp_path: Path) -> None:
    """It is one line that says what to start, and status 255; the run is unknown in junit.xml."""
    (tmp_path / "valid.yaml").write_text("description: valid\nworkload: [{put-all: {count: 1}}]\n")
    words = ("--patience-s", "0.3", "run", "valid.yaml", "--junit", "junit.xml")
    asked = started(tmp_path, *words, "--scheduler", "tcp://127.0.0.1:1")
    told, _ = asked.communicate(timeout=WITHIN_S)
    assert asked.returncode == 255, told
    assert "--scheduler: expected a Dask scheduler at tcp://127.0.0.1:1, got no answer" in told
    assert "Traceback" not in told
    assert "<error " in (tmp_path / "junit.xml").read_text()


def test_ctrl_c_ends_workers_and_says_how_to_go_on(tmp_path: Path) -> None:
    """Ctrl-C in the middle of a run leaves no worker, a verdict of none, and how to go on."""
    text = "description: sleeps once\nworkload: [{put-all: {count: 1}}]\n"
    (tmp_path / "sleeps.yaml").write_text(text)
    words = ("run", "sleeps.yaml", "--workers", "1", "--campaign", "c")
    asked = started(tmp_path, *words)
    begun = tmp_path / "begun"
    wait_until(begun.exists, within_s=WITHIN_S, every_s=0.1)
    asked.send_signal(signal.SIGINT)
    told, _ = asked.communicate(timeout=WITHIN_S)
    assert asked.returncode == 2, told
    assert "1 run left; the same command with --campaign c goes on" in told
    assert start_ticks(int(begun.read_text().split()[1])) is None
