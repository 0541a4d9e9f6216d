"""What a server's log tells: lines that mean trouble, and where its exceptions were thrown."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.common.server_states import LOG_CUT
from harness.history.columns import History

NOTE = "server-log"
_SAMPLES = 5
_FRAMES = 6
# Lines that mean trouble inside a server, whatever the faults, or may explain trouble; what faults
# cause is not here.
PATTERNS: Mapping[str, re.Pattern[bytes]] = {
    "digest-mismatch": re.compile(rb"digest.*(mismatch|not matching)", re.IGNORECASE),
    "null-pointer": re.compile(rb"NullPointerException"),
    "out-of-memory": re.compile(rb"OutOfMemoryError"),
    "corrupt-log": re.compile(rb"(CRC check failed|Unreasonable length|corrupt)", re.IGNORECASE),
    "severe": re.compile(rb"(Severe unrecoverable error|Unexpected exception causing exit)"),
    "disk-sync": re.compile(rb"Use txnlog and committedLog for peer sid"),
    "fsync-warning": re.compile(rb"fsync-ing the write ahead log"),
}
TRACED = "null-pointer"
_RELEASE = re.compile(rb"zookeeper\.version=(\d+\.\d+\.\d+)")
_CUT = LOG_CUT.rstrip()
_FRAME = re.compile(rb"^\s+at (?:[\w.@-]+/)*([\w.$<>]+)\(")


def told(node: int, log: bytes) -> dict[str, Any]:
    """Return the value of a "server-log" note: counts and samples by pattern, and stack traces.

    A trace has its pattern, the methods it went through, the innermost first, the release that
    the server was when it wrote it (None if the log does not tell), and how often it stands there.
    `cut` says that the beginning of the log may be gone. O(size of the log).
    """
    lines = log.splitlines()
    counts: Counter[str] = Counter()
    samples: list[str] = []
    for line in lines:
        for name, pattern in PATTERNS.items():
            if pattern.search(line):
                counts[name] += 1
                if counts[name] == 1 and len(samples) < _SAMPLES:
                    samples.append(line.decode(errors="replace")[:300])
    found = {"node": node, "patterns": dict(counts), "samples": samples, "traces": _counted(lines)}
    return found | ({"cut": True} if LOG_CUT in log else {})


def complete(history: History, logs: Path, releases: Mapping[int, str]) -> None:
    """Add to the notes what other files of the run tell.

    To those of an older run the traces that its kept logs have. To traces without a release, whose
    log has lost its beginning, that of the node in `releases`: the only one that it ran.
    """
    for note in history.notes_named(NOTE):
        value = note.value
        if not isinstance(value, dict) or type(node := value.get("node")) is not int:
            continue
        if "traces" not in value:
            with suppress(OSError):  # without its log the note's counts stay unexplained
                log = (logs / f"node-{node}.log").read_bytes()
                value = value | {"traces": told(node, log)["traces"]}
        traces = value.get("traces")
        if isinstance(traces, list) and node in releases:
            value = value | {"traces": [_released(each, releases[node]) for each in traces]}
        note.value = value


def _released(trace: Any, release: str) -> Any:
    """Return a trace with a release; a malformed one as it is, of which the checker tells."""
    unknown = isinstance(trace, dict) and trace.get("release", release) is None
    return trace | {"release": release} if unknown else trace


def _counted(lines: list[bytes]) -> list[dict[str, Any]]:
    counts = Counter(_traces(lines))
    return [
        {"pattern": TRACED, "release": release, "frames": list(frames), "count": count}
        for (release, frames), count in counts.items()
    ]


def _traces(lines: list[bytes]) -> Iterator[tuple[str | None, tuple[str, ...]]]:
    """Yield release and frames of each exception; no frames where the log has none.

    A message that names the exception stands right above it, and is none of its own. The release
    of what follows a cut is not known until a server begins.
    """
    pattern, release = PATTERNS[TRACED], None
    for number, line in enumerate(lines):
        if (told := _RELEASE.search(line)) is not None:
            release = told[1].decode()
        elif line == _CUT:
            release = None
        following = lines[number + 1] if number + 1 < len(lines) else b""
        if pattern.search(line) and not pattern.search(following):
            yield release, tuple(_frames(lines, number + 1))


def _frames(lines: list[bytes], start: int) -> Iterator[str]:
    for line in lines[start : start + _FRAMES]:
        if (frame := _FRAME.match(line)) is None:
            return
        yield frame[1].decode(errors="replace")
