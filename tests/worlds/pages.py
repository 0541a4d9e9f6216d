"""The examples of docs/, as they stand there."""

import doctest
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from worlds.wire.zookeeper import WireZooKeeper
from zkmq.zookeeper.session.kazoo_store import KazooStore

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str, language: str) -> list[str]:
    """Return a page's blocks in one language, in order."""
    text = (DOCS / page).read_text()
    return [str(block) for block in re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)]


def session(page: Path) -> doctest.DocTest:
    """Return every `>>>` of a page, as one session."""
    return doctest.DocTestParser().get_doctest(page.read_text(), {}, page.name, str(page), 0)


def typed_in(test: doctest.DocTest, *, clear_globs: bool = True) -> doctest.TestResults:
    """Run a session; return how many of its examples failed, and how many were tried."""
    runner = doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF)
    return runner.run(test, clear_globs=clear_globs)


@contextmanager
def all_in_memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[WireZooKeeper]:
    """Let every queue that is connected be on one server in memory, with real threads."""
    connect = KazooStore.connect
    with WireZooKeeper() as server:

        def to_memory(hosts: str, **connection: Any) -> KazooStore:
            return connect(server.address, **connection)

        monkeypatch.setattr(KazooStore, "connect", to_memory)
        yield server


def naive_queue() -> str:
    """Return the queue of docs/your-own-queue.md that gives items twice."""
    return blocks("your-own-queue.md", "python")[0]


def right_queue() -> str:
    """Return the same queue with the page's right `reserve` in the place of its own."""
    text, right = blocks("your-own-queue.md", "python")[:2]
    begin, end = text.index("    def reserve"), text.index("    def close")
    return f"{text[:begin]}{right}\n{text[end:]}"
