"""Whole runs as a user starts them, on a real quorum: verdicts, ways out, and what is left."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from cluster.engine import engine, labels, leftovers, processes
from harness.common.polling import wait_until
from worlds.command_line import ROOT, harness

pytestmark = pytest.mark.docker
SMALL = """
description: Thirty items in, thirty out, while the leader is killed and wiped.
cluster: {nodes: 3}
workload:
  - put-all: {count: 30, rate_hz: 10}
  - check-all: {after: put-all}
faults:
  - {kill: {target: leader, wipe: true}, at: {acknowledged: 3}, down_s: 1}
"""
LONG = SMALL.replace("count: 30, rate_hz: 10", "count: 3000, rate_hz: 10").replace(
    "down_s: 1", "down_s: 60"
)
WITHIN_S = 400


def started(scenario: Path, runs: Path) -> tuple["subprocess.Popen[str]", Path]:
    """Start a run and return it with its folder once its first fault is in force."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "harness.commands.harness_command",
            "run",
            str(scenario),
            "--runs",
            str(runs),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
    )
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        for history in runs.glob("latest/history/nemesis.jsonl"):
            if b'"installed"' in history.read_bytes():
                return process, (runs / "latest").resolve()
        time.sleep(0.05)
    process.kill()
    pytest.fail(f"no fault was installed: {process.communicate()[0]}")


def results(runs: Path) -> dict[str, Any]:
    """Return results.json of the newest run."""
    read: dict[str, Any] = json.loads((runs / "latest/results.json").read_text())
    return read


def mine(pid: int) -> list[str]:
    """Return the runs in the engine that a process owns."""
    client = engine.connect()
    return [
        held.run
        for held in leftovers.runs([client])
        if any(
            labels.Owner.parse(c.labels[labels.OWNER]).pid == pid
            for c in leftovers.containers(client, held.run)
        )
    ]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Return a scenario that takes a few seconds."""
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return path


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """Return a scenario that nobody waits for."""
    path = tmp_path / "long.yaml"
    path.write_text(LONG)
    return path


def test_a_run_under_a_leader_kill_is_valid(small: Path, tmp_path: Path) -> None:
    """Nothing is lost or duplicated while a leader is killed and wiped, as the evidence says."""
    done = harness("run", str(small), "--runs", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    found = results(tmp_path)
    assert (found["verdict"], found["as_expected"]) == ("valid", True)
    assert found["counts"]["acknowledged"] == found["counts"]["completed"] == 30
    (fault,) = found["faults"]
    assert fault["outcome"] == fault["heal_outcome"] == "installed"
    assert fault["evidence"]["before"][str(fault["nodes"][0])] == "leader"


def test_a_lying_producer_is_found_out(tmp_path: Path) -> None:
    """Items acknowledged before they were written are lost, and that is the reason given."""
    control = ROOT / "scenarios/controls/ack-before-write.yaml"
    done = harness("run", str(control), "--runs", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    found = results(tmp_path)
    assert (found["verdict"], found["counts"]["lost"]) == ("invalid", 10)
    assert "lost" in next(c for c in found["checks"] if c["name"] == "total-queue")["reasons"]


def test_ctrl_c_cleans_up_and_keeps_what_was_recorded(long: Path, tmp_path: Path) -> None:
    """An interrupted run ends with 2 and unknown, leaves nothing, and keeps its history."""
    process, folder = started(long, tmp_path)
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=WITHIN_S)[0]
    assert process.returncode == 2, output
    assert results(tmp_path)["verdict"] == "unknown"
    assert results(tmp_path)["counts"]["attempted"] > 0
    assert (folder / "history.jsonl").stat().st_size > 0
    assert mine(process.pid) == []


def test_clean_removes_what_a_killed_run_left_and_nothing_else(long: Path, tmp_path: Path) -> None:
    """After kill -9 in the middle of a fault, clean leaves nothing of it, and another run alone."""
    killed, _ = started(long, tmp_path / "killed")
    other, _ = started(long, tmp_path / "other")
    try:
        # Looked at before: the start of any other run cleans up, too, as soon as it is dead.
        assert len(mine(killed.pid)) == 1
        killed.kill()
        killed.communicate()
        assert harness("clean").returncode == 0
        assert mine(killed.pid) == []
        assert len(mine(other.pid)) == 1
        assert other.poll() is None
        assert wait_until(lambda: not list(processes.orphans()), within_s=WITHIN_S, every_s=0.1), (
            "what is killed may need a moment to be gone"
        )
    finally:
        other.send_signal(signal.SIGINT)
        other.communicate(timeout=WITHIN_S)
    assert mine(other.pid) == []


def test_bad_input_is_one_message_without_a_traceback(tmp_path: Path) -> None:
    """A scenario with an unknown key ends with 254 and names file, line and key."""
    bad = tmp_path / "bad.yaml"
    bad.write_text("description: x\nworkload:\n  - put-all: {count: -1}\n")
    done = harness("run", str(bad))
    assert done.returncode == 254
    assert f"{bad}:3: workload[0].put-all.count: expected" in done.stderr
    assert "Traceback" not in done.stderr


def test_servers_that_cannot_start_are_not_waited_for(tmp_path: Path) -> None:
    """The run ends once all have ended, says why they did, and keeps their logs."""
    bad = tmp_path / "bad.yaml"
    bad.write_text(
        "description: No server can read its settings.\n"
        'cluster: {nodes: 1, zoo_cfg: {tickTime: "many"}}\n'
        "workload:\n  - put-all: {count: 1}\n"
    )
    done = harness("run", str(bad), "--runs", str(tmp_path / "runs"))
    assert done.returncode == 255
    assert "expected nodes [1] serving and one leader, last seen: 1 down; 1: exited" in done.stderr
    assert "Caused by: java.lang.NumberFormatException" in done.stderr
    (log,) = tmp_path.glob("runs/bad/*/logs/node-1.log")
    assert b"NumberFormatException" in log.read_bytes()
