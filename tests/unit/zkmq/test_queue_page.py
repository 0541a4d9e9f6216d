"""docs/queue.md: its examples are run, on the in-memory ZooKeeper, and print what it says."""

import re
import shlex
from pathlib import Path

import pytest
import typer

import zkmq
from worlds import pages
from worlds.memory.store import MemoryStore, World
from zkmq.cli import zkmq_command
from zkmq.janitor.janitor_thread import JanitorThread
from zkmq.operating import inspection
from zkmq.queue import Queue
from zkmq.zookeeper.session.kazoo_store import KazooStore

PAGE = Path(__file__).parents[3] / "docs" / "queue.md"
TEXT = PAGE.read_text()


class _Session(MemoryStore):
    """A client whose session another process could take up."""

    def __init__(self, world: World) -> None:
        super().__init__(world, "page")
        self.credentials = (self._session, b"secret password")


@pytest.fixture(autouse=True)
def in_memory(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let everything connect to one in-memory ZooKeeper, in a folder of the test's own."""
    sessions: dict[int, _Session] = {}

    def connect(hosts: str, **connection: object) -> MemoryStore:
        known = connection.get("session")
        if isinstance(known, tuple):
            return sessions[known[0]]
        session = _Session(world)
        sessions[session.credentials[0]] = session
        return session

    monkeypatch.setattr(KazooStore, "connect", connect)
    # A real thread has no place in virtual time.
    monkeypatch.setattr(JanitorThread, "start", lambda _: None)
    monkeypatch.setattr(JanitorThread, "stop", lambda *_: None)
    monkeypatch.setattr(inspection, "wall_ms", world.clock_ms)
    monkeypatch.setenv("ZKMQ_HOSTS", "localhost:2181")
    monkeypatch.delenv("ZKMQ_PATH", raising=False)
    monkeypatch.chdir(tmp_path)


def test_the_python_examples_say_what_happens() -> None:
    """Every `>>>` of the page, one after the other."""
    test = pages.session(PAGE)
    assert len(test.examples) > 15
    failed, tried = pages.typed_in(test)
    assert tried == len(test.examples)
    assert failed == 0


def test_the_example_of_the_readme_says_what_happens() -> None:
    """The README's example can be typed in, and prints what it says."""
    assert pages.typed_in(pages.session(PAGE.parents[1] / "README.md")) == (0, 4)


def console() -> list[tuple[str, str]]:
    """Give each command of the page's console, and what it prints."""
    (block,) = re.findall(r"```console\n(.*?)```", TEXT, re.DOTALL)
    parts = re.split(r"^\$ zkmq (.*)\n", block, flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def test_the_commands_print_what_the_page_says(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """Every `$ zkmq` of the page, one after the other."""
    for command, printed in console():
        assert zkmq_command.run(shlex.split(command)) == 0, command
        # A value is written as it is, without an end of line.
        got = capsysbinary.readouterr().out.decode()
        assert [line.rstrip() for line in got.splitlines()] == printed.splitlines(), command


def test_every_command_is_on_the_page() -> None:
    """A command that is added without a word is noticed, and so is one without an example."""
    group = typer.main.get_group(zkmq_command.app)
    for name in group.commands:
        command = group.load(name)  # type: ignore[attr-defined]
        assert f"zkmq {name}" in TEXT, name
        assert f"zkmq {name}" in (command.epilog or ""), name


def test_every_operation_is_on_the_page() -> None:
    """So is a method of the queue."""
    methods = {name for name in dir(Queue) if callable(getattr(Queue, name))}
    public = {name for name in methods if not name.startswith("_")} - {"connect"}
    assert {name for name in public if not re.search(rf"[` ]{name}\(", TEXT)} == set()


def test_every_error_is_on_the_page() -> None:
    """And every error that an application may meet."""
    errors = {name for name in zkmq.__all__ if name.endswith("Error")}
    assert {name for name in errors if name not in TEXT} == set()
