"""Damaged files: a clear refusal or an honest verdict, never a stack, a hang or a false valid.

`make prove NAME=files` tries as many as wanted.
"""

from pathlib import Path

import pytest

from worlds.histories.damage_cases import KINDS, Bench

TRIED = {"scenario": 150, "history": 60, "results": 60}
# Seeds of long runs that found a stack: a known defect that is no mapping, or whose list is none;
# figures of `availability` that are a mapping, as other checkers have them; an injection called
# `tree`.
MENDED = {"results": (5000212, 5003164, 5014400), "history": (5091211,)}
MOST_S = 20.0  # of processor time, of one file


@pytest.mark.parametrize("kind", KINDS)
def test_no_damaged_file_shows_a_stack(tmp_path: Path, kind: str) -> None:
    """Whatever is in a file, the harness refuses it with 254 or says what it says, and soon."""
    bench = Bench(tmp_path)
    cases = [bench.case(kind, seed) for seed in (*range(TRIED[kind]), *MENDED.get(kind, ()))]
    assert [(case.seed, case.failure) for case in cases if case.failure] == []
    assert max(case.took_s for case in cases) < MOST_S
    assert len({case.told for case in cases}) > 1  # damaged in more than one way
