"""Inner loops: what they count is what counting by hand gives, compiled or not."""

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.checkers.evidence import kernels

Ints = NDArray[np.int64]


def by_hand(kind: Ints, order: Ints, stays: tuple[Ints, ...]) -> list[int]:
    """Count, for each question, the windows that are in by then, ranked before it, and longer."""
    rank, ends, last, most = stays
    entered: list[int] = []
    counts = [0] * len(rank)
    for row in order:
        if kind[row] == kernels.INSERT:
            entered.append(row)
        else:
            longer = [e for e in entered if rank[e] < rank[row] and ends[e] > last[row]]
            counts[row] = min(int(most[row]), len(longer))
    return counts


@pytest.mark.parametrize("compile_from", [1, 10**9], ids=["compiled", "plain"])
@pytest.mark.parametrize("size", [1, 7, 64, 200])
def test_a_crowd_is_counted(size: int, compile_from: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to `most`, of those ranked before, inserted before and larger than `last`."""
    monkeypatch.setattr(kernels, "COMPILE_FROM", compile_from)
    rng = np.random.default_rng(size)
    nothing, row = np.zeros(size, np.int64), np.arange(2 * size)
    kind = np.repeat([kernels.INSERT, kernels.QUERY], size)
    stays = (
        np.concatenate([np.arange(size), rng.integers(0, size + 1, size)]),
        np.concatenate([rng.integers(0, 100, size), nothing]),
        np.concatenate([nothing, rng.integers(0, 100, size)]),
        np.concatenate([nothing, rng.integers(1, 9, size)]),
    )
    order = rng.permutation(row)
    leaves = 1 << size.bit_length()
    tree = (np.full(2 * leaves, -1, np.int64),)
    (count,) = kernels.run(
        kernels.crowd_sweep, (kind[order], order), (*stays, 0 * row), tree, leaves
    )
    assert count.tolist() == by_hand(kind, order, stays)
