"""Client processes of somebody's own subject: they find it; if it fails there is one error."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.clients.subject import SubjectConfig
from harness.common.harness_errors import WorkerError
from harness.common.polling import wait_until
from harness.common.progress import Progress
from harness.common.run_clock import Clock
from harness.history.columns import History
from harness.history.record import HistoryWriter, merge
from harness.workers.pool import Workers, all_ended
from harness.workers.watchdog import TICK_S, Watchdog

pytestmark = pytest.mark.medium

QUEUE = """\
import time
from harness.clients.subject import Applied, Reserved, Subject


class Q(Subject):
    takes = True

    def __init__(self, config, note):
        print("connected to", config.hosts, flush=True)
        print(17, flush=True)

    def put(self, value, priority):
        {body}

    def reserve(self, n, timeout_s, *, sync):
        return Reserved()

    def close(self):
        pass
"""
WITHIN_S = 60.0


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Workers]:
    """Give client processes of a subject in a module of the test's folder."""
    with HistoryWriter(tmp_path / "history" / "harness.jsonl") as of_harness:
        config = SubjectConfig(
            kind="mine:Q", folders=[str(tmp_path)], where="m.yaml:2: subject", hosts="h",
            deadline_s=0.1,
        )  # fmt: skip
        workers = Workers(
            folder=tmp_path, clock=Clock(), progress=Progress(), history=of_harness,
            subject=config.model_dump(), environment={},
        )  # fmt: skip
        yield workers
        workers.stop()


def played(pool: Workers, folder: Path, body: str) -> list[dict[str, Any]]:
    """Let one client put two values by such a method; return its calls."""
    (folder / "mine.py").write_text(QUEUE.format(body=body))
    started = pool.start_kind("put-all", {"count": 2})
    try:
        assert wait_until(lambda: all_ended(started), within_s=WITHIN_S, every_s=0.02)
        pool.reap()
    finally:
        merge(folder / "history", folder / "history.jsonl")
    history = History.load(folder / "history.jsonl")
    return [history.operation(row).as_json() for row in range(len(history))]


def test_a_client_process_finds_the_class_and_may_print(pool: Workers, tmp_path: Path) -> None:
    """The process imports the module from the folder; what it prints goes to its log."""
    calls = played(pool, tmp_path, "return Applied()")
    assert [(call["f"], call["value"], call["outcome"]) for call in calls] == [
        ("put", 1, "ok"),
        ("put", 2, "ok"),
    ]
    assert pool._progress.count("acknowledged") == 2
    (log,) = (tmp_path / "logs").glob("*.log")
    assert log.read_text().startswith("connected to h\n17\n")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("return 1", "put: expected an object of class Applied, got 1"),
        ("raise SystemExit(0)", "put: expected an answer, got SystemExit: 0 ("),
        ("return self.nothing", "put: expected an answer, got AttributeError: 'Q' object has no"),
        ("time.sleep(1000)", "put: expected its end within 5.1 s, got none"),
    ],
    ids=["type", "exit", "mistake", "blocks"],
)
def test_a_subject_that_breaks_the_protocol_ends_the_run(
    pool: Workers, tmp_path: Path, body: str, told: str
) -> None:
    """One sentence with file, line, key and method; the call in progress is of unknown outcome."""
    with pytest.raises(WorkerError) as error:
        played(pool, tmp_path, body)
    assert f"worker 00-put-all: exit 1: m.yaml:2: subject: mine:Q: {told}" in str(error.value)
    history = History.load(tmp_path / "history.jsonl")
    (call,) = [history.operation(row) for row in range(len(history))]
    assert (call.f, call.outcome) == ("put", "info")
    assert all_ended(pool.all)


def test_a_subject_that_ends_its_process_ends_the_run(pool: Workers, tmp_path: Path) -> None:
    """Status 0 does not show that the workload was done; only its own last word does."""
    with pytest.raises(WorkerError, match="exit 0 before its job was done: 17 "):
        played(pool, tmp_path, "__import__('os')._exit(0)")
    history = History.load(tmp_path / "history.jsonl")
    assert [history.operation(row).value for row in range(len(history))] == [1]


def test_an_error_of_the_queue_ends_no_run(pool: Workers, tmp_path: Path) -> None:
    """An error without `definite` is an unknown outcome, and the client goes on."""
    calls = played(pool, tmp_path, "raise RuntimeError('no reply')")
    assert [call["outcome"] for call in calls] == ["info", "info"]
    assert len({call["process"] for call in calls}) == 2


def test_the_watchdog_counts_its_own_ticks() -> None:
    """A call is late after its time in ticks; one that ended in time, or none, is never late."""
    late: list[str] = []
    watchdog = Watchdog(late.append)
    with watchdog.limit("quick", 30):
        pass
    with watchdog.limit("slow", TICK_S):
        deadline_s = time.monotonic() + WITHIN_S
        while not late and time.monotonic() < deadline_s:
            time.sleep(0.01)
    watchdog.close()
    assert late[0] == f"slow: expected its end within {TICK_S:g} s, got none"
    assert all("slow" in sentence for sentence in late)


END_ALL_THE_SAME = """
import io, os, sys, threading
from harness.workers import watchdog, worker_process
class Full:
    def write(self, text): raise OSError(28, "No space left on device")
    flush = write
def refuse(): raise OSError("no /proc")
worker_process.process_group.end_others = refuse
sys.stderr = Full()
threading.Thread(target={ends}, daemon=True).start()
threading.Event().wait()
"""


@pytest.mark.parametrize(
    "ends",
    [
        pytest.param("lambda: watchdog.end_process('late')", id="a-call-that-is-late"),
        pytest.param("lambda: worker_process._obey(io.BytesIO(), {})", id="a-harness-that-is-gone"),
    ],
)
def test_a_client_that_must_end_does_so_all_the_same(ends: str) -> None:
    """Whatever cannot be written or seen then: its thread may not end without the process."""
    code = END_ALL_THE_SAME.format(ends=ends)
    ended = subprocess.run([sys.executable, "-c", code], timeout=WITHIN_S, check=False)
    assert ended.returncode == 1
