"""Judging a recorded run again gives the same results.json, byte for byte."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from harness.common.run_folder import RunFolder
from worlds.histories import judged_runs
from worlds.histories.by_hand import drained, ended, op, returned
from worlds.histories.mutations import mutate
from worlds.histories.random import Mix, as_events, simulate

pytestmark = pytest.mark.medium

SCENARIO = "description: A run written by hand.\nseed: 7\nworkload: [{put-all: {count: 3}}]\n"
AGAIN = """
import sys
from pathlib import Path
from harness import run
from harness.scenario import loading
from harness.common.run_folder import RunFolder
for place in sys.argv[1:]:
    folder = RunFolder(Path(place))
    run.check(loading.load(folder.scenario), "by-hand", folder)
"""
Parts = Iterable[Mapping[str, Any]]


def named(value: int | None) -> str | None:
    """Return an item's id as a text: sets of texts have another order in each process."""
    return None if value is None else f"item-{value}"


def many_faults() -> Parts:
    """Give lost, invented, doubled and swapped items, with returns and a fault in between."""
    parts = [op("put", named(n), 10 * n, 10 * n + 5) for n in range(1, 30)]
    order = [3, 2, 1, 5, 5, 9, 8, 40, 41, 42, *range(10, 28)]
    for place, n in enumerate(order):
        at_ns = 1000 + 10 * place
        parts.append(op("reserve", named(n), at_ns, at_ns + 5, process=1 + place % 3))
    parts += [ended(1, 1500), returned(1, 1600, named(3), named(5), named(10))]
    return [e for part in parts for e in part] + drained(2000, 2100)


def mutated() -> Parts:
    """Give the events of one broken random run."""
    mix = Mix(priorities=3, release=0.2, crash=0.1, unknown_put=0.1)
    return as_events(mutate(Random(3), simulate(Random(3), mix)))


RUNS: dict[str, Callable[[], Parts]] = {
    "many-faults": many_faults,
    "mutated": mutated,
    "a-kill": lambda: [*judged_runs.lives(), *judged_runs.killed(1, 3, 12, 40)],
}


@pytest.fixture
def folders(tmp_path: Path) -> list[RunFolder]:
    """Give runs of which each was judged once."""
    folders = []
    for name, parts in RUNS.items():
        (tmp_path / name).mkdir()
        folders.append(judged_runs.judged(tmp_path / name, parts(), scenario_text=SCENARIO))
    return folders


def judge_again(folders: list[RunFolder], hash_seed: str) -> list[bytes]:
    """Judge the runs in a new process, and return the bytes of their results."""
    for folder in folders:
        folder.results.unlink()
    subprocess.run(
        [sys.executable, "-c", AGAIN, *(str(folder.path) for folder in folders)],
        check=True,
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
    )
    return [folder.results.read_bytes() for folder in folders]


def test_another_process_gives_the_same_bytes(folders: list[RunFolder]) -> None:
    """Neither the process nor the order of its sets shows in results.json."""
    first = [folder.results.read_bytes() for folder in folders]
    assert judge_again(folders, "1") == first


def test_the_runs_give_the_checkers_much_to_say(folders: list[RunFolder]) -> None:
    """What is compared has witnesses of several reasons, so an order could differ."""
    results = msgspec.json.decode(folders[0].results.read_bytes())
    reasons = {reason for check in results["checks"] for reason in check["reasons"]}
    assert {"lost", "unexpected", "double-ownership", "fifo-order"} <= reasons
    assert sum(len(check["witnesses"]) for check in results["checks"]) > 10
