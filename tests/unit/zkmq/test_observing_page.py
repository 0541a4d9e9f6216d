"""docs/observing.md: its examples are run, on the in-memory ZooKeeper, and print what it says."""

import re

import pytest

from worlds import pages
from worlds.memory.store import MemoryStore, World
from zkmq.events import LEVELS
from zkmq.janitor.janitor_thread import JanitorThread
from zkmq.observing.observer import COUNTERS, HISTOGRAMS
from zkmq.zookeeper.session.kazoo_store import KazooStore

PAGE = pages.DOCS / "observing.md"


def test_the_examples_say_what_happens(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every `>>>` of the page, one after the other."""
    monkeypatch.setattr(KazooStore, "connect", lambda *_, **__: MemoryStore(world, "page"))
    # A real thread has no place in virtual time.
    monkeypatch.setattr(JanitorThread, "start", lambda _: None)
    monkeypatch.setattr(JanitorThread, "stop", lambda *_: None)
    test = pages.session(PAGE)
    assert len(test.examples) > 15
    failed, tried = pages.typed_in(test)
    assert (failed, tried) == (0, len(test.examples))


def test_every_name_is_on_the_page() -> None:
    """Of counters, histograms and events."""
    text = PAGE.read_text()
    for name in (*COUNTERS, *HISTOGRAMS, *LEVELS):
        assert re.search(rf"`{name}`", text), name
