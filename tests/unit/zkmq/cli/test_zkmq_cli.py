"""The command `zkmq`: what each command does, prints and ends with."""

import io
import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from worlds.memory.faults import Strike
from worlds.memory.network import Fault, Request, no_faults
from worlds.memory.queues import Open, drained, places_of
from worlds.memory.store import MemoryStore, World
from worlds.sim.editions import NEW, OLD, release
from zkmq import Queue
from zkmq.cli import invocation, top_command, zkmq_command
from zkmq.errors import NoQuorumError
from zkmq.operating import inspection
from zkmq.taking.reserve import Reservation
from zkmq.tree.compatibility.charter import Edition
from zkmq.zookeeper.security import Security
from zkmq.zookeeper.server_status import ServerStatus
from zkmq.zookeeper.session.kazoo_store import KazooStore

ECHO = [sys.executable, "-c", "import sys; sys.stdout.write(sys.stdin.read().upper())"]
FAIL = [sys.executable, "-c", "raise SystemExit(7)"]
Zkmq = Callable[..., int]


class _Session(MemoryStore):
    """A client whose session another process could take up."""

    def __init__(self, world: World) -> None:
        super().__init__(world, "command")
        self.credentials = (self._session, b"secret password")


@pytest.fixture
def connections(world: World, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Let the commands open sessions of the in-memory ZooKeeper, and note with what."""
    opened: list[dict[str, Any]] = []
    sessions: dict[int, _Session] = {}

    def connect(hosts: str, **connection: Any) -> MemoryStore:
        opened.append({"hosts": hosts} | connection)
        if (known := connection.get("session")) is not None:
            assert known == sessions[known[0]].credentials
            return sessions[known[0]]
        session = _Session(world)
        sessions[session.credentials[0]] = session
        return session

    monkeypatch.setattr(KazooStore, "connect", connect)
    for name in ("ZKMQ_USER", "ZKMQ_PASSWORD", "ZKMQ_PASSWORD_FILE", "ZKMQ_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ZKMQ_HOSTS", "zk:2181")
    return opened


@pytest.fixture
def zkmq(connections: list[dict[str, Any]]) -> Zkmq:
    """Give the command line."""
    return lambda *words: zkmq_command.run(list(map(str, words)))


def test_put_puts_each_value_once_and_names_it(
    zkmq: Zkmq, queue: Queue, capsys: pytest.CaptureFixture[str]
) -> None:
    """The values come out in their order, and the names printed are theirs."""
    assert zkmq("put", "--priority", 7, "a", "b") == 0
    named = capsys.readouterr().out.split()
    assert [item.name for item in queue.peek(9)] == named
    assert drained(queue) == [b"a", b"b"]


def test_put_tells_a_duplicate(
    zkmq: Zkmq, queue: Queue, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second put with the same id puts nothing, and says so."""
    assert zkmq("put", "--dedup-id", "x", "a") == 0
    assert zkmq("put", "--dedup-id", "x", "--json", "a") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[1])["duplicate"] is True
    assert drained(queue) == [b"a"]


@pytest.mark.parametrize(
    ("flags", "values"),
    [
        pytest.param([], [b"a\nb\n"], id="whole"),
        pytest.param(["--lines"], [b"a", b"b"], id="lines"),
    ],
)
def test_put_reads_standard_input(
    zkmq: Zkmq, queue: Queue, monkeypatch: pytest.MonkeyPatch, flags: list[str], values: list[bytes]
) -> None:
    """Without values, standard input is one, or one a line."""
    monkeypatch.setattr("sys.stdin", _Input(b"a\nb\n"))
    assert zkmq("put", *flags) == 0
    assert drained(queue) == values


class _Input:
    """Standard input with bytes in it."""

    def __init__(self, data: bytes) -> None:
        self.buffer = self
        self._data = data

    def read(self) -> bytes:
        return self._data


def test_a_command_that_works_ends_the_item(
    zkmq: Zkmq, queue: Queue, world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    """COMMAND gets the value on standard input; its status 0 removes the item."""
    queue.put(b"value")
    assert zkmq("reserve", "--no-janitor", "--", *ECHO) == 0
    assert capfd.readouterr().out == "VALUE"
    assert places_of(world) == places_of(World())


def test_a_command_knows_which_item_it_has(
    zkmq: Zkmq, queue: Queue, capfd: pytest.CaptureFixture[str]
) -> None:
    """The environment says which item, and with what fence later systems can refuse old work."""
    name = queue.put(b"value", priority=5).name
    show = "import os; print([v for k, v in sorted(os.environ.items()) if 'ZKMQ_ITEM' in k])"
    assert zkmq("reserve", "--no-janitor", "--", sys.executable, "-c", show) == 0
    delivery, fence, item, priority = eval(capfd.readouterr().out)  # noqa: S307 - our own list
    assert (delivery, item, priority) == ("1", name, "5")
    assert int(fence) > 0


def test_a_command_that_fails_brings_the_item_back(zkmq: Zkmq, queue: Queue) -> None:
    """Any other status than 0 releases the item, and has a status of its own."""
    queue.put(b"value")
    assert zkmq("reserve", "--no-janitor", "--", *FAIL) == 5
    (item,) = queue.reserve(sync=True).items
    assert (item.data, item.delivery) == (b"value", 2)


def test_a_command_that_fails_can_bury_the_item(zkmq: Zkmq, queue: Queue) -> None:
    """The reason names the command and its status; kick brings the item back."""
    queue.put(b"value")
    assert zkmq("reserve", "--no-janitor", "--failed", "bury", "--", *FAIL) == 5
    assert [item.reason for item in queue.peek(place="dead")] == [f"{FAIL[0]}: status 7"]
    assert zkmq("kick", 5) == 0
    assert drained(queue) == [b"value"]


def test_a_command_that_is_not_there_brings_the_item_back(
    zkmq: Zkmq, queue: Queue, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistyped program is a bad argument, and costs no item."""
    queue.put(b"value")
    assert zkmq("reserve", "--no-janitor", "--", "no-such-program") == 254
    assert "expected a program, got 'no-such-program'" in capsys.readouterr().err
    assert drained(queue) == [b"value"]


def test_all_goes_on_until_nothing_comes(zkmq: Zkmq, queue: Queue) -> None:
    """With --all every item is worked on, also behind one that failed and was buried."""
    queue.put_many([b"a", b"b", b"c"])
    assert zkmq("reserve", "--no-janitor", "--all", "--failed", "bury", "--", *FAIL) == 5
    assert [item.data for item in queue.peek(9, place="dead")] == [b"a", b"b", b"c"]


def test_no_time_to_look_is_not_an_empty_queue(
    zkmq: Zkmq, queue: Queue, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`reserve --all` does not end as if all were taken when it could not look."""
    queue.put(b"x")
    monkeypatch.setattr(Queue, "reserve", lambda *_, **__: Reservation((), looked=False))
    assert zkmq("reserve", "--all", "--no-janitor", "--", *ECHO) == invocation.Status.UNREACHABLE
    assert "no time to look at the queue" in capsys.readouterr().err


def test_an_empty_queue_has_a_status_of_its_own(zkmq: Zkmq, tmp_path: Path) -> None:
    """No item within the time is no failure, and leaves nothing behind."""
    assert zkmq("reserve", "--no-janitor", "--wait-s", 3, "--", *ECHO) == 1
    assert zkmq("reserve", "--hold", tmp_path / "hold") == 1
    assert zkmq("peek") == 1
    assert not list(tmp_path.iterdir())


def test_a_hold_lasts_from_one_process_to_the_next(
    zkmq: Zkmq, queue: Queue, world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """`reserve --hold` prints the value and keeps it; `done --hold` ends it in the same session."""
    queue.put(b"value\n")
    hold = tmp_path / "hold"
    assert zkmq("reserve", "--hold", hold) == 0
    assert capfd.readouterr().out == "value\n"
    assert stat.S_IMODE(hold.stat().st_mode) == 0o600
    assert places_of(world).claims == [(100, b"value\n")]
    assert zkmq("done", "--hold", hold) == 0
    assert places_of(world) == places_of(World())
    assert not hold.exists()
    assert queue.stats().consumers == 0


def test_a_hold_can_be_given_back(zkmq: Zkmq, queue: Queue, tmp_path: Path) -> None:
    """`release --hold` returns the item to its old place."""
    queue.put_many([b"first", b"second"])
    assert zkmq("reserve", "--hold", tmp_path / "hold") == 0
    assert zkmq("release", "--hold", tmp_path / "hold") == 0
    assert drained(queue) == [b"first", b"second"]


def test_a_hold_is_fenced_like_any_other(
    zkmq: Zkmq,
    queue: Queue,
    world: World,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Once the session has ended, `done` takes no effect and says so."""
    queue.put(b"value")
    hold = tmp_path / "hold"
    assert zkmq("reserve", "--hold", hold) == 0
    world.leader.close_session(json.loads(hold.read_text())["session"])
    assert zkmq("done", "--hold", hold) == 4
    assert "expected its session still alive" in capsys.readouterr().err
    assert places_of(world).claims == [(100, b"value")]
    assert not hold.exists()


def test_an_unknown_outcome_is_told_from_a_failure(
    zkmq: Zkmq, queue: Queue, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """A put that nobody answered may have taken effect: status 2, and what to do."""
    queue.put(b"before")
    world.faults = Strike("put", Fault.LOSE_REPLY, times=1_000_000)
    assert zkmq("--deadline-s", 1, "put", "value") == 2
    assert "--dedup-id" in capsys.readouterr().err


class _Slow:
    """Servers that take a while to connect to, answer so many requests, and then no more."""

    def __init__(self, answered: int) -> None:
        self._left = answered

    def __call__(self, number: int, request: Request) -> Fault | None:
        """Lose a request, or not."""
        self._left -= 1
        return Fault.STALL if self._left < 0 else None


@pytest.mark.parametrize("answered", [0, 3, 6, 9])
def test_one_deadline_for_the_whole_command(
    zkmq: Zkmq,
    queue: Queue,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    answered: int,
) -> None:
    """To connect, to open, the call and to close take --deadline-s in all, not each of them."""
    queue.put(b"a")
    for module in (invocation, zkmq_command):
        monkeypatch.setattr(module, "now_s", lambda: world.scheduler.now_s)
    connect = KazooStore.connect

    def slowly(hosts: str, **connection: Any) -> KazooStore:
        world.scheduler.sleep(2.0)
        store = connect(hosts, **connection)
        world.faults = _Slow(answered)
        return store

    monkeypatch.setattr(KazooStore, "connect", slowly)
    began_s = world.scheduler.now_s
    status = zkmq("--deadline-s", 3, "stats")
    assert status in {0, 3}
    assert world.scheduler.now_s - began_s < 3.5


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(["put", "--priority", 1000, "a"], "expected an integer from 0 to 999", id="p"),
        pytest.param(["put", "--dedup-id", "x", "a", "b"], "expected one value", id="dedup"),
        pytest.param(["reserve"], "expected either -- COMMAND or --hold", id="reserve"),
        pytest.param(["done", "--hold", "/no/file"], "expected the file of", id="done"),
        pytest.param(["--path", "queue", "stats"], "expected an absolute path", id="path"),
        pytest.param(["--hosts", "", "stats"], "ZKMQ_HOSTS", id="hosts"),
        pytest.param(["--user", "me", "stats"], "expected a user and", id="user"),
        pytest.param(["stats", "--frob"], "No such option: --frob See `zkmq stats", id="option"),
        pytest.param(["peek", "--place", "held"], "'--place': 'held' is not one of", id="place"),
        pytest.param(["frob"], "See `zkmq --help`", id="command"),
        pytest.param(
            ["--hosts", "", "gateway"], "expected either --hosts or --config", id="gateway"
        ),
    ],
)
def test_bad_arguments_are_one_line(
    zkmq: Zkmq, words: list[object], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be is refused with status 254 and one line: what was expected."""
    assert zkmq(*words) == 254
    error = capsys.readouterr().err
    assert expected in error
    assert error.startswith("zkmq: ")
    assert error.count("\n") == 1


def test_a_file_that_holds_no_hold_is_not_shown(
    zkmq: Zkmq, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file may be anybody's secret: the error names it, and shows nothing of it."""
    hold = tmp_path / "hold"
    hold.write_text('{"password": "s3cret"}')
    assert zkmq("done", "--hold", hold) == 254
    assert "s3cret" not in capsys.readouterr().err


def test_a_hold_does_not_overwrite_another(zkmq: Zkmq, queue: Queue, tmp_path: Path) -> None:
    """A file that exists may be the only way to end its item: nothing is reserved."""
    queue.put_many([b"a", b"b"])
    assert zkmq("reserve", "--hold", tmp_path / "hold") == 0
    assert zkmq("reserve", "--hold", tmp_path / "hold") == 254
    assert queue.stats().held == 1


def test_credentials_come_from_a_file_or_the_environment(
    zkmq: Zkmq,
    connections: list[dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both ways give the same; both at once is an error; no way shows the password."""
    (tmp_path / "password").write_text("s3cret\n")
    assert zkmq("--user", "me", "--password-file", tmp_path / "password", "put", "x") == 0
    monkeypatch.setenv("ZKMQ_PASSWORD", "s3cret")
    assert zkmq("--user", "me", "stats") == 0
    expected = Security(user="me", password="s3cret")  # noqa: S106 - a test's
    assert [each["security"] for each in connections] == [expected, expected]
    assert "s3cret" not in repr(connections)
    assert zkmq("--user", "me", "--password-file", tmp_path / "password", "stats") == 254


def test_no_quorum_has_a_status_of_its_own(
    zkmq: Zkmq, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing took effect, and asking again may help."""

    def refuse(hosts: str, **_: Any) -> None:
        raise NoQuorumError(f"connect: {hosts}: expected a session, got none")

    monkeypatch.setattr(KazooStore, "connect", refuse)
    assert zkmq("stats") == 3
    assert capsys.readouterr().err == "zkmq: connect: zk:2181: expected a session, got none\n"


def test_stats_and_watch_count(
    zkmq: Zkmq, queue: Queue, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both show what is where; watch in one line for each look."""
    queue.put_many([b"a", b"b"], priority=3)
    queue.bury(*queue.reserve(1, sync=True).items, reason="bad")
    assert zkmq("stats", "--json") == 0
    counted = json.loads(capsys.readouterr().out)
    assert (counted["waiting"], counted["dead"]) == ({"3": 1}, 1)
    assert zkmq("stats") == 0
    assert "waiting, priority 3  1" in capsys.readouterr().out
    assert zkmq("watch", "--count", 1) == 0
    names, row = capsys.readouterr().out.splitlines()
    assert dict(zip(names.split(), row.split(), strict=True))["dead"] == "1"


def test_peek_shows_any_bytes(zkmq: Zkmq, queue: Queue, capsys: pytest.CaptureFixture[str]) -> None:
    """Text is shown as such, other bytes in hex, and nothing is taken."""
    queue.put_many([b"[text]", b"\xff"])
    assert zkmq("peek", "--json") == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["data"], second["data_hex"]) == ("[text]", "ff")
    assert zkmq("peek", 1) == 0
    assert "[text]" in capsys.readouterr().out
    assert drained(queue) == [b"[text]", b"\xff"]


NOWHERE = "no such item; it is done, purged, deleted, or was never put"


def test_single_items_are_shown_deleted_and_moved(
    zkmq: Zkmq, queue: Queue, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """By their ids; one that a consumer holds is not deleted, and what is nowhere is not found."""
    first, second, third = (put.name or "" for put in queue.put_many([b"a", b"b", b"c"]))
    queue.bury(*queue.reserve(1, sync=True).items, reason="bad")
    assert zkmq("inspect", first, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["place"], shown["reason"], shown["data"]) == ("dead", "bad", "a")
    assert zkmq("inspect", second) == 0
    assert "place        items\n" in capsys.readouterr().out
    assert zkmq("delete", second, second) == 0
    assert capsys.readouterr().out == "1\n"
    queue._store.sleep(1.0)
    (held,) = queue.reserve(sync=True).items
    assert zkmq("delete", third) == 4
    assert f"{queue.consumer_id} holds" in capsys.readouterr().err
    queue.done(held)
    assert zkmq("inspect", third) == 1
    assert capsys.readouterr() == ("", f"zkmq: inspect: {third}: {NOWHERE}\n")
    assert zkmq("inspect", "item-1") == 254
    assert zkmq("redrive", "--to", "/nothing") == 4
    assert "expected a queue, found no node" in capsys.readouterr().err
    Queue(world.client("other"), "/other", janitor=False)
    assert zkmq("redrive", 5, "--to", "/other", "--id", first) == 0
    assert capsys.readouterr().out == "1\n"
    assert zkmq("--path", "/other", "peek", "--json") == 0
    assert json.loads(capsys.readouterr().out)["data"] == "a"


def test_dump_shows_the_tree_with_its_data(
    zkmq: Zkmq, queue: Queue, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Parents before children, in order, with sessions; what the limits leave out is said."""
    queue.put_many([b"a\nb", b"\xff", b"x" * 300])
    (held,) = queue.reserve(sync=True).items
    before = len(world.leader.log)
    assert zkmq("dump") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith('/queue  {"zkmq": 1, ')
    assert "  items" in lines
    assert f"      {held.consumer}" not in lines
    assert any(
        line.startswith("      active  ") and "(ephemeral, session 0x" in line for line in lines
    )
    (second,) = (line for line in lines if line.endswith("hex 5a4b4d5131207b7d0aff"))
    assert second.startswith("        item-100-")
    assert any("\\na\\nb" in line for line in lines)
    assert any(line.endswith("... (309 bytes)") for line in lines)
    assert zkmq("dump", "/queue/items/100", "--depth", 0) == 0
    assert (
        capsys.readouterr().out
        == '/queue/items/100  {"tail": 0, "purged": -1}  (and 1 more below)\n'
    )
    assert zkmq("dump", "/queue/", "--children", 1, "--depth", 1, "--json") == 0
    root, first = map(json.loads, capsys.readouterr().out.splitlines())
    assert (root["path"], root["unshown"], first["path"]) == ("/queue", 9, "/queue/clock")
    assert zkmq("dump", "/", "--depth", 1) == 0
    assert capsys.readouterr().out.splitlines()[0].startswith("/")
    assert zkmq("dump", "--nodes", 3) == 0
    shown = capsys.readouterr()
    assert (len(shown.out.splitlines()), "after 3 nodes" in shown.err) == (3, True)
    assert zkmq("dump", "/nothing") == 1
    assert zkmq("dump", "nothing") == 254
    assert not any(each.effects for each in world.leader.log[before:])


def test_top_shows_items_consumers_and_servers(
    zkmq: Zkmq,
    world: World,
    queue: Queue,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As JSON, and as a page for each look into a pipe; rates from the second look on."""
    status = ServerStatus("zk:2181", mode="leader", latency_ms=0.5, connections=3)
    monkeypatch.setattr(top_command, "ask_servers", lambda _: [status])
    waits = SimpleNamespace(sleep=lambda _: queue.put(b"more", priority=7))
    monkeypatch.setattr(top_command, "time", waits)  # no other thread's
    queue.put_many([b"a", b"b"])
    (held,) = queue.reserve(sync=True).items
    later_ms = world.clock_ms() + 65_500.0
    monkeypatch.setattr(inspection, "wall_ms", lambda: later_ms)
    queue.pause("moving")
    assert zkmq("top", "--json", "--count", 2) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["rates"], first["trouble"]) == (None, None)
    assert second["rates"]["arrived_hz"] > 0
    assert (second["stats"]["held"], second["stats"]["paused"]) == (1, "moving")
    assert second["consumers"][0] == first["consumers"][0]
    assert (first["consumers"][0]["id"], first["consumers"][0]["held"]) == (held.consumer, 1)
    assert first["consumers"][0]["held_s"] == 65
    assert first["servers"][0]["mode"] == "leader"
    assert zkmq("top", "--count", 2) == 0
    page = capsys.readouterr().out
    assert page.count("/queue  ") == 2
    for shown in ("ready", "priority 7", held.consumer, "1:05", "leader", "0.5 ms", "/s", "moving"):
        assert shown in page, shown


def test_top_goes_on_through_an_outage(
    zkmq: Zkmq,
    queue: Queue,
    world: World,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The last look stays, with the trouble; then it looks again."""
    looks = iter((Fault.LOSE_REQUEST, None))

    def sleep(_: float) -> None:
        fault = next(looks)
        world.faults = no_faults if fault is None else lambda *_: fault

    monkeypatch.setattr(top_command, "ask_servers", lambda hosts: [ServerStatus(hosts)])
    monkeypatch.setattr(top_command, "time", SimpleNamespace(sleep=sleep))
    queue.put(b"a")
    assert zkmq("--deadline-s", 1, "top", "--json", "--count", 3) == 0
    first, cut_off, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert cut_off["trouble"]
    assert (first["trouble"], last["trouble"]) == (None, None)
    assert cut_off["stats"] == first["stats"]
    assert first["servers"][0]["mode"] is None


def test_purge_forgets_what_was_named(zkmq: Zkmq, queue: Queue) -> None:
    """Only the priorities asked for are emptied."""
    queue.put(b"a", priority=1)
    queue.put(b"b", priority=2)
    assert zkmq("purge", "--yes", 1) == 0
    assert drained(queue) == [b"b"]


def test_purge_asks_first(
    zkmq: Zkmq,
    queue: Queue,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It says of which queue it forgets what; nobody there to say yes is a no."""
    queue.put(b"a")
    with Path("/dev/null").open() as nobody:
        monkeypatch.setattr("sys.stdin", nobody)
        assert zkmq("purge") == 254
        assert "/queue: forget all waiting items of every priority?" in capsys.readouterr().err
        assert zkmq("purge", 1, 2) == 254
        assert "/queue: forget all waiting items of priority 1, 2?" in capsys.readouterr().err
    assert drained(queue) == [b"a"]


def test_upgrade_says_what_is_demanded_or_who_is_too_old(
    zkmq: Zkmq, queue: Queue, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 4 and a line that names them; forced, or once they have gone, the new versions."""
    queue.put(b"x")
    assert zkmq("upgrade", "--json") == 0
    assert json.loads(capsys.readouterr().out)["min_writer"] == OLD.min_writer
    with release(NEW):
        assert zkmq("upgrade") == 4
        assert f"{queue.producer_id} (version {OLD.version}" in capsys.readouterr().err
        assert zkmq("upgrade", "--force") == 0
        versions = f"{NEW.version} to read, {NEW.version} to write"
        told = f"versions: {versions}; features: parked, groups, shouting\n"
        assert capsys.readouterr().out == told
    assert zkmq("stats") == 4
    assert "upgrade this client" in capsys.readouterr().err


def test_every_command_has_help_with_an_example() -> None:
    """Each command has a summary, and an example that names it."""
    group = typer.main.get_group(zkmq_command.app)
    wanted = {"put", "reserve", "done", "stats", "peek", "kick", "purge", "watch", "gateway"}
    assert wanted <= set(group.commands)
    for name in group.commands:
        command = group.load(name)  # type: ignore[attr-defined]
        assert command.help, name
        assert "\n" not in command.help.replace("\n\n", ""), name  # a terminal breaks the lines
        assert f"zkmq {name}" in (command.epilog or ""), name


class _ClosedPipe(io.TextIOWrapper):
    """Standard output whose reader has gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


class _ClosedBuffer(io.BytesIO):
    """The same, of bytes."""

    def write(self, data: object) -> int:
        raise BrokenPipeError(32, "Broken pipe")


def test_a_reader_that_has_seen_enough_is_no_error(
    zkmq: Zkmq, queue: Queue, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`zkmq put --lines | head -1` has put every line, and says so by its status."""
    monkeypatch.setattr("sys.stdin", _Input(b"a\nb\n"))
    monkeypatch.setattr("sys.stdout", _ClosedPipe(io.BytesIO()))
    assert zkmq("put", "--lines") == 0
    assert capsys.readouterr().err == ""
    assert drained(queue) == [b"a", b"b"]


def test_a_real_pipe_that_is_closed_ends_in_silence() -> None:
    """Python itself has nothing to add when it ends."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "zkmq", "--help"]
    ended = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False, timeout=60)
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (0, b"")


class _FullDisk(io.TextIOWrapper):
    """Standard output whose disk is full, or whose reader has gone, as is seen when it flushes."""

    def __init__(self, error: OSError) -> None:
        super().__init__(io.BytesIO())
        self._error = error

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        raise self._error


FULL, GONE = OSError(28, "No space left on device"), BrokenPipeError(32, "Broken pipe")


@pytest.mark.parametrize(
    ("words", "error", "status"),
    [
        (["put", "x"], FULL, 2),
        (["put", "x"], GONE, 0),
        (["inspect", "item-100-0000000000-0000000099"], GONE, 1),
        (["reserve", "--", *FAIL], GONE, 5),
        (["reserve", "--", *FAIL], FULL, 5),
    ],
)
@pytest.mark.usefixtures("one_item")
def test_what_took_effect_is_told_by_the_status_also_if_it_cannot_be_printed(
    zkmq: Zkmq, monkeypatch: pytest.MonkeyPatch, words: list[str], error: OSError, status: int
) -> None:
    """An item that was put is not `bad arguments`, and a command that failed is no success."""
    monkeypatch.setattr("sys.stdout", _FullDisk(error))
    assert zkmq(*words) == status


@pytest.fixture
def one_item(queue: Queue) -> None:
    """Have an item in the queue."""
    queue.put(b"first")


@pytest.mark.medium
@pytest.mark.parametrize(
    ("closed", "words", "status", "said"),
    [
        (1, ["--help"], 0, b""),
        (2, ["nonsense"], 254, b""),
        (0, ["--hosts", "127.0.0.1:1", "put"], 254, b"stream that can be used"),
    ],
)
def test_a_closed_standard_stream_is_no_traceback(
    closed: int, words: list[str], status: int, said: bytes
) -> None:
    """A daemon's command has a status that means something: Python's own is 1."""
    command = ["sh", "-c", f'exec "$0" -m zkmq "$@" {closed}>&-', sys.executable, *words]
    ended = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert ended.returncode == status
    assert b"Traceback" not in ended.stderr
    assert said in ended.stderr


def test_a_value_whose_reader_has_gone_goes_back(
    zkmq: Zkmq, queue: Queue, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nobody has it: the item is not held, nor is there a file of a hold."""
    queue.put(b"x")
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(_ClosedBuffer()))
    assert zkmq("reserve", "--hold", tmp_path / "hold") == 254
    assert not (tmp_path / "hold").exists()
    assert drained(queue) == [b"x"]


def test_names_and_values_are_shown_on_an_ascii_terminal(
    connections: list[dict[str, Any]], queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it cannot show is escaped."""
    queue.put("größer".encode())
    shown = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(shown, encoding="ascii"))
    monkeypatch.setattr("sys.argv", ["zkmq", "peek"])
    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(SystemExit) as ended:
        zkmq_command.main()
    assert ended.value.code == 0
    assert b"gr\\xf6\\xdfer" in shown.getvalue()


def test_a_hold_file_that_is_no_text_is_refused(
    zkmq: Zkmq, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a line, without a trace."""
    hold = tmp_path / "hold"
    hold.write_bytes(b"\xff\xfe\x00")
    assert zkmq("done", "--hold", hold) == 254
    assert "it is not text" in capsys.readouterr().err


@pytest.mark.usefixtures("connections")
def test_a_worker_goes_on_after_a_lost_session(
    zkmq: Zkmq, queue: Queue, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says what was lost, registers again, and works on the rest; its status tells."""
    queue.put_many([b"a", b"b"])
    world.faults = Strike("done", Fault.EXPIRE_BEFORE)
    assert zkmq("reserve", "--all", "--no-janitor", "--", *ECHO) == 2
    assert "in doubt" in capsys.readouterr().err
    assert places_of(world).items == []
    assert [data for _, data in places_of(world).claims] == [b"a"]


def test_a_worker_on_one_item_ends_with_the_loss(zkmq: Zkmq, queue: Queue, world: World) -> None:
    """Without --all its status is about that item."""
    queue.put_many([b"a", b"b"])
    world.faults = Strike("done", Fault.EXPIRE_BEFORE)
    assert zkmq("reserve", "--no-janitor", "--", *ECHO) == 2
    assert [data for _, data in places_of(world).items] == [b"b"]


def test_pause_and_resume(zkmq: Zkmq, queue: Queue, capsys: pytest.CaptureFixture[str]) -> None:
    """In between `reserve` finds nothing, and `stats` says why."""
    queue.put(b"x")
    assert zkmq("pause", "--reason", "moving") == 0
    assert zkmq("reserve", "--", *ECHO) == 1
    assert zkmq("stats") == 0
    assert re.search(r"paused +moving", capsys.readouterr().out)
    assert zkmq("resume") == 0
    assert zkmq("reserve", "--", "true") == 0
    assert drained(queue) == []


def test_a_pause_that_some_would_not_obey_is_refused(
    zkmq: Zkmq, opened: Open, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 4, with who they are; --force pauses the others."""
    with release(Edition(2, 1, 2)):
        opened("old", label="billing").reserve()
    assert zkmq("pause") == 4
    assert "label billing" in capsys.readouterr().err
    assert zkmq("pause", "--force") == 0


def test_put_takes_headers(zkmq: Zkmq, queue: Queue, capsys: pytest.CaptureFixture[str]) -> None:
    """COMMAND finds them in its environment, and `peek` shows them."""
    options = ["--header", "tenant=7", "--header", "query=a=b", "--content-type", "text/plain"]
    assert zkmq("put", *options, "x") == 0
    assert zkmq("peek", "--json") == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["headers"], told["content_type"]) == (
        {"tenant": "7", "query": "a=b"},
        "text/plain",
    )
    check = (
        "import json, os; assert json.loads(os.environ['ZKMQ_ITEM_HEADERS'])['query'] == 'a=b'; "
        "assert os.environ['ZKMQ_ITEM_CONTENT_TYPE'] == 'text/plain'"
    )
    assert zkmq("reserve", "--", sys.executable, "-c", check) == 0
    assert zkmq("put", "--header", "tenant", "x") == 254
    assert "expected NAME=VALUE, got 'tenant'" in capsys.readouterr().err
