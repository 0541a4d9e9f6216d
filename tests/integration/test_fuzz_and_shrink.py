"""Controls of the searches on real servers: a planted bug is found, and taken to its core."""

import json
from pathlib import Path

import pytest

from harness.scenario import loading
from worlds.command_line import harness

pytestmark = [pytest.mark.docker, pytest.mark.slow]
WITHIN_S = 400


def test_fuzz_finds_a_producer_that_lies(tmp_path: Path) -> None:
    """Whatever faults are drawn, the one cause is shrunk to none of them, and told once."""
    words = ("fuzz", "--producer", "ack-before-write", "--seed", "3", "--runs", str(tmp_path))
    more = ("--minutes", "3", "--shrink-minutes", "2.5")
    done = harness(*words, *more, within_s=WITHIN_S)
    assert done.returncode == 1, done.stdout + done.stderr
    folder = tmp_path / "fuzz" / "3-ack-before-write"
    found = loading.load(folder / "finding-1.yaml")
    assert found.because == "lost"
    assert [entry.kind for phase in found.phases for entry in phase.faults] == []
    notes = [json.loads(line) for line in (folder / "fuzz.jsonl").read_text().splitlines()]
    assert {note["verdict"] for note in notes} == {"invalid"}
    assert {note["cause"] for note in notes} == {1}


def test_shrink_takes_out_what_a_loss_does_not_need(tmp_path: Path) -> None:
    """A control's loss needs neither its faults nor its consumer nor most of its items."""
    big = tmp_path / "big.yaml"
    big.write_text(
        "description: A producer that lies, while a follower is frozen and killed.\n"
        "workload:\n"
        "  - ack-before-write: {count: 60, rate_hz: 20}\n"
        "  - check-all: {after: ack-before-write}\n"
        "faults:\n"
        "  - {pause: {target: follower}, first_s: 0.5, for_s: 1}\n"
        "  - {kill: {target: follower}, first_s: 2, down_s: 0.5}\n"
        "expect: invalid\nbecause: lost\n"
    )
    assert harness("run", str(big), "--runs", str(tmp_path / "runs")).returncode == 0
    small = tmp_path / "small.yaml"
    run = tmp_path / "runs" / "latest"
    words = ("shrink", str(run), "--minutes", "3", "--times", "2", "--output", str(small))
    done = harness(*words, within_s=WITHIN_S)
    assert done.returncode == 0, done.stdout + done.stderr
    found = loading.load(small)
    (phase,) = found.phases
    assert phase.faults == []
    (work,) = phase.workload
    assert (work.kind, work.workload.count) == ("ack-before-write", 1)
