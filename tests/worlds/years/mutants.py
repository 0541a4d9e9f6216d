"""Leaks: what is not tidied away, or not forgotten, so that years of use have to show it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from unittest import mock

from zkmq.janitor import delayed_mover
from zkmq.janitor.sweeper import Sweeper
from zkmq.taking.head_cache import HeadCache
from zkmq.tree.bounded_set import BoundedSet

Applied = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True, slots=True)
class Leak:
    """One, and what grows by it, as `worlds.years.growth.grown` says it."""

    name: str
    grows: str
    applied: Applied


def _nothing_to_do(*_: Any) -> bool:
    return False


def _never_forgotten(self: BoundedSet, text: str) -> None:
    self._texts[text] = None


_batch = HeadCache.batch


def _slower_batch(self: HeadCache, *arguments: Any) -> Any:
    """Look, and once more for every hundred looks before."""
    self.__dict__["looks"] = looks = self.__dict__.get("looks", 0) + 1
    for _ in range(min(looks // 100, 10)):
        self._store.exists(self._tree.root, self._store.now() + 1)
    return _batch(self, *arguments)


LEAKS = [
    Leak(
        "ids are never forgotten",
        "nodes: dedup",
        lambda: mock.patch.object(Sweeper, "drop_old_ids", _nothing_to_do),
    ),
    Leak(
        "idle producers are never swept",
        "nodes: producers",
        lambda: mock.patch.object(Sweeper, "drop_idle_producers", _nothing_to_do),
    ),
    Leak(
        "minutes are never dropped",
        "nodes: delayed",
        lambda: mock.patch.object(delayed_mover, "KEPT_MINUTES", 10**9),
    ),
    Leak(
        "a client remembers every segment and bucket",
        "objects",
        lambda: mock.patch.object(BoundedSet, "add", _never_forgotten),
    ),
    Leak(
        "looks cost more each time",
        "requests: reserve",
        lambda: mock.patch.object(HeadCache, "batch", _slower_batch),
    ),
]
