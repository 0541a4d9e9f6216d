"""The undo ledger: what is open, whose it is, and what a kill in the middle of a line leaves."""

from pathlib import Path

import pytest

from cluster.engine import labels, ledger
from cluster.engine.ledger import LedgerFile


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LedgerFile:
    """Return an empty ledger in a folder of its own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return LedgerFile("run")


def dead_owner() -> str:
    """Return the owner string of a process that is gone."""
    me = labels.Owner.me()
    return str(labels.Owner(me.host, me.boot, me.pid, me.start_ticks + 1))


def test_open_is_what_was_not_ended(book: LedgerFile) -> None:
    """Begun and not ended is open, in order; another process reads the same."""
    book.begin({"id": 1, "fault": "kill"})
    book.begin({"id": 2, "fault": "cut"})
    book.end(1)
    assert [entry["id"] for entry in LedgerFile("run").open()] == [2]


def test_nothing_is_open_without_a_file(book: LedgerFile) -> None:
    """A quorum that was never hurt has no file and nothing open."""
    assert book.open() == []
    book.remove()


def test_it_is_on_disk_before_it_returns(book: LedgerFile) -> None:
    """After `begin` the line is in the file, so a kill right afterwards finds it."""
    book.begin({"id": 1, "fault": "kill"})
    assert '"fault": "kill"' in book.path.read_text()


def test_a_line_cut_off_is_no_entry(book: LedgerFile) -> None:
    """A harness killed while it wrote had not begun what it wrote."""
    book.begin({"id": 1, "fault": "kill"})
    with book.path.open("a") as file:
        file.write('{"id": 2, "fau')
    assert [entry["id"] for entry in book.open()] == [1]


@pytest.mark.parametrize("cut_off", ['{"id": 2, "fau', "\0\0\0", '{"end": 1'])
def test_what_follows_a_line_cut_off_is_read(book: LedgerFile, cut_off: str) -> None:
    """A line that a full disk cut off does not swallow the next: that fault is in force."""
    book.begin({"id": 1})
    with book.path.open("a") as file:
        file.write(cut_off)
    book.begin({"id": 3})
    book.end(1)
    assert [entry["id"] for entry in book.open()] == [3]


def test_a_machine_that_started_again_holds_nothing(
    book: LedgerFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry by hand ends with its time or with the boot whose uptime it counts."""
    monkeypatch.setattr(ledger, "uptime_s", lambda: 100.0)
    me = labels.Owner.me()
    earlier = labels.Owner(me.host, "another-boot", me.pid, me.start_ticks)
    book._append({"id": 1, "owner": str(earlier), "until_s": 5000.0})
    assert [entry["id"] for entry in book.left()] == [1]


def test_left_is_what_nobody_holds(book: LedgerFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry is left when its owner is gone and no lease of it runs."""
    monkeypatch.setattr(ledger, "uptime_s", lambda: 100.0)
    book.begin({"id": 1})
    for id, until_s in ((2, 0.0), (3, 99.0), (4, 101.0)):
        book._append({"id": id, "owner": dead_owner(), "until_s": until_s})
    assert [entry["id"] for entry in book.left()] == [2, 3]


def test_removed_with_its_quorum(book: LedgerFile) -> None:
    """When the quorum goes, its ledger goes."""
    book.begin({"id": 1})
    book.remove()
    assert not book.path.exists()
    assert book.open() == []


def test_one_that_is_removed_under_a_look_has_nothing_open(
    book: LedgerFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its quorum goes while `clean`, or `status`, of another process looks at all ledgers."""
    book.begin({"id": 1})
    read = Path.read_text

    def remove_and_read(path: Path, *arguments: str, **settings: str) -> str:
        path.unlink(missing_ok=True)
        return read(path, *arguments, **settings)

    monkeypatch.setattr(Path, "read_text", remove_and_read)
    assert book.open() == []
