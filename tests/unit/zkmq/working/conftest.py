"""A world that ends with its test: handlers and janitors are actors in it."""

from collections.abc import Iterator

import pytest

from worlds.memory.store import World


@pytest.fixture
def world() -> Iterator[World]:
    """Give a quorum without faults, and leave no actor behind."""
    made = World(seed=1)
    yield made
    made.scheduler.stop()
