"""Somebody's own subject: what it may answer and raise, and what ends the run with one error."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from kazoo.exceptions import ConnectionLoss

from harness.clients.client import Client
from harness.clients.guarded_subject import GRACE_S, Guarded, unlimited
from harness.clients.subject import Applied, Note, Reserved, Subject, SubjectConfig, Taken
from harness.common.harness_errors import SubjectError
from harness.common.run_clock import Clock
from harness.history.columns import History
from harness.history.record import HistoryWriter, merge

CONFIG = SubjectConfig(kind="q:Q", hosts="x", where="m.yaml:2: subject", deadline_s=7)
ITEM = Taken(value=1)


class DefiniteError(TypeError):
    """A refusal that certainly changed nothing."""

    definite = True


class Q(Subject):
    """A queue whose answers a test gives."""

    def __init__(self, config: SubjectConfig, note: object) -> None:
        self.answers: dict[str, Any] = {}

    def _answer(self, what: str, usual: Any) -> Any:
        answer = self.answers.get(what, usual)
        return answer() if callable(answer) else answer

    def put(self, value: object, priority: int) -> Applied:
        return self._answer("put", Applied())  # type: ignore[no-any-return]

    def reserve(self, n: int, timeout_s: float, *, sync: bool) -> Reserved:
        return self._answer("reserve", Reserved(items=[ITEM]))  # type: ignore[no-any-return]

    def done(self, items: Sequence[Taken]) -> Applied:
        return self._answer("done", Applied())  # type: ignore[no-any-return]

    def leftover(self) -> int:
        return self._answer("leftover", 0)  # type: ignore[no-any-return]

    def close(self) -> None:
        self._answer("close", None)

    @property
    def session(self) -> str | None:
        return self._answer("session", None)  # type: ignore[no-any-return]


CALLS: dict[str, Callable[[Guarded], Any]] = {
    "put": lambda q: q.put(1, 100),
    "reserve": lambda q: q.reserve(1, 3.0, sync=False),
    "done": lambda q: q.done([ITEM]),
    "leftover": lambda q: q.leftover(),
    "close": lambda q: q.close(),
    "session": lambda q: q.session,
}


def raises(error: BaseException) -> Callable[[], Any]:
    """Return an answer that raises."""

    def answer() -> Any:
        raise error

    return answer


def deep(error: BaseException) -> Callable[[], Any]:
    """Return an answer in which a library that the subject calls raises."""
    code = compile("raise error", "/site-packages/library.py", "exec")
    return lambda: exec(code, {"error": error})  # noqa: S102 -- a frame of another file


def guarded(made: type[Q] = Q, **answers: Any) -> Guarded:
    """Return a client whose subject gives these answers."""
    client = Guarded(made, CONFIG, lambda *_: None, unlimited)
    client._subject.answers = answers
    return client


def test_what_keeps_to_the_protocol_passes() -> None:
    """Good answers come back as they are."""
    client = guarded()
    assert client.put(1, 100) == Applied()
    assert client.reserve(1, 0.0, sync=True).items == [ITEM]
    assert (client.leftover(), client.session, client.consumer) == (0, None, None)
    assert client.done([ITEM]) == Applied()
    client.close()


@pytest.mark.parametrize(
    ("what", "answer", "told"),
    [
        ("put", None, "expected an object of class Applied, got None"),
        ("put", True, "expected an object of class Applied, got True"),
        ("put", Applied(zxid="7"), "Expected `int | null`, got `str` - at `$.zxid`"),  # type: ignore[arg-type]
        ("put", Applied(attempts=0), "Expected `int` >= 1 - at `$.attempts`"),
        ("done", Reserved, "expected an object of class Applied, got <class"),
        ("reserve", [], "expected an object of class Reserved, got []"),
        ("reserve", Applied(), "expected an object of class Reserved, got Applied("),
        ("reserve", Reserved(items=[1]), "Expected `object`, got `int` - at `$.items[0]`"),  # type: ignore[list-item]
        ("reserve", Reserved(items=[Taken(value=b"1")]), "got `bytes` - at `$.items[0].value`"),  # type: ignore[arg-type]
        ("reserve", Reserved(items=[Taken(value="\ud800")]), "UnicodeEncodeError"),
        ("reserve", Reserved(items=[ITEM, ITEM]), "expected at most 1 items, got 2"),
        ("leftover", None, "expected a number from 0, got None"),
        ("leftover", -1, "expected a number from 0, got -1"),
        ("session", 17, "expected text or None, got 17"),
    ],
)  # fmt: skip
def test_a_wrong_answer_is_one_error(what: str, answer: Any, told: str) -> None:
    """It names scenario, line, subject and method, what was expected, and what came."""
    give = (lambda: answer) if callable(answer) else answer
    with pytest.raises(SubjectError) as error:
        CALLS[what](guarded(**{what: give}))
    assert str(error.value).startswith(f"m.yaml:2: subject: q:Q: {what}: expected ")
    assert told in str(error.value)


@pytest.mark.parametrize("what", CALLS)
@pytest.mark.parametrize(
    "error", [AttributeError("x"), TypeError("x"), NameError("x"), SystemExit(0), GeneratorExit()]
)
def test_a_mistake_of_the_class_is_one_error_with_its_line(what: str, error: Any) -> None:
    """What the subject's own file raises that no queue answers ends the run, and names the line."""
    with pytest.raises(SubjectError) as raised:
        CALLS[what](guarded(**{what: raises(error)}))
    assert f"{what}: expected an answer, got {type(error).__name__}" in str(raised.value)
    assert f"({__file__}:" in str(raised.value)


@pytest.mark.parametrize(
    "answer",
    [
        raises(RuntimeError("x")),
        raises(ConnectionLoss()),
        raises(DefiniteError("x")),
        deep(TypeError("x")),
    ],
    ids=["any", "kazoo", "definite", "library"],
)
def test_an_error_of_the_queue_is_an_outcome(answer: Any) -> None:
    """Any other error, and whatever a library raises under faults, passes through."""
    with pytest.raises(Exception) as error:  # noqa: PT011 -- which it is, is the claim
        CALLS["put"](guarded(put=answer))
    assert not isinstance(error.value, SubjectError)


@pytest.mark.parametrize("f", ["run-ended", "recovered", "drain", "tree", "phase", "put"])
def test_no_subject_tells_of_the_run_itself(f: str) -> None:
    """A run would be valid by what its queue says of it."""
    told: list[str] = []

    class Telling(Q):
        def __init__(self, config: SubjectConfig, note: Note) -> None:
            super().__init__(config, note)
            self.note = note

    client = Guarded(Telling, CONFIG, lambda f, _: told.append(f), unlimited)
    for own in ("returned", "hold-lost", "session-end", "cache-miss"):
        client._subject.note(own, {})
    with pytest.raises(SubjectError, match=f"q:Q: note: expected a name .*, got '{f}'"):
        client._subject.note(f, {})
    assert told == ["returned", "hold-lost", "session-end", "cache-miss"]


def test_ctrl_c_is_no_mistake() -> None:
    """The person at the keyboard is not the subject."""
    with pytest.raises(KeyboardInterrupt):
        CALLS["put"](guarded(put=raises(KeyboardInterrupt())))


@pytest.mark.parametrize(
    ("error", "definite"),
    [(ConnectionLoss(), True), (TimeoutError(), True), (DefiniteError(), True), (ValueError(), 0)],
)
def test_only_a_failed_connection_is_tried_again(error: Exception, definite: object) -> None:
    """A client that cannot connect is marked to be tried again; another error ends the run."""

    class Unconnected(Q):
        def __init__(self, config: SubjectConfig, note: object) -> None:
            raise error

    with pytest.raises(Exception) as raised:  # noqa: PT011 -- which it is, is the claim
        guarded(Unconnected)
    assert getattr(raised.value, "definite", 0) == definite
    assert isinstance(raised.value, SubjectError) is not definite


def test_each_call_has_its_limit() -> None:
    """A call may take the scenario's deadline, a reserve also what it is told to wait."""
    limits: dict[str, float] = {}

    def limit(what: str, within_s: float) -> AbstractContextManager[None]:
        @contextmanager
        def noted() -> Any:
            limits[what.rpartition(" ")[2]] = within_s
            yield

        return noted()

    client = Guarded(Q, CONFIG, lambda *_: None, limit)
    for call in CALLS.values():
        call(client)
    assert limits == dict.fromkeys(["__init__", *CALLS], 7 + GRACE_S) | {"reserve": 10 + GRACE_S}


def test_a_wrong_answer_leaves_an_unknown_outcome_and_ends_the_client(tmp_path: Path) -> None:
    """The call may have taken effect, so it is `info`; the workload does not go on."""
    with HistoryWriter(tmp_path / "parts/0.jsonl") as writer:
        client = Client(
            connect=lambda _: guarded(put=None),  # type: ignore[arg-type, return-value]
            history=writer,
            clock=Clock(),
            process=3,
            report=lambda _: None,
            puts_over=lambda: True,
        )
        with pytest.raises(SubjectError):
            client.put(1)
    merge(tmp_path / "parts", tmp_path / "history.jsonl")
    put = History.load(tmp_path / "history.jsonl").operation(0)
    assert (put.f, put.outcome) == ("put", "info")


def test_a_drain_does_not_go_on_without_an_answer(tmp_path: Path) -> None:
    """A wrong count of what is held is an error, not a look that failed."""
    with HistoryWriter(tmp_path / "parts/0.jsonl") as writer:
        client = Client(
            connect=lambda _: guarded(leftover="?"),  # type: ignore[arg-type, return-value]
            history=writer,
            clock=Clock(),
            process=3,
            report=lambda _: None,
            puts_over=lambda: True,
        )
        with pytest.raises(SubjectError):
            client.leftover()


class Worded(Exception):  # noqa: N818 -- its name is part of what is recorded
    """An error whose text is its trouble."""

    def __str__(self) -> str:
        return self.args[0]()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (lambda: "\ud800", "Worded: \\ud800"),
        (lambda: 1 // 0, "Worded: (no text)"),
        (lambda: "x" * 5000, f"Worded: {'x' * 2000}"),
    ],
)
def test_an_error_of_any_text_can_be_recorded(tmp_path: Path, text: Any, told: str) -> None:
    """Text that no file can hold, no text at all, or too much of it damages no history."""
    with HistoryWriter(tmp_path / "0.jsonl") as writer:
        client = Client(
            connect=lambda _: guarded(put=raises(Worded(text))),  # type: ignore[arg-type, return-value]
            history=writer,
            clock=Clock(),
            process=3,
            report=lambda _: None,
            puts_over=lambda: True,
        )
        assert client.put(1) is False
    assert told.replace("\\", "\\\\") in (tmp_path / "0.jsonl").read_text()
