"""A file of lines that one process at a time adds to; each is on disk before the next."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from harness.common import files
from harness.common.harness_errors import HarnessError

MAX_BYTES = 1 << 30


class StoreError(HarnessError):
    """The disk does not take what was found; what was kept before stands."""


def cannot_keep(path: Path, error: OSError) -> StoreError:
    """Return the error for a disk that does not take what was found."""
    return StoreError(
        f"{path}: expected to keep an outcome here, got: {error.strerror}; what was kept before "
        f"stands, and the same command goes on from there once there is room"
    )


def whole_lines(path: Path, kind: str) -> list[bytes]:
    """Return a file's lines without their ends, also while it is written.

    A last one that has no end yet is left out.

    Raises:
        ScenarioError: it cannot be read.
    """
    return files.read(path, kind, at_most=MAX_BYTES).split(b"\n")[:-1]


class LineFile:
    """It, open for writing by this process alone; its folder is made if need be.

    Attributes:
        lines: what it had when it was opened. A line that a kill cut off is taken away.

    Raises:
        BlockingIOError: another process has it open.
        StoreError: it cannot be written.
        ScenarioError: it cannot be read.
    """

    def __init__(self, path: Path, kind: str) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._descriptor = os.open(path, flags, 0o644)
        except OSError as error:
            raise cannot_keep(path, error) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.lines = whole_lines(path, kind)
            self._whole_bytes = sum(len(line) + 1 for line in self.lines)
            os.ftruncate(self._descriptor, self._whole_bytes)
        except BaseException:
            self.close()
            raise

    def append(self, line: bytes) -> None:
        """Add a line, without its end in `line`; if it does not fit, no part of it stays.

        Raises:
            StoreError: it cannot be written.
        """
        data = line + b"\n"
        try:
            written = os.write(self._descriptor, data)
            if written < len(data):  # the rest says why it does not fit
                os.write(self._descriptor, data[written:])
            os.fsync(self._descriptor)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self._whole_bytes)
            raise cannot_keep(self.path, error) from error
        self._whole_bytes += len(data)

    def close(self) -> None:
        """Let others open it."""
        os.close(self._descriptor)  # and with it the lock
