"""Read regular files of bounded size; write files whole or not at all."""

import os
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from harness.common.harness_errors import ScenarioError


def read(path: Path, kind: str, *, at_most: int, hint: str = "") -> bytes:
    """Return a file's bytes; errors say what `kind` of file was expected, and the `hint`.

    Raises:
        ScenarioError: it is not there, not regular, bigger than `at_most` bytes, or not readable.
    """
    with open_regular(path, kind, hint=hint) as file:
        try:
            data = file.read(at_most + 1)
        except OSError as error:
            raise unreadable(path, kind, _reason(error)) from error
    if len(data) > at_most:
        raise unreadable(path, kind, f"one of more than {at_most} bytes")
    return data


def open_regular(path: Path, kind: str, *, hint: str = "") -> BinaryIO:
    """Open a regular file for reading; refuse a FIFO or device, without waiting for it.

    Raises:
        ScenarioError: it is not there, not regular, or not readable.
    """
    try:
        mode = path.stat().st_mode  # first: opening a device may already do something
        if stat.S_ISREG(mode):
            return os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    except FileNotFoundError as error:
        raise unreadable(path, kind, f"no such file{hint}") from error
    except (OSError, ValueError) as error:
        raise unreadable(path, kind, _reason(error)) from error
    raise unreadable(path, kind, _kind_of_file(mode))


def write(path: Path, data: bytes) -> None:
    """Write a file atomically; see `write_parts`."""
    write_parts(path, [data])


def write_parts(path: Path, parts: Iterable[bytes]) -> None:
    """Write a file atomically: its bytes are on disk before it gets its name.

    Two processes may do so at once; then it has what the last one to end has written.

    Raises:
        OSError: it could not be written; what stood there before is there still.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        with partial.open("wb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def unreadable(path: Path, kind: str, got: str) -> ScenarioError:
    """Return the error for a file: what was expected, and what was there."""
    return ScenarioError(f"{path}: expected a readable {kind}, got {got}")


def _kind_of_file(mode: int) -> str:
    kinds = {stat.S_IFDIR: "a directory", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
