"""What the shim does to single calls of a server: errors, delays, stalls and torn writes."""

import errno
import json
from pathlib import Path
from typing import Any

import pytest

from harness.common.polling import wait_until
from worlds.faults.disk_under_shim import Disk

pytestmark = pytest.mark.medium

LOG, SNAPSHOT, EPOCH = "v/log.1", "v/snapshot.0", "v/currentEpoch.tmp"
SETUP: list[Any] = [["mkdir", "v"], *(["create", name] for name in (LOG, SNAPSHOT, EPOCH))]


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    """Return a disk with an empty file of each kind."""
    made = Disk(tmp_path)
    assert made.served(SETUP) == ["ok"] * 4
    return made


@pytest.mark.parametrize(
    ("call", "what"),
    [("write", ["append", LOG, "x"]), ("write", ["pad", LOG, 9]), ("allocate", ["pad", LOG, 9])]
    + [("fsync", [sync, LOG]) for sync in ("fsync", "fdatasync")],
)
def test_the_nth_call_fails(disk: Disk, call: str, what: list[Any]) -> None:
    """With `nth` 2 and `times` 1 the second call ends with the error, the others do not."""
    disk.rule(call, "log", "error", error=errno.ENOSPC, nth=2, times=1)
    others = [["append", SNAPSHOT, "x"], ["fsync", SNAPSHOT]]
    told = disk.served([what, *others, ["truncate", LOG, 0], what, *others, what])
    assert told == ["ok", "ok", "ok", "ok", "ENOSPC", "ok", "ok", "ok"]
    assert (disk.look()["matched"], disk.look()["injected"]) == (3, 1)
    assert disk.look()["hit"] == str(disk.root / LOG)


@pytest.mark.parametrize(
    ("file", "hit"),
    [("log", LOG), ("snapshot", SNAPSHOT), ("epoch", EPOCH), ("any", LOG)],
)
def test_a_rule_is_about_one_kind_of_file(disk: Disk, file: str, hit: str) -> None:
    """Only files of the kind that the rule names are hit, by all calls from the first on."""
    disk.rule("any", file, "error", error=errno.EIO)
    names = (LOG, SNAPSHOT, EPOCH)
    told = disk.served([["append", name, "x"] for name in names for _ in "12"])
    expected = ["EIO" if file == "any" or name == hit else "ok" for name in names for _ in "12"]
    assert told == expected
    assert disk.look()["hit"] == str(disk.root / hit)


def test_a_rule_about_padding_leaves_appends_alone(disk: Disk) -> None:
    """`allocate` is a positional write past the end, which is how a log is padded."""
    disk.rule("allocate", "log", "error", error=errno.ENOSPC)
    told = disk.served([["append", LOG, "abc"], ["pad", LOG, 2], ["pad", LOG, 90]])
    assert told == ["ok", "ok", "ENOSPC"]


def test_what_failed_has_changed_nothing(disk: Disk) -> None:
    """A write that failed wrote nothing, and an fsync that failed made nothing durable."""
    disk.rule("write", "log", "error", error=errno.ENOSPC, times=1)
    disk.served([["append", LOG, "no"], ["append", LOG, "yes"]])
    assert disk.content()[LOG] == b"yes"
    disk.rule("fsync", "log", "error", error=errno.EIO)
    assert disk.served([["fsync", LOG]]) == ["EIO"]
    disk.cut("delayed")
    assert disk.content() == {}


def test_an_fsync_is_late(disk: Disk) -> None:
    """A delay is waited for before the call, jitter included, and the call then takes place."""
    disk.rule("fsync", "log", "delay", delay_ms=200, jitter_ms=50)
    _, (told, took_s) = disk.timed([["append", LOG, "x"], ["fsync", LOG]])
    assert told == "ok"
    assert took_s >= 0.15
    assert disk.look()["fsyncs"] == 1


def test_a_stall_ends_when_it_is_mended(disk: Disk) -> None:
    """A call hangs until the rule is taken off; then it takes place."""
    disk.rule("write", "log", "stall")
    with disk.started([["append", LOG, "x"]]) as server:
        disk.wait_for_injections(1)
        assert disk.content()[LOG] == b""
        disk.tool("mend")
        server.wait(60)
    assert disk.content()[LOG] == b"x"


def test_a_file_that_is_closed_while_a_write_waits_ends_no_server(disk: Disk) -> None:
    """The write ends with an error, as it does without the shim."""
    disk.rule("write", "log", "stall")
    with disk.started([["close-during-write", LOG]]) as server:
        disk.wait_for_injections(1)
        (disk.root / "nemesis" / "close").touch()
        closed = disk.root / "nemesis" / "closed"
        assert wait_until(closed.exists, within_s=60, every_s=0.01)
        disk.tool("mend")
        assert server.stdout is not None
        assert [json.loads(line)[0] for line in server.stdout] == [errno.EBADF]


def test_a_torn_write_survives_the_cut_with_its_first_bytes(disk: Disk) -> None:
    """The first bytes of the first longer write are on the disk after a cut, and no more."""
    disk.rule("write", "log", "tear", keep_bytes=3, times=1)
    with disk.started([["append", LOG, "abc"], ["append", LOG, "defghi"]]) as server:
        disk.wait_for_injections(1)
        server.kill()
    disk.cut("ext4-like")
    assert disk.content()[LOG] == b"abcdef"


def test_a_torn_write_that_is_mended_becomes_whole(disk: Disk) -> None:
    """If the rule is taken off before the server is killed, no damage stays."""
    disk.rule("write", "log", "tear", keep_bytes=3)
    with disk.started([["append", LOG, "defghi"]]) as server:
        disk.wait_for_injections(1)
        disk.tool("mend")
        server.wait(60)
    assert disk.content()[LOG] == b"defghi"


def test_a_word_that_means_nothing_is_refused(disk: Disk) -> None:
    """A kind of file that does not exist is told, and no rule is put in force."""
    with pytest.raises(AssertionError, match=r"expected one of any, log, .*, got wal"):
        disk.rule("write", "wal", "stall")
    assert disk.served([["append", LOG, "x"]]) == ["ok"]
