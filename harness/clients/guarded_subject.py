"""A foreign subject, held to the protocol: its answers, its errors and its deadlines."""

import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated, Any, Final, TypeVar

import msgspec
from kazoo.exceptions import KazooException
from kazoo.handlers.threading import KazooTimeoutError
from msgspec import Meta

from harness.clients.subject import Applied, Note, Reserved, SubjectConfig, Taken
from harness.common.harness_errors import SubjectError, told
from harness.history import note_shapes
from harness.history.record import Number, Value, Zxid

A = TypeVar("A", bound=Applied)
Limit = Callable[[str, float], AbstractContextManager[object]]
"""Puts a limit in seconds around a call; the text names the call in errors."""

GRACE_S: Final = 5.0  # what a call may take beyond its deadline on a busy machine
NOT_CONNECTED: Final = (OSError, KazooException, KazooTimeoutError)
MISTAKES: Final = (AttributeError, ImportError, NameError, NotImplementedError, TypeError)
"""What a class raises that is wrong itself. Raised in the subject's own file it ends the run; from
further down it may be what a fault did to the client library, so that the outcome is unknown."""


class _Applied(msgspec.Struct):
    zxid: Zxid | None
    attempts: Annotated[int, Meta(ge=1, le=2**31)]


class _Taken(msgspec.Struct):
    value: Value
    delivery: Number | None


class _Reserved(_Applied):
    items: list[_Taken]
    consumer: str | None
    read_zxid: Zxid | None
    window: Number | None


class NotConnectedError(Exception):
    """No client could be connected just now; nothing was asked of the queue."""

    definite = True


def unlimited(_what: str, _within_s: float) -> AbstractContextManager[object]:
    """Put no limit around a call."""
    return nullcontext()


class Guarded:
    """Passes calls on to a subject; see `harness.clients.subject.Subject`.

    Every call but that of `release` and `session` raises what the subject raises, if that can be
    an outcome of the call.

    Raises:
        SubjectError: an answer of another type, more items than asked for, an error that is a
            mistake of the class, an attempt to end the process.
    """

    def __init__(self, made: Any, config: SubjectConfig, note: Note, limit: Limit) -> None:
        self.takes, self.most = getattr(made, "takes", False), getattr(made, "most", None)
        self._where = f"{config.where}: {config.kind}" if config.where else config.kind
        self._deadline_s, self._limit = config.deadline_s, limit
        self._file = getattr(sys.modules.get(made.__module__), "__file__", None)
        try:
            self._subject = self._asked("__init__", made, config, self._noting(note))
        except NOT_CONNECTED as error:
            raise NotConnectedError(told(error)) from error
        except SubjectError:
            raise
        except Exception as error:
            if getattr(error, "definite", False):
                raise
            raise self._broken("__init__", "a client", told(error), error) from error

    def _noting(self, note: Note) -> Note:
        """Return what takes the subject's notes, and none of those that tell of the run itself."""

        def noted(f: str, value: Mapping[str, Any]) -> None:
            if f in note_shapes.BY_HARNESS:
                raise self._broken("note", "a name that the harness does not write", f"{f!r}")
            note(f, value)

        return noted

    @property
    def session(self) -> str | None:
        return self._name("session")

    @property
    def consumer(self) -> str | None:
        return self._name("consumer")

    @property
    def producer(self) -> str | None:
        return self._name("producer")

    def put(self, value: Value, priority: int) -> Applied:
        return self._applied("put", value, priority)

    def put_in_group(self, value: Value, priority: int, group: str) -> Applied:
        if not hasattr(self._subject, "put_in_group"):
            raise self._broken("put_in_group", "a method, because puts have groups", "none")
        return self._applied("put_in_group", value, priority, group)

    def reserve(self, n: int, timeout_s: float, *, sync: bool) -> Reserved:
        """Take up to n items, and no more than the subject says it gives."""
        reserve = self._subject.reserve
        answer = self._asked("reserve", reserve, n, timeout_s, sync=sync, extra_s=timeout_s)
        found = self._fits("reserve", answer, Reserved, _Reserved)
        most = min(n, self.most or n)
        if len(found.items) > most:
            raise self._broken("reserve", f"at most {most} items", f"{len(found.items)}")
        return found

    def done(self, items: Sequence[Taken]) -> Applied:
        return self._applied("done", items)

    def release(self, items: Sequence[Taken]) -> Applied:
        return self._applied("release", items)

    def leftover(self) -> int:
        """Return how many items may yet become available; of a queue that takes at once none."""
        if self.takes:
            return 0
        found = self._asked("leftover", self._subject.leftover)
        if type(found) is not int or found < 0:
            raise self._broken("leftover", "a number from 0", f"{found!r:.200}")
        return found

    def close(self) -> None:
        self._asked("close", self._subject.close)

    def _applied(self, what: str, *given: Any) -> Applied:
        found = self._asked(what, getattr(self._subject, what), *given)
        return self._fits(what, found, Applied, _Applied)

    def _asked(
        self, what: str, call: Callable[..., Any], *given: Any, extra_s: float = 0.0, **named: Any
    ) -> Any:
        within_s = self._deadline_s + extra_s + GRACE_S
        try:
            with self._limit(f"{self._where}: {what}", within_s):
                return call(*given, **named)
        except MISTAKES as error:
            if self._raised_here(error) and not getattr(error, "definite", False):
                raise self._broken(what, "an answer", told(error), error) from error
            raise
        except (Exception, KeyboardInterrupt):
            raise
        except BaseException as error:  # such as SystemExit: a queue does not end the process
            raise self._broken(what, "an answer", told(error), error) from error

    def _raised_here(self, error: BaseException) -> bool:
        frames = traceback.extract_tb(error.__traceback__)
        return frames[-1].filename in {self._file, __file__}

    def _fits(self, what: str, found: Any, kind: type[A], shape: Any) -> A:
        if not isinstance(found, kind):
            raise self._broken(what, f"an object of class {kind.__name__}", f"{found!r:.200}")
        try:
            msgspec.json.encode(msgspec.convert(found, shape, from_attributes=True))
        except (ValueError, AttributeError) as error:
            raise self._broken(what, f"values in a {kind.__name__}", told(error)) from error
        return found

    def _name(self, what: str) -> str | None:
        subject = self._subject
        if not (hasattr(type(subject), what) or what in getattr(subject, "__dict__", {})):
            return None
        found = self._asked(what, getattr, subject, what)
        if found is not None and not isinstance(found, str):
            raise self._broken(what, "text or None", f"{found!r:.200}")
        return found

    def _broken(
        self, what: str, expected: str, got: str, error: BaseException | None = None
    ) -> SubjectError:
        frames = traceback.extract_tb(error.__traceback__) if error is not None else []
        own = [frame for frame in frames if frame.filename == self._file]
        where = f" ({own[-1].filename}:{own[-1].lineno})" if own else ""
        return SubjectError(f"{self._where}: {what}: expected {expected}, got {got}{where}")
