"""docs/working.md: its examples are run with real threads, on a server in memory."""

import logging

import pytest

from worlds import pages
from zkmq.working.work_settings import WorkSettings

PAGE = pages.DOCS / "working.md"


def test_the_examples_say_what_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every `>>>` of the page, one after the other."""
    test = pages.session(PAGE)
    assert len(test.examples) > 8
    with pages.all_in_memory(monkeypatch):
        logging.getLogger("zkmq.working").disabled = True
        try:
            failed, tried = pages.typed_in(test, clear_globs=False)
            test.globs["queue"].close()
        finally:
            logging.getLogger("zkmq.working").disabled = False
    assert (failed, tried) == (0, len(test.examples))


def test_every_setting_is_on_the_page() -> None:
    """A setting that is added without a word is noticed."""
    text = PAGE.read_text()
    assert {name for name in WorkSettings.__slots__ if f"`{name}`" not in text} == set()  # type: ignore[attr-defined]
