"""docs/working.md: its examples are run with real threads, on a server in memory."""

import doctest
import logging
from pathlib import Path
from typing import Any

import pytest

from worlds.wire.zookeeper import WireZooKeeper
from zkmq.working.work_settings import WorkSettings
from zkmq.zookeeper.kazoo_store import KazooStore

PAGE = Path(__file__).parents[3] / "docs" / "working.md"


def test_the_examples_say_what_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every `>>>` of the page, one after the other."""
    connect = KazooStore.connect
    test = doctest.DocTestParser().get_doctest(PAGE.read_text(), {}, PAGE.name, str(PAGE), 0)
    assert len(test.examples) > 8
    with WireZooKeeper() as server:

        def to_memory(hosts: str, **connection: Any) -> KazooStore:
            return connect(server.address, **connection)

        monkeypatch.setattr(KazooStore, "connect", to_memory)
        logging.getLogger("zkmq.working").disabled = True
        try:
            failed, tried = doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF).run(
                test, clear_globs=False
            )
            test.globs["queue"].close()
        finally:
            logging.getLogger("zkmq.working").disabled = False
    assert (failed, tried) == (0, len(test.examples))


def test_every_setting_is_on_the_page() -> None:
    """A setting that is added without a word is noticed."""
    text = PAGE.read_text()
    assert {name for name in WorkSettings.__slots__ if f"`{name}`" not in text} == set()  # type: ignore[attr-defined]
