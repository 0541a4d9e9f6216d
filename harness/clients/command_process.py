"""A foreign command as a client: its lines as they come, its end, and what it must not do."""

import contextlib
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Final

from harness.common.harness_errors import SubjectError

MAX_LINE_BYTES: Final = 1 << 16
MAX_LOG_BYTES: Final = 1 << 20
TICK_S: Final = 0.05
END_WITHIN_S: Final = 5.0
_READ_BYTES: Final = 1 << 16
_TAIL_BYTES: Final = 500


class CommandProcess:
    """Runs a command without a shell, in the process group of its worker, which ends the group.

    What it writes to standard error goes to the worker's own, up to MAX_LOG_BYTES.

    Args:
        words: the command and its arguments.
        folder: its working directory.
        silent_s: how long it may write no line. Time in which this process was stopped does not
            count.

    Raises:
        SubjectError: it cannot be started.
    """

    def __init__(self, words: Sequence[str], folder: Path, *, silent_s: float) -> None:
        self._silent_s, self._logged, self._tail = silent_s, 0, b""
        try:
            self._process = subprocess.Popen(
                words,
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
            )
        except (OSError, ValueError) as error:
            raise SubjectError(
                f"expected a command that can be run in {folder}, got {words[0]!r}: {error}"
            ) from error
        self._selector = selectors.DefaultSelector()
        for pipe in (self._process.stdout, self._process.stderr):
            self._selector.register(_open(pipe), selectors.EVENT_READ)
        os.set_blocking(_open(self._process.stdin).fileno(), False)

    def batches(self) -> Iterator[list[bytes]]:
        """Yield the whole lines that have come since the last look, until the command has ended.

        Raises:
            SubjectError: silence for too long, or a line that is too long.
        """
        rest, silent_s, looked_s = b"", 0.0, time.monotonic()
        while True:
            ended = self._process.poll() is not None
            data = self._read()
            now_s = time.monotonic()
            silent_s, looked_s = silent_s + min(now_s - looked_s, 2 * TICK_S), now_s
            *lines, rest = (rest + data).split(b"\n")
            if len(rest) > MAX_LINE_BYTES:
                raise SubjectError(
                    f"expected lines of at most {MAX_LINE_BYTES} bytes, got {rest[:40]!r}..."
                )
            if lines:
                silent_s = 0.0
                yield lines
            if ended and not data:
                if rest.strip():
                    yield [rest]
                return
            if silent_s > self._silent_s:
                raise SubjectError(f"expected a line within {self._silent_s:g} s, got none")

    def answer(self, line: bytes) -> None:
        """Write a line to its standard input, unless it has closed that or ended.

        Raises:
            SubjectError: it does not read.
        """
        try:
            _open(self._process.stdin).write(line + b"\n")
        except BlockingIOError as error:
            raise SubjectError("expected it to read its standard input, got none read") from error
        except (BrokenPipeError, ValueError):
            return  # how it ended will tell

    def end(self) -> int:
        """End it if it still runs, and return its status; negative is the number of a signal."""
        if self._process.poll() is None:
            self._process.kill()
        status = self._process.wait(END_WITHIN_S)
        self._selector.close()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            with contextlib.suppress(OSError):
                _open(pipe).close()
        return status

    @property
    def last_words(self) -> str:
        """Return the last line that it wrote to standard error."""
        lines = self._tail.decode(errors="replace").strip().splitlines()
        return repr(lines[-1]) if lines else "nothing"

    def _read(self) -> bytes:
        """Return what is on standard output after at most a tick; log what is on the other."""
        found = b""
        for key, _ in self._selector.select(TICK_S):
            data = os.read(key.fd, _READ_BYTES)
            if not data:
                self._selector.unregister(key.fileobj)
            elif key.fileobj is self._process.stdout:
                found = data
            else:
                self._log(data)
        return found

    def _log(self, data: bytes) -> None:
        self._tail = (self._tail + data)[-_TAIL_BYTES:]
        room = MAX_LOG_BYTES - self._logged
        if room <= 0:
            return
        self._logged += len(data)
        more = b"" if len(data) < room else b"\n(more of it is not kept)\n"
        os.write(sys.stderr.fileno(), data[:room] + more)


def _open(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe
