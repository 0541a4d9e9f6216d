"""docs/observing.md: its examples are run, on the in-memory ZooKeeper, and print what it says."""

import doctest
import re
from pathlib import Path

import pytest

from worlds.memory.store import MemoryStore, World
from zkmq.events import LEVELS
from zkmq.janitor.janitor_thread import JanitorThread
from zkmq.observing.observer import COUNTERS, HISTOGRAMS
from zkmq.zookeeper.kazoo_store import KazooStore

PAGE = Path(__file__).parents[3] / "docs" / "observing.md"


def test_the_examples_say_what_happens(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every `>>>` of the page, one after the other."""
    monkeypatch.setattr(KazooStore, "connect", lambda *_, **__: MemoryStore(world, "page"))
    # A real thread has no place in virtual time.
    monkeypatch.setattr(JanitorThread, "start", lambda _: None)
    monkeypatch.setattr(JanitorThread, "stop", lambda *_: None)
    test = doctest.DocTestParser().get_doctest(PAGE.read_text(), {}, PAGE.name, str(PAGE), 0)
    assert len(test.examples) > 15
    failed, tried = doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF).run(test)
    assert (failed, tried) == (0, len(test.examples))


def test_every_name_is_on_the_page() -> None:
    """Of counters, histograms and events."""
    text = PAGE.read_text()
    for name in (*COUNTERS, *HISTOGRAMS, *LEVELS):
        assert re.search(rf"`{name}`", text), name
