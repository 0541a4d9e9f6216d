"""A folder as the disk of a server under the shim, compiled with this machine's gcc."""

import errno
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import cluster
from harness.common.polling import wait_until
from worlds.faults import file_server

SHIM = Path(cluster.__file__).parent / "disk_shim"
_COUNTED = ("write", "fdatasync", "lseek", "other")
_PYTHON = [sys.executable, "-S", "-E", "-s", str(file_server.__file__)]


@cache
def built() -> Path:
    """Return the folder of the compiled library and tool; skip the test where there is no gcc."""
    if shutil.which("gcc") is None:
        pytest.skip("expected gcc, got none: the shim was not tested")
    folder = Path(tempfile.mkdtemp(prefix="zkmq-disk-shim-"))
    subprocess.run([str(SHIM / "build.sh"), str(folder)], check=True, timeout=120)
    return folder


@cache
def _counter() -> Path:
    """Return the compiled library that counts the shim's system calls."""
    library = built() / "libcounted_calls.so"
    source = Path(__file__).with_name("counted_calls.c")
    flags = ["-D_GNU_SOURCE", "-O2", "-Wall", "-Werror", "-fPIC", "-shared"]
    subprocess.run(
        ["gcc", *flags, "-o", str(library), str(source), "-ldl"], check=True, timeout=120
    )
    return library


class Disk:
    """A server's disk at `root`; what is there already is durable."""

    def __init__(self, folder: Path) -> None:
        self.root, self.state = folder / "data", folder / "state"
        self.root.mkdir(parents=True)
        self.tool("init", str(self.root))

    def tool(self, command: str, *words: str) -> str:
        """Run the sandbox's tool on this disk; return what it printed."""
        done = subprocess.run(
            [str(built() / "disk-nemesis"), command, str(self.state), *words],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def rule(self, call: str, file: str, effect: str, **settings: int) -> None:
        """Put a rule in force for the calls of the servers to come."""
        names = ("error", "delay_ms", "jitter_ms", "keep_bytes", "nth", "times")
        defaults = {"nth": 1}
        numbers = [str(settings.get(name, defaults.get(name, 0))) for name in names]
        self.tool("rule", call, file, effect, *numbers)

    def look(self) -> dict[str, Any]:
        """Return what the shim has seen and done."""
        return dict(json.loads(self.tool("look")))

    def wait_for_injections(self, count: int) -> None:
        """Wait until the rule has changed so many calls."""
        assert wait_until(
            lambda: self.look()["injected"], lambda seen: seen >= count, within_s=60, every_s=0.01
        )

    def started(
        self, operations: Sequence[Sequence[Any]], **environment: str
    ) -> subprocess.Popen[str]:
        """Start a server that does these operations and ends with SIGKILL."""
        server = self._server(**environment)
        assert server.stdin is not None
        server.stdin.write(json.dumps(operations))
        server.stdin.close()
        return server

    def killed_after(self, *, lines: int, threads: int) -> Counter[int]:
        """Let threads write a log each, until they have acknowledged so many lines in all.

        Return how many lines each log had, as far as was acknowledged.
        """
        acknowledged: Counter[int] = Counter()
        with self._server(str(threads)) as server:
            assert server.stdout is not None
            for line, _ in zip(server.stdout, range(lines), strict=False):
                log, count = map(int, line.split())
                acknowledged[log] = count
            server.kill()
        return acknowledged

    def calls_of(self, operations: Sequence[Sequence[Any]]) -> Counter[str]:
        """Let a server do these operations; return how many system calls the shim made."""
        counts = self.root.parent / "counted"
        counts.write_bytes(bytes(8 * len(_COUNTED)))
        libraries = f"{built() / 'libdisk_shim.so'}:{_counter()}"
        with self.started(operations, LD_PRELOAD=libraries, COUNTED_CALLS=str(counts)) as server:
            server.wait(60)
        found = struct.unpack(f"{len(_COUNTED)}Q", counts.read_bytes())
        return Counter(dict(zip(_COUNTED, found, strict=True)))

    def _server(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*_PYTHON, str(self.root), *words],
            env={
                **os.environ,
                "LD_PRELOAD": str(built() / "libdisk_shim.so"),
                "DISK_SHIM_ROOT": str(self.root),
                "DISK_SHIM_STATE": str(self.state),
                **environment,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def served(self, operations: Sequence[Sequence[Any]]) -> list[str]:
        """Let a server do these operations; return each one's error, `ok` if there was none."""
        return [name for name, _ in self.timed(operations)]

    def timed(self, operations: Sequence[Sequence[Any]]) -> list[tuple[str, float]]:
        """Do the same; return how long each took, too."""
        with self.started(operations) as server:
            assert server.stdout is not None
            told = [json.loads(line) for line in server.stdout]
        return [(errno.errorcode[code] if code else "ok", took_s) for code, took_s in told]

    def cut(self, model: str) -> dict[str, int]:
        """Take back what was not fsynced; return what that was."""
        return dict(json.loads(self.tool("cut", str(self.root), model)))

    def content(self) -> Mapping[str, bytes | None]:
        """Return the bytes of each file by its path, None for a folder."""
        return {
            str(path.relative_to(self.root)): None if path.is_dir() else path.read_bytes()
            for path in sorted(self.root.rglob("*"))
            if path.relative_to(self.root).parts[0] != "nemesis"
        }
