"""Histories recorded in a test: its own calls, clients beside it, and clients as processes."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness.clients.subject import Applied, Reserved, Subject, SubjectConfig, Taken
from harness.common.harness_errors import RunError, ScenarioError, SubjectError
from harness.recording import Recording
from harness.target import Quorum

pytestmark = pytest.mark.medium

WITHIN_S = 60.0
QUORUM = cast(Quorum, SimpleNamespace(hosts="h:1", nodes={}))


class FileQueue(Subject):
    """A queue of files: an item is taken by renaming it."""

    takes = True

    def __init__(self, config: SubjectConfig, note: object) -> None:
        self._folder = Path(config.path)
        for name in ("waiting", "taken"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)

    def put(self, value: object, priority: int) -> Applied:
        """Put a file."""
        (self._folder / "waiting" / f"{value:06}").touch()
        return Applied()

    def reserve(self, n: int, timeout_s: float, *, sync: bool) -> Reserved:
        """Rename the first file that can be renamed."""
        for path in sorted((self._folder / "waiting").iterdir()):
            with suppress(FileNotFoundError):
                path.rename(self._folder / "taken" / path.name)
                return Reserved(items=[Taken(value=int(path.name))])
        return Reserved()

    def close(self) -> None:
        """End."""


class WaitingQueue(FileQueue):
    """A queue whose puts wait until the test lets them go."""

    def put(self, value: object, priority: int) -> Applied:
        """Put a file, late."""
        while not (self._folder / "go").exists():
            time.sleep(0.01)
        return super().put(value, priority)


class ForgetfulQueue(FileQueue):
    """A queue that forgets every third item."""

    def put(self, value: object, priority: int) -> Applied:
        """Acknowledge all the same."""
        return Applied() if isinstance(value, int) and not value % 3 else super().put(value, 1)


class RefusedError(Exception):
    """Certainly nothing was changed."""

    definite = True


@pytest.fixture
def recordings(tmp_path: Path) -> Iterator[Any]:
    """Give a function that opens a recording; each is left at the end."""
    made: list[Recording] = []

    def recording(subject: Any = FileQueue, **settings: Any) -> Recording:
        folder = tmp_path / f"r{len(made)}"
        about = {"environment": {}, "path": str(tmp_path / "queue")} | settings
        made.append(Recording(QUORUM, folder, subject, **about))
        return made[-1]

    yield recording
    for each in made:
        each._workers.stop()


def test_calls_of_the_tests_own_code_are_judged(recordings: Any) -> None:
    """What was put and got makes a history that every checker can read."""
    with recordings() as h:
        for value in (1, 2):
            with h.call("put", value):
                pass
        for value in (1, 2, None):
            with h.call("take") as call:
                call.value = value
    assert h.check("total-queue").valid
    assert h.check("ownership").valid
    assert [operation.outcome for operation in map(h.history.operation, range(5))] == ["ok"] * 5


def test_an_item_that_comes_twice_is_found(recordings: Any) -> None:
    """The control: the same item from two takes is not valid, and says why."""
    with recordings() as h:
        with h.call("put", 1):
            pass
        for _ in range(2):
            with h.call("take") as call:
                call.value = 1
    result = h.check("total-queue")
    assert not result.valid
    assert result.reasons == ("duplicated",)


def test_what_is_missing_is_not_valid(recordings: Any) -> None:
    """Items that nobody took make a history unknown, not valid."""
    with recordings() as h, h.call("put", 1):
        pass
    result = h.check("total-queue")
    assert (result.valid, result.reasons) == (False, ("no-drain",))


def test_errors_are_outcomes_and_raised(recordings: Any) -> None:
    """An error is `info`, or `fail` if it is marked, and the test sees it too."""
    with recordings() as h:
        for value, error in ((1, OSError("x")), (2, RefusedError())):
            with pytest.raises(type(error)), h.call("put", value):
                raise error
    operations = [h.history.operation(row) for row in range(2)]
    assert [operation.outcome for operation in operations] == ["info", "fail"]
    assert operations[0].process != operations[1].process


def test_threads_are_processes_of_the_history(recordings: Any) -> None:
    """Two calls at the same time do not overlap in one process."""
    both = threading.Barrier(2)

    def put(value: int) -> None:
        with h.call("put", value):
            both.wait(30)

    with recordings() as h:
        threads = [threading.Thread(target=put, args=(value,)) for value in (1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (len(h.history.processes), h.history.overlapping) == (2, [])


@pytest.mark.parametrize(
    ("f", "value", "told"),
    [
        ("enqueue", 1, "Invalid enum value"),
        ("put", b"1", "bytes"),
        ("done", None, "`value`"),
        ("put", None, "`value`"),
    ],
)
def test_a_call_that_is_none_is_refused(recordings: Any, f: str, value: Any, told: str) -> None:
    """The error says what is wrong before anything is called."""
    called = False
    with recordings() as h, pytest.raises((ValueError, SubjectError), match=told), h.call(f, value):
        called = True
    assert not called


def test_a_client_beside_the_test_is_recorded(recordings: Any) -> None:
    """Clients of the subject in this process write their calls and their ends."""
    with recordings() as h:
        one, other = h.client(), h.client()
        assert one.put(1)
        assert [item.value for item in other.reserve()] == [1]
    assert h.check("total-queue").valid
    ends = [note.value["why"] for note in h.history.notes_named("session-end")]
    assert ends == ["closed", "closed"]


@pytest.mark.parametrize(("subject", "valid"), [(FileQueue, True), (ForgetfulQueue, False)])
def test_client_processes_find_the_tests_own_class(
    recordings: Any, subject: type, valid: object
) -> None:
    """Workloads run as processes on a class of the test's module; a drain takes what is left."""
    with recordings(subject) as h:
        h.start("put-all", count=20, clients=2)
        h.start("check-all", clients=2)
        h.drain()
    result = h.check("total-queue")
    assert result.valid is valid, result
    assert valid or result.reasons == ("lost",)


def test_faults_hit_the_client_processes(recordings: Any, tmp_path: Path) -> None:
    """A frozen client goes on when it is healed; a killed one is no failure of the test."""
    with recordings(WaitingQueue, deadline_s=WITHIN_S) as h:
        h.start("check-all", clients=2)
        h.start("put-all", count=60)
        (putter,) = h.clients.running("put-all")
        assert h.clients.pause(putter)["state"] == "T"
        h.clients.resume(putter)
        (tmp_path / "queue/go").touch()
        h.clients.crash(h.clients.running("check-all")[0])
        h.drain()
    assert h.check("total-queue", min_acknowledged=0.9).verdict.word in {"valid", "unknown"}
    killed = [n.value["why"] for n in h.history.notes_named("session-end")].count("killed")
    assert killed == 1


def raise_after(h: Recording) -> None:
    """Fail as a test does, while clients run."""
    h.start("put-all", count=10_000_000)
    raise ZeroDivisionError


def test_leaving_it_ends_all_clients_whatever_happens(recordings: Any) -> None:
    """An error in the test stops the clients at once, and the history is kept."""
    h = recordings()
    with pytest.raises(ZeroDivisionError), h:
        raise_after(h)
    assert [worker.running for worker in h._workers.all] == [False]
    assert len(h.history) > 0


def test_clients_that_do_not_end_are_named(recordings: Any) -> None:
    """A wait has a limit, and says who still runs."""
    h = recordings()
    h.start("put-all", count=10_000_000)
    with pytest.raises(RunError, match=r"within 0.1 s; still running: put-all"), h:
        h.wait(within_s=0.1)


class Nested:
    """A class around a subject."""

    class Queue(FileQueue):
        """A subject that no other process can import."""


@pytest.mark.parametrize(
    ("subject", "settings", "told"),
    [
        (Nested.Queue, {}, "expected a class at the top of a module, got Nested.Queue"),
        (Nested, {}, "test_recording:Nested: expected a method put, got none"),
        ("nope", {}, "subject: expected one of aio, celery, kazoo-locking-queue"),
        (FileQueue, {"deadline": 3}, "recorded_history: deadline: Extra inputs"),
        (FileQueue, {"deadline_s": "3"}, "recorded_history: deadline_s: Input should be a"),
    ],
)
def test_a_wrong_argument_is_one_error(
    tmp_path: Path, subject: Any, settings: dict[str, Any], told: str
) -> None:
    """The error says which argument, and nothing is started."""
    with pytest.raises(ScenarioError, match=told):
        Recording(QUORUM, tmp_path, subject, environment={}, **settings)
    assert os.listdir(tmp_path) == []  # noqa: PTH208 -- nothing at all


def test_a_wrong_name_is_one_error(recordings: Any) -> None:
    """Checkers, claims and workloads that there are not are refused with those that there are."""
    with recordings() as h:
        with pytest.raises(ScenarioError, match="expected a known key"):
            h.start("put-none")
        with pytest.raises(ScenarioError, match=r"put-all.counts: expected a known key"):
            h.start("put-all", counts=1)
    with pytest.raises(ScenarioError, match=r"checker: .*explain checkers.*mean 'total-queue'"):
        h.check("total")
    with pytest.raises(ScenarioError, match=r"check: claim: .* got 'strict'"):
        h.check("total-queue", claim="strict")
