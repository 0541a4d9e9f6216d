"""The recording client: what its history says of a session whose end is in doubt."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pytest

from harness.checkers.evidence.hidden import hidden_holds
from harness.checkers.evidence.notes import ends
from harness.clients.client import Client
from harness.clients.subject import Applied, Reserved, Taken
from harness.common.run_clock import Clock
from harness.history.columns import NEVER_NS, History
from harness.history.record import HistoryWriter, merge
from zkmq import AckUnknownError, NoQuorumError


class Nameless:
    """A subject that has no name yet, and whose reserve is in doubt for ever."""

    takes = False
    most: ClassVar[int | None] = None
    session = consumer = producer = None

    def put(self, value: object, priority: int) -> Applied:
        """Put."""
        return Applied()

    def reserve(self, n: int, timeout_s: float, *, sync: bool) -> Reserved:
        """Get no answer."""
        raise AckUnknownError("no answer")

    def done(self, items: object) -> Applied:
        """Never asked for."""
        raise NotImplementedError

    def release(self, items: object) -> Applied:
        """Never asked for."""
        raise NotImplementedError

    def leftover(self) -> int:
        """Know of none."""
        return 0

    def close(self) -> None:
        """End."""


@contextmanager
def client_of(kind: Callable[[], Nameless], folder: Path) -> Iterator[Client]:
    """A client, process 3 at first, of such subjects."""
    with HistoryWriter(folder / "parts/0.jsonl") as writer:
        yield Client(
            connect=lambda _: kind(),
            history=writer,
            clock=Clock(),
            process=3,
            report=lambda _: None,
            puts_over=lambda: True,
        )


def recorded(folder: Path) -> History:
    """What that client has recorded."""
    merge(folder / "parts", folder / "history.jsonl")
    return History.load(folder / "history.jsonl")


@pytest.fixture
def history(tmp_path: Path) -> History:
    """A put, then a reserve in doubt, then an end, by one client."""
    with client_of(Nameless, tmp_path) as client:
        client.put(1)
        assert client.reserve() == list[Taken]()
        client.put(2)
        client.close()
    return recorded(tmp_path)


def test_a_session_in_doubt_was_alive_at_its_last_success(history: History) -> None:
    """Whether it lived until the client gave it up is not known; of one that was closed it is."""
    ended, number = ends(history), history.number_of_process
    put, doubt = history.operation(0), history.operation(1)
    assert ended.alive_ns[number[3]] == put.invoke_ns < doubt.invoke_ns
    assert not ended.closed[number[3]]
    assert ended.closed[number[1003]]


def test_what_it_may_hold_may_come_back_though_it_had_no_name(history: History) -> None:
    """An item that a nameless consumer claimed unseen can be given to others."""
    unseen = hidden_holds(history)
    assert len(unseen.begin) == 1
    assert unseen.alive[0] < NEVER_NS
    assert (unseen.until[0], unseen.capacity[0]) == (NEVER_NS, 1)


class Empty(Nameless):
    """A subject whose first reserve finds nothing, as a server that lags may answer anybody."""

    asked = 0

    def reserve(self, n: int, timeout_s: float, *, sync: bool) -> Reserved:
        """Find nothing, then get no answer."""
        self.asked += 1
        if self.asked == 1:
            return Reserved(items=())
        raise AckUnknownError("no answer")


def test_what_changed_nothing_does_not_show_that_the_session_lived(tmp_path: Path) -> None:
    """A server that lags answers a read of a session that has ended; a write it cannot."""
    with client_of(Empty, tmp_path) as client:
        client.put(1)
        client.reserve()
        client.reserve()
    history = recorded(tmp_path)
    assert ends(history).alive_ns[history.number_of_process[3]] == history.operation(0).invoke_ns


class Deaf(Nameless):
    """A subject that nobody answers when it asks what is held."""

    def leftover(self) -> int:
        """Fail."""
        raise NoQuorumError("no answer")


@pytest.fixture
def deaf(tmp_path: Path) -> Iterator[Client]:
    """A client of that subject."""
    with client_of(Deaf, tmp_path) as client:
        yield client


def test_a_look_that_fails_is_no_answer_and_no_end(deaf: Client) -> None:
    """Whoever drains while servers die goes on as a new process."""
    assert deaf.leftover() is None
    assert deaf.process == 1003


def test_a_subject_that_gives_one_at_a_time_cannot_hide_more(
    deaf: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A drain asks for fifty, and its call of unknown outcome can have taken one."""
    monkeypatch.setattr(Deaf, "most", 1)
    deaf.reserve(50)
    merge(tmp_path / "parts", tmp_path / "history.jsonl")
    assert History.load(tmp_path / "history.jsonl").n.tolist() == [1]


def test_each_reserve_says_how_many_it_asked_for(deaf: Client, tmp_path: Path) -> None:
    """One of unknown outcome that asked for one item cannot hide more."""
    deaf.reserve()
    deaf.reserve(7)
    merge(tmp_path / "parts", tmp_path / "history.jsonl")
    h = History.load(tmp_path / "history.jsonl")
    assert h.n.tolist() == [1, 7]


class Renewed(Nameless):
    """A subject that registers again by itself, as zkmq does, while its second reserve waits."""

    consumer = session = None

    def __init__(self) -> None:
        self.zxid = 10

    def reserve(self, n: int, timeout_s: float, *, sync: bool) -> Reserved:
        """Deliver the next item, in the next registration."""
        self.zxid += 10
        self.consumer, self.session = f"c{self.zxid}", f"0x{self.zxid}"
        taken = Taken(value=self.zxid, handle=None, delivery=1)
        return Reserved(items=(taken,), zxid=self.zxid, consumer=self.consumer)


def test_a_call_in_which_its_subject_registered_again_is_two(tmp_path: Path) -> None:
    """What the first registration may have claimed is in doubt, and the second is a new process."""
    with client_of(Renewed, tmp_path) as client:
        client.reserve()
        client.reserve()
        client.close()
    history = recorded(tmp_path)
    calls = [history.operation(row) for row in range(len(history.f))]
    assert [(call.process, call.outcome, call.value) for call in calls] == [
        (3, "ok", 20), (3, "info", None), (1003, "ok", 30),
    ]  # fmt: skip
    assert calls[1].invoke_ns == calls[2].invoke_ns
    number, ended = history.number_of_process, ends(history)
    assert history.registrations[number[3]]["consumer"] == ["c20"]
    assert history.registrations[number[1003]]["consumer"] == ["c30"]
    assert ended.alive_ns[number[3]] == calls[0].invoke_ns
    assert (ended.closed[number[3]], ended.closed[number[1003]]) == (False, True)
