# ruff: noqa: PTH102, PTH104, PTH108, PTH123 - importing pathlib would slow down each start
"""A server of files under the disk shim: it does what it is told to files, then gets SIGKILL.

Run as a program with a folder it reads one JSON list of operations from its input. With a number
of threads too it writes logs until it is killed. It imports no more than it needs, since tests
start it hundreds of times.
"""

import json
import os
import signal
import sys
import threading
import time
from typing import Any


def do(operation: list[Any], root: str) -> tuple[int, float]:
    """Do one operation to a path below `root`; return its errno, or 0, and how long it took."""
    what, name, *rest = operation
    began = time.monotonic()
    number = 0
    try:
        _CALLS[what](f"{root}/{name}" if name else root, root, *rest)
    except OSError as error:
        number = error.errno or 0
    return number, time.monotonic() - began


def _opened(path: str, flags: int, call: Any = lambda _: None) -> None:
    fd = os.open(path, flags, 0o644)
    try:
        call(fd)
    finally:
        os.close(fd)


def _write(path: str, _: str, offset: int, text: str) -> None:
    def write(fd: int) -> None:
        os.lseek(fd, offset, os.SEEK_SET)
        os.write(fd, text.encode())

    _opened(path, os.O_WRONLY, write)


def _append(path: str, _: str, text: str) -> None:
    _opened(path, os.O_WRONLY | os.O_APPEND, lambda fd: os.write(fd, text.encode()))


def _pad(path: str, _: str, size: int) -> None:
    _opened(path, os.O_WRONLY, lambda fd: os.pwrite(fd, b"\0", size - 1))


def _log(path: str, _: str, count: int) -> None:
    def log(fd: int) -> None:
        os.pwrite(fd, b"\0", 100_000)  # as ZooKeeper does
        for _ in range(count):
            os.write(fd, b"record")
            os.fdatasync(fd)

    _opened(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, log)


def _truncate(path: str, _: str, size: int) -> None:
    _opened(path, os.O_WRONLY, lambda fd: os.ftruncate(fd, size))


def _copied(path: str, of: str, call: Any) -> None:
    _opened(path, os.O_WRONLY, lambda to: _opened(of, os.O_RDONLY, lambda fd: call(fd, to, 9)))


def _send(fd: int, to: int, count: int) -> None:
    os.sendfile(to, fd, 0, count)


def _close_during_write(path: str, root: str) -> None:
    """Close the descriptor that a write waits with, when told to, and raise what it ends with."""
    fd, errors = os.open(path, os.O_WRONLY | os.O_APPEND), list[OSError]()

    def write() -> None:
        try:
            os.write(fd, b"x")
        except OSError as error:
            errors.append(error)

    (thread := threading.Thread(target=write)).start()
    while not os.access(f"{root}/nemesis/close", os.F_OK):
        time.sleep(0.005)
    os.close(fd)
    os.mkdir(f"{root}/nemesis/closed")
    thread.join()
    raise errors[0]


def _name(path: str, root: str) -> str:
    return path.removeprefix(f"{root}/")


_CREATE = os.O_WRONLY | os.O_CREAT
_CALLS: dict[str, Any] = {
    "create": lambda path, _: _opened(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    "write": _write,
    "append": _append,
    "hold": lambda path, _: os.open(path, os.O_WRONLY),  # open until the server ends
    "log": _log,
    "pad": _pad,
    "truncate": _truncate,
    "rename": lambda path, root, to: os.rename(path, f"{root}/{to}"),
    "unlink": lambda path, _: os.unlink(path),
    "mkdir": lambda path, _: os.mkdir(path),
    "link": lambda path, root, to: os.link(path, f"{root}/{to}"),
    "fsync": lambda path, _: _opened(path, os.O_WRONLY, os.fsync),
    "fdatasync": lambda path, _: _opened(path, os.O_WRONLY, os.fdatasync),
    "fsync-read": lambda path, _: _opened(path, os.O_RDONLY, os.fsync),
    "fsync-folder": lambda path, _: _opened(path, os.O_RDONLY, os.fsync),  # as Java does
    "fsync-directory": lambda path, _: _opened(path, os.O_RDONLY | os.O_DIRECTORY, os.fsync),
    "copy": lambda path, root, of: _copied(path, f"{root}/{of}", os.copy_file_range),
    "send": lambda path, root, of: _copied(path, f"{root}/{of}", _send),
    "allocate": lambda path, _: _opened(path, os.O_WRONLY, lambda fd: os.posix_fallocate(fd, 0, 9)),
    "append-synced": lambda path, _: _opened(
        path, os.O_WRONLY | os.O_APPEND | os.O_DSYNC, lambda fd: os.write(fd, b"x")
    ),
    "rename-at": lambda path, root, to: _opened(
        root, os.O_RDONLY, lambda fd: os.rename(_name(path, root), to, src_dir_fd=fd, dst_dir_fd=fd)
    ),
    "unlink-at": lambda path, root: _opened(
        root, os.O_RDONLY, lambda fd: os.unlink(_name(path, root), dir_fd=fd)
    ),
    "mkdir-at": lambda path, root: _opened(
        root, os.O_RDONLY, lambda fd: os.mkdir(_name(path, root), dir_fd=fd)
    ),
    "close-during-write": _close_during_write,
    "create-at": lambda path, root: _opened(
        root, os.O_RDONLY, lambda fd: os.close(os.open(_name(path, root), _CREATE, dir_fd=fd))
    ),
}


def log_for_ever(path: str, number: int) -> None:
    """Append numbers to a log, and print each with the log's number once it is fsynced."""
    with open(path, "ab+", buffering=0) as log:
        log.seek(0)
        next_one = log.read().count(b"\n")
        while True:
            log.write(b"%d\n" % next_one)
            os.fsync(log.fileno())
            next_one += 1
            print(number, next_one, flush=True)


if __name__ == "__main__" and len(sys.argv) > 2:
    for number in range(int(sys.argv[2])):
        log = (f"{sys.argv[1]}/log.{number}", number)
        threading.Thread(target=log_for_ever, args=log).start()
elif __name__ == "__main__":
    for each in json.load(sys.stdin):
        print(json.dumps(do(each, sys.argv[1])), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
