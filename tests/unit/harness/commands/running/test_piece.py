"""Which run a piece goes on from."""

import json
from pathlib import Path

import pytest

from harness.commands.running import piece
from harness.common import run_folder
from harness.common.harness_errors import ScenarioError
from harness.common.settings.quorum_config import kept_disk
from harness.report import page
from harness.scenario import loading
from harness.scenario.pieces import Share

TEXT = """\
description: Two phases.
seed: 4
cluster: {nodes: 1}
phases:
  - workload: [{put-all: {count: 5}}]
  - workload: [{put-all: {count: 5, first: 6}}]
"""
SECOND = Share(number=2, count=2)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a scenario of two phases."""
    made = tmp_path / "long.yaml"
    made.write_text(TEXT)
    return made


def ran(runs: Path, *, good: bool = True, seed: int = 4, disks: bool = True) -> Path:
    """Make the folder of a run of the first piece; return its disks."""
    folder = run_folder.create(runs, "long-1-of-2", seed, TEXT)
    judged = {"scenario": "long-1-of-2", "seed": seed, "verdict": "valid", "because": None}
    judged |= {"expect": "valid" if good else "invalid", "as_expected": good}
    judged |= {"checks": [], "not_run": [], "faults": [], "counts": dict.fromkeys(page.COUNTS, 0)}
    judged |= {"availability": {"fraction": None, "longest_gap_s": None}}
    folder.results.write_text(json.dumps(judged))
    if disks:
        folder.disks.mkdir()
        kept_disk(folder.disks, 1).write_bytes(b"")
    return folder.disks


def test_the_first_piece_begins_with_empty_disks(file: Path, tmp_path: Path) -> None:
    """It is a scenario with the first phase, which knows where it comes from."""
    first = piece.scenario(file, Share(number=1, count=2), keep_in=tmp_path / "runs", seed=None)
    assert (first.seed, len(first.phases), first.cluster.disks) == (4, 1, None)
    assert first.text.startswith("# piece 1/2 of long\n")
    assert first.folders[0] == str(tmp_path)


def test_the_second_piece_goes_on_from_the_newest_good_run(file: Path, tmp_path: Path) -> None:
    """A run that was red, one of another seed, and one without disks are left out."""
    runs = tmp_path / "runs"
    ran(runs)
    wanted = ran(runs)
    ran(runs, good=False)
    ran(runs, disks=False)
    ran(runs, seed=5)
    second = piece.scenario(file, SECOND, keep_in=runs, seed=None)
    assert second.cluster.disks == str(wanted)
    assert [w.workload.first for w in second.workloads] == [6]
    loading.require_runnable(second)


def test_another_seed_has_pieces_of_its_own(file: Path, tmp_path: Path) -> None:
    """`--seed` wins over the scenario's."""
    runs = tmp_path / "runs"
    ran(runs)
    wanted = ran(runs, seed=5)
    assert piece.scenario(file, SECOND, keep_in=runs, seed=5).cluster.disks == str(wanted)


def test_without_the_piece_before_it_says_what_to_run(file: Path, tmp_path: Path) -> None:
    """The piece and the seed."""
    told = r"expected a run of piece 1/2 with seed 4 that ended as expected.*--piece 1/2"
    with pytest.raises(ScenarioError, match=told):
        piece.scenario(file, SECOND, keep_in=tmp_path / "runs", seed=None)


def test_a_disk_that_is_gone_is_refused_before_the_start(file: Path, tmp_path: Path) -> None:
    """With the place of the key, and of the disk."""
    disks = ran(tmp_path / "runs")
    kept_disk(disks, 1).unlink()
    second = piece.scenario(file, SECOND, keep_in=tmp_path / "runs", seed=None)
    with pytest.raises(ScenarioError, match=r"cluster.disks: expected a disk .*node-1.tar.gz"):
        loading.require_runnable(second)
