"""What is left of a server's files after a power cut, compared with a model that remembers states.

The shim notes how to take each operation back. The model does not: it keeps the state of each file
and folder at each fsync, and says which of these states the disk must be in.
"""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from worlds.faults.disk_under_shim import Disk

pytestmark = pytest.mark.medium

MODELS = ("ext4-like", "delayed", "strict")
FILES = ("v/a", "v/b", "v/log.1")


@dataclass
class Inode:
    """A file's bytes now, and at its own last fsync."""

    now: bytes = b""
    synced: bytes = b""


@dataclass
class Model:
    """The states that a disk remembers: of all, of each folder's names, of each file."""

    names: dict[str, Inode | None] = field(default_factory=dict)  # None: a folder
    whole: dict[str, bytes | None] = field(default_factory=dict)  # all, at any fsync
    names_whole: dict[str, Inode | None] = field(default_factory=dict)
    names_of: dict[str, dict[str, Inode | None]] = field(default_factory=dict)  # by folder

    def do(self, what: str, name: str, *rest: Any) -> bool:
        """Do an operation as a file system does; return whether it was allowed."""
        inode, folder = self.names.get(name), name.rpartition("/")[0]
        if what == "mkdir":
            allowed = name not in self.names
            self.names.setdefault(name, None)
            return allowed
        if what == "fsync-folder":
            if name in self.names or not name:
                self._sync()
                self.names_of[name] = self._inside(name)
            return name in self.names or not name
        if what == "create":
            if folder not in self.names:
                return False
            if inode is None:
                self.names[name] = Inode()
            else:
                inode.now = b""
            return True
        if inode is None:
            return False
        self._of_file(inode, what, name, *rest)
        return True

    def _of_file(self, inode: Inode, what: str, name: str, *rest: Any) -> None:
        if what == "hold":
            return
        if what == "rename":
            self.names[rest[0]] = self.names.pop(name)
        elif what == "unlink":
            del self.names[name]
        elif what == "truncate":
            inode.now = inode.now[: rest[0]].ljust(rest[0], b"\0")
        elif what in {"fsync", "fsync-read"}:
            inode.synced = inode.now
            self._sync()
        else:
            offset, text = {
                "write": lambda: (rest[0], rest[1].encode()),
                "append": lambda: (len(inode.now), rest[0].encode()),
                "pad": lambda: (rest[0] - 1, b"\0"),
            }[what]()
            padded = inode.now.ljust(offset, b"\0")
            inode.now = padded[:offset] + text + padded[offset + len(text) :]

    def after(self, model: str) -> dict[str, bytes | None]:
        """Return what a disk holds after a power cut now."""
        if model == "ext4-like":
            return self.whole
        if model == "delayed":
            return {n: inode and inode.synced for n, inode in self.names_whole.items()}
        return self._strict("")

    def _strict(self, folder: str) -> dict[str, bytes | None]:
        left: dict[str, bytes | None] = {}
        for name, inode in self.names_of.get(folder, {}).items():
            left[name] = inode and inode.synced
            left |= self._strict(name) if inode is None else {}
        return left

    def _sync(self) -> None:
        self.whole = {name: inode and inode.now for name, inode in self.names.items()}
        self.names_whole = dict(self.names)

    def _inside(self, folder: str) -> dict[str, Inode | None]:
        return {n: i for n, i in self.names.items() if n.rpartition("/")[0] == folder}


names = st.sampled_from(FILES)
text = st.text("abc\0", min_size=1, max_size=40)
operations = st.lists(
    st.one_of(
        st.tuples(st.just("create"), names),
        st.tuples(st.just("hold"), names),
        st.tuples(st.just("write"), names, st.integers(0, 60), text),
        st.tuples(st.just("append"), names, text),
        st.tuples(st.just("pad"), names, st.integers(1, 90)),
        st.tuples(st.just("truncate"), names, st.integers(0, 60)),
        st.tuples(st.just("rename"), names, names).filter(lambda each: each[1] != each[2]),
        st.tuples(st.just("unlink"), names),
        st.tuples(st.just("fsync"), names),
        st.tuples(st.just("fsync-read"), names),
        st.tuples(st.just("fsync-folder"), st.sampled_from(("", "v"))),
    ),
    max_size=25,
)
lives = st.lists(operations, min_size=1, max_size=3)
Life = list[tuple[Any, ...]]
KNOWN: Life = [("create", "v/a"), ("append", "v/a", "new"), ("fsync", "v/a"), ("fsync-folder", "v")]


REPLACED = [("create", "v/b"), ("rename", "v/b", "v/a")]
PADDED = [("create", "v/a"), ("hold", "v/a"), ("pad", "v/a", 60), ("write", "v/a", 0, "kept")]
UNSYNCED = [("append", "v/a", "lost"), ("create", "v/b"), ("fsync", "v/b")]


@settings(max_examples=30)
@given(lives, st.sampled_from(MODELS))
@example([[*KNOWN, ("unlink", "v/a")]], "strict")
@example([[*KNOWN, ("create", "v/a")]], "delayed")
@example([[*KNOWN, *UNSYNCED]], "delayed")
@example([[*KNOWN, *UNSYNCED]], "ext4-like")
@example([[*KNOWN, ("append", "v/a", "kept"), ("fsync-read", "v/a")]], "delayed")
@example([[*KNOWN, *REPLACED]], "strict")
@example([[*KNOWN, *REPLACED]], "ext4-like")
@example([[*PADDED, ("fsync", "v/a"), ("write", "v/a", 2, "lost")]], "ext4-like")
@example([[*PADDED, ("fsync", "v/a"), ("write", "v/a", 1, "\0")]], "ext4-like")
@example([[*PADDED, ("fsync", "v/a"), ("truncate", "v/a", 2), ("pad", "v/a", 9)]], "ext4-like")
@example([[*PADDED, ("truncate", "v/a", 0), ("fsync", "v/a"), *PADDED[2:]]], "ext4-like")
@example([[*PADDED, ("fsync", "v/a")], [("write", "v/a", 3, "lost")]], "ext4-like")
@example([[*KNOWN], [("append", "v/a", "lost")], [("truncate", "v/a", 1)]], "ext4-like")
def test_a_power_cut_leaves_what_the_model_says(lives: list[Life], model: str) -> None:
    """After any operations of servers one after the other, the disk holds what is durable."""
    expected = Model()
    with tempfile.TemporaryDirectory() as folder:
        disk = Disk(Path(folder))
        for life in [[("mkdir", "v"), *lives[0]], *lives[1:]]:
            allowed = [expected.do(*each) for each in life]
            assert [told == "ok" for told in disk.served(life)] == allowed
        assert disk.content() == {n: i and i.now for n, i in expected.names.items()}
        lost = disk.cut(model)
        assert lost["failed"] == 0
        assert disk.content() == expected.after(model)
        assert disk.cut(model) | {"operations": 0} == dict.fromkeys(lost, 0), "nothing is left"


@pytest.mark.parametrize("how", ["fsync-folder", "fsync-directory"])
def test_a_folder_is_synced_however_it_was_opened(tmp_path: Path, how: str) -> None:
    """Java opens a folder as it opens a file to read; its names are durable all the same."""
    disk = Disk(tmp_path)
    disk.served([("create", "a"), ("append", "a", "x"), ("fsync", "a"), (how, ""), ("create", "b")])
    disk.cut("strict")
    assert disk.content() == {"a": b"x"}


@pytest.mark.parametrize(
    ("call", "left"),
    [
        (("link", "a", "b"), {"a": b"x", "b": b"x", "c": b"y"}),
        (("copy", "a", "c"), {"a": b"y", "c": b"y"}),
        (("send", "a", "c"), {"a": b"y", "c": b"y"}),
        (("allocate", "a"), {"a": b"x" + bytes(8), "c": b"y"}),
        (("append-synced", "a"), {"a": b"xx", "c": b"y"}),
        (("rename-at", "a", "b"), {"b": b"x", "c": b"y"}),
        (("unlink-at", "a"), {"c": b"y"}),
        (("mkdir-at", "b"), {"a": b"x", "b": None, "c": b"y"}),
        (("create-at", "b"), {"a": b"x", "b": b"", "c": b"y"}),
    ],
    ids=lambda each: each[0] if isinstance(each, tuple) else "",
)
def test_a_call_that_cannot_be_taken_back_is_told(
    tmp_path: Path, call: tuple[Any, ...], left: dict[str, bytes | None]
) -> None:
    """The call does what it does; after it the tool refuses to cut, and leaves the files alone."""
    disk = Disk(tmp_path)
    files = [("create", "a"), ("append", "a", "x"), ("create", "c"), ("append", "c", "y")]
    assert disk.served([*files, call]) == ["ok"] * 5
    with pytest.raises(AssertionError, match="a call that can't be taken back"):
        disk.cut("ext4-like")
    assert disk.content() == left


def test_a_server_without_the_shim_loses_nothing(tmp_path: Path) -> None:
    """The control of these tests: what the shim does not see stays."""
    disk = Disk(tmp_path)
    disk.served([("create", "a"), ("append", "a", "seen")])
    (disk.root / "b").write_text("unseen")
    lost = disk.cut("strict")
    assert (lost["writes"], lost["bytes"], lost["files"], lost["names"]) == (1, 4, 1, 1)
    assert disk.content() == {"b": b"unseen"}


def test_what_a_reset_forgets_is_durable(tmp_path: Path) -> None:
    """After `reset`, as after a wipe, earlier operations are no longer taken back."""
    disk = Disk(tmp_path)
    disk.served([("create", "a"), ("append", "a", "kept"), ("create", "b"), ("unlink", "b")])
    disk.tool("reset", str(disk.root))
    disk.served([("append", "a", "lost")])
    disk.cut("strict")
    assert disk.content() == {"a": b"kept"}


@pytest.mark.parametrize("model", ["ext4-like", "delayed"])
def test_no_acknowledged_write_is_lost_whenever_it_is_killed(tmp_path: Path, model: str) -> None:
    """Threads that write and fsync side by side find all that they had fsynced, and a prefix."""
    disk = Disk(tmp_path)
    for life in range(5):
        acknowledged = disk.killed_after(lines=300 + 40 * life, threads=3)
        disk.cut(model)
        for name, content in disk.content().items():
            assert content is not None
            count = int(name.partition(".")[2])
            numbers = [int(line) for line in content.split()]
            assert numbers == list(range(len(numbers))), "a prefix of what was written"
            assert len(numbers) >= acknowledged[count]


def test_many_writes_that_were_never_fsynced_are_taken_back(tmp_path: Path) -> None:
    """Notes longer than a page, of two servers one after the other, are all read again."""
    disk = Disk(tmp_path)
    disk.served([("create", "a"), ("append", "a", "x" * 2_000), ("fsync", "a")])
    for life in "yz":
        writes = [("write", "a", 10 * n, life * 20) for n in range(150)]
        disk.served([("hold", "a"), *writes])
    lost = disk.cut("ext4-like")
    assert (lost["writes"], lost["failed"]) == (300, 0)
    assert disk.content() == {"a": b"x" * 2_000}


def test_records_that_find_no_room_are_told(tmp_path: Path) -> None:
    """Where a note cannot be written the server goes on, and the tool refuses to cut."""
    disk = Disk(tmp_path)
    disk.served([("create", "a")])
    for each in (disk.state / "undo").iterdir():
        each.unlink()
        each.mkdir()
    assert disk.served([("append", "a", "x")]) == ["ok"]
    with pytest.raises(AssertionError, match="were not written"):
        disk.cut("strict")
    assert disk.content() == {"a": b"x"}


def test_an_idle_shim_adds_two_cheap_calls_to_a_write_and_none_to_an_fsync(tmp_path: Path) -> None:
    """A note is a store to memory; only where the write goes, and the file's size, are asked for.

    Never by stat: the next write would then have to change the inode's times.
    """
    disk = Disk(tmp_path)
    few, many = (disk.calls_of([("log", str(n), n)]) for n in (10, 60))
    assert many - few == {"write": 50, "fdatasync": 50, "lseek": 100}
