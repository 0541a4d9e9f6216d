"""Files that are written whole or not at all, also by two processes at once."""

import os
from pathlib import Path

import pytest

from harness.common import files


def test_two_that_write_a_file_at_once_both_write_it_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As two `harness check` of one run do: the last to end decides, and nothing else is left."""
    path, sync = tmp_path / "results.json", os.fsync
    others = [b"the other's, which is longer"]

    def write_another_first(file: int) -> None:
        if others:
            files.write(path, others.pop())
            assert path.read_bytes() == b"the other's, which is longer"
        sync(file)

    monkeypatch.setattr(os, "fsync", write_another_first)
    files.write(path, b"ours")
    assert path.read_bytes() == b"ours"
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk costs neither the old file, nor a part of the new one."""
    path = tmp_path / "results.json"
    path.write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.write(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
