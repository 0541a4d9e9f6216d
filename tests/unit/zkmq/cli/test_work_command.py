"""`zkmq work`: real commands for items, on a server in memory with real sockets."""

import json
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from worlds.wire.zookeeper import WireZooKeeper
from zkmq import Queue
from zkmq.cli import work_command, zkmq_command
from zkmq.cli.work_command import words_of
from zkmq.errors import BadArgumentError
from zkmq.working import worker

pytestmark = pytest.mark.medium

SOON_S = 60.0


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WireZooKeeper]:
    """A server in memory, to which the command connects."""
    with WireZooKeeper() as started:
        monkeypatch.setenv("ZKMQ_HOSTS", started.address)
        monkeypatch.setenv("ZKMQ_PATH", "/q")
        yield started


@pytest.fixture
def queue(server: WireZooKeeper) -> Iterator[Queue]:
    """The queue, for those who put and look."""
    with Queue.connect(server.address, "/q", order="strict") as opened:
        yield opened


def script(tmp_path: Path, text: str) -> str:
    """A program of Python as the words of a command line."""
    file = tmp_path / "program.py"
    file.write_text(f"import os, sys, time\n{text}\n")
    return f"{shlex.quote(sys.executable)} {shlex.quote(str(file))}"


def test_each_value_is_handed_over(queue: Queue, tmp_path: Path) -> None:
    """As an argument, one word whatever is in it, with the item's id in the environment."""
    queue.put_many([b"plain", b"two words", b"$(echo no) ; 'shell'", b"\xff"])
    program = script(
        tmp_path,
        "name = os.path.join(os.path.dirname(__file__), os.environ['ZKMQ_ITEM_ID'])\n"
        "open(name, 'wb').write(os.fsencode('|'.join(sys.argv[1:])))",
    )
    assert zkmq_command.run(["work", "--exec", f"{program} -- got={{}}", "-j4", "--idle-s=0"]) == 0
    written = {file.read_bytes() for file in tmp_path.glob("item-*")}
    assert written == {
        b"--|got=plain",
        b"--|got=two words",
        b"--|got=$(echo no) ; 'shell'",
        b"--|got=\xff",
    }


def test_without_a_placeholder_the_value_is_standard_input(
    queue: Queue, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All of it, and nothing else."""
    queue.put(b"\x00 anything \xff" * 50_000)
    program = script(tmp_path, "sys.exit(len(sys.stdin.buffer.read()) != 600_000)")
    assert zkmq_command.run(["work", "--exec", program, "--idle-s=0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["done"] == 1


def test_a_command_that_is_slow_to_read_gets_all_of_a_large_value(
    queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than a pipe holds, though the worker looks whether the item is lost in between."""
    monkeypatch.setattr(work_command, "SEE_S", 0.01)
    queue.put(b"x" * 600_000)
    program = script(tmp_path, "time.sleep(0.5); sys.exit(len(sys.stdin.buffer.read()) != 600_000)")
    assert zkmq_command.run(["work", "--exec", program, "--idle-s=0"]) == 0


def test_a_command_that_fails_brings_its_item_back_until_it_is_dead(
    queue: Queue, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each failure is one line, the last one says so, and the status tells a script."""
    queue.put_many([b"0", b"3"])
    program = script(tmp_path, "sys.exit(int(sys.argv[1]))")
    arguments = ["work", "--exec", f"{program} {{}}", "--max-deliveries=2", "--retry-s=0"]
    assert zkmq_command.run([*arguments, "--idle-s=2"]) == 5
    shown = capsys.readouterr()
    assert shown.out == "done 1, retried 1, dead 1\n"
    first, second = shown.err.splitlines()
    assert first.endswith("delivery 1 failed, the item comes back in 0.0 s: "
                          f"CommandFailedError: {sys.executable}: status 3")  # fmt: skip
    assert "delivery 2 failed and was the last" in second
    assert [each.data for each in queue.peek(place="dead")] == [b"3"]


def test_a_value_that_no_command_can_get_fails_alone(queue: Queue, tmp_path: Path) -> None:
    """An argument cannot have a zero byte: that item ends in `dead`, and the others are done."""
    queue.put_many([b"a\x00b", b"c"])
    program = script(tmp_path, "")
    arguments = ["work", "--exec", f"{program} {{}}", "--max-deliveries=1", "--idle-s=0"]
    assert zkmq_command.run(arguments) == 5
    (dead,) = queue.peek(9, place="dead")
    assert (dead.data, dead.reason) == (b"a\x00b", "ValueError: embedded null byte")


def test_sigterm_lets_commands_end(queue: Queue, tmp_path: Path) -> None:
    """The command that runs is waited for, and what was not begun goes back."""
    queue.put_many([b"a", b"b", b"c"])
    begun, go = tmp_path / "begun", tmp_path / "go"
    program = script(
        tmp_path,
        f"open({str(begun)!r}, 'w')\n"
        f"until_s = time.monotonic() + {SOON_S}\n"
        f"while not os.path.exists({str(go)!r}) and time.monotonic() < until_s: time.sleep(0.01)",
    )

    def stop() -> None:
        _await(begun.exists)
        _await(lambda: queue.stats().held == 2)
        os.kill(os.getpid(), signal.SIGTERM)
        _await(lambda: queue.stats().held == 1)
        go.touch()

    thread = threading.Thread(target=stop)
    thread.start()
    assert zkmq_command.run(["work", "--exec", program]) == 0
    thread.join(SOON_S)
    assert queue.stats().waiting[100] == 2


def test_a_command_that_does_not_end_is_ended_at_the_deadline(
    queue: Queue,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the processes that it started; its item waits again."""
    monkeypatch.setattr(worker, "GIVE_BACK_S", SOON_S)  # a machine may stand still for longer
    queue.put(b"a")
    pids = tmp_path / "pids"
    program = script(
        tmp_path,
        "import subprocess\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(tmp_path / 'new')!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        f"os.rename({str(tmp_path / 'new')!r}, {str(pids)!r})\n"
        "time.sleep(600)",
    )

    def stop() -> None:
        _await(pids.exists)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=stop)
    thread.start()
    assert zkmq_command.run(["work", "--exec", program, "--stop-within-s=0.3"]) == 0
    thread.join(SOON_S)
    assert capsys.readouterr().out == "done 0, given back 1\n"
    for pid in map(int, pids.read_text().split()):
        _await(lambda pid=pid: not _runs(pid))  # type: ignore[misc]
    assert queue.stats().waiting[100] == 1


def test_an_idle_worker_says_that_nothing_came(queue: Queue) -> None:
    """As `zkmq reserve` does."""
    assert zkmq_command.run(["work", "--exec", "true", "--idle-s=0"]) == 1


def test_a_command_that_cannot_be_run_is_refused_at_once() -> None:
    """Before anything is taken, with what was expected."""
    for command in ("", "'open", "/no/such/program {}"):
        with pytest.raises(BadArgumentError, match="work: --exec: "):
            words_of(command)
    assert words_of("sh -c 'echo \"$1\"' -- {}") == ["sh", "-c", 'echo "$1"', "--", "{}"]


def _await(happens: object) -> None:
    until_s = time.monotonic() + SOON_S
    while not happens():  # type: ignore[operator]
        assert time.monotonic() < until_s
        time.sleep(0.01)


def _runs(pid: int) -> bool:
    """Whether a process runs: an orphan that has ended may wait for its new parent to reap it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
