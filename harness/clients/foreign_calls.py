"""The calls of a process that is not the harness's own, recorded as it tells of them.

Each line that it writes is one event, with the keys of history.jsonl: docs/your-own-queue.md.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from harness.common.harness_errors import SubjectError
from harness.common.run_clock import Clock
from harness.history.record import DECODE_ERRORS, PROCESS_STRIDE, Event, Number, Value, Zxid

MAX_CALLERS: Final = 1000
EXAMPLE: Final = '{"type":"invoke","f":"put","value":1}'
SESSION_END: Final = "session-end"
_GETS: Final = frozenset({"reserve", "take"})
_SHOWN: Final = 100


class CallLine(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One event as the process tells it; the harness adds the time.

    Attributes:
        process: which of its own concurrent callers, from 0.
    """

    type: Literal["invoke", "ok", "fail", "info"]
    f: Literal["put", "reserve", "take", "done", "release", "session-end"]
    process: Annotated[int, Meta(ge=0, lt=MAX_CALLERS)] = 0
    value: Value | list[Value] | None = None
    priority: Number | UnsetType = UNSET
    group: str | UnsetType = UNSET
    n: Annotated[int, Meta(ge=1, le=1_000_000)] | UnsetType = UNSET
    to: Literal["items", "back", "delayed", "dead"] | UnsetType = UNSET
    delivery: Number | list[Number] | UnsetType | None = UNSET
    window: Number | UnsetType | None = UNSET
    zxid: Zxid | UnsetType | None = UNSET
    read_zxid: Zxid | UnsetType | None = UNSET
    session: str | UnsetType | None = UNSET
    consumer: str | UnsetType | None = UNSET
    producer: str | UnsetType | None = UNSET
    error: str | UnsetType = UNSET


_decoder = msgspec.json.Decoder(CallLine)


@dataclass(slots=True)
class _Caller:
    """One concurrent caller, while it is one process of the history.

    Attributes:
        call: the invocation in progress.
        began_ns: when that began.
        alive_ns: when the last call began whose effect shows that its session lived.
    """

    process: int
    call: CallLine | None = None
    began_ns: int = 0
    session: str | None = None
    consumer: str | None = None
    alive_ns: int = 0


def read(text: bytes) -> CallLine:
    """Return the event of a line.

    Raises:
        SubjectError: it is none.
    """
    try:
        return _decoder.decode(text)
    except DECODE_ERRORS as error:
        shown = text if len(text) <= _SHOWN else text[:_SHOWN] + b"..."
        raise SubjectError(
            f"expected an event such as {EXAMPLE}, got {shown.decode(errors='replace')!r}: {error}"
        ) from error


class ForeignCalls:
    """Records events, and refuses what no client could have done.

    Args:
        history: where the events go.
        process: the number of the first caller in the history.
        report: receives counts and sessions, for the harness.
        values: what it may put, each once: "any", or numbers; None if it may put nothing.
    """

    def __init__(
        self,
        history: Callable[[Event], None],
        clock: Clock,
        *,
        process: int,
        report: Callable[[Mapping[str, Any]], None],
        values: range | Literal["any"] | None,
    ) -> None:
        self._append, self._clock, self._report = history, clock, report
        self._next, self._values, self._put = process, values, set[Value]()
        self._callers: dict[int, _Caller] = {}

    @property
    def in_progress(self) -> str:
        """Return the calls without an outcome, in words."""
        calls = [f"{c.call.f} of process {n}" for n, c in self._callers.items() if c.call]
        return ", ".join(calls) or "no call"

    def add(self, line: CallLine) -> None:
        """Record an event that has just been read.

        Raises:
            SubjectError: it does not follow what its process told before.
        """
        caller = self._callers.get(line.process)
        if line.f == SESSION_END:
            self._end_session(line, caller)
        elif line.type == "invoke":
            self._invoke(line, caller or self._new(line.process))
        elif caller is None or caller.call is None or caller.call.f != line.f:
            asked = "nothing" if caller is None or caller.call is None else caller.call.f
            raise SubjectError(
                f"expected the outcome of a call of process {line.process}, which has {asked} in "
                f"progress, got {line.type} of {line.f}"
            )
        else:
            self._complete(line, caller, caller.call)

    def end(self, *, closed: bool) -> None:
        """Record the end of each session; a call in progress is of unknown outcome."""
        for number, caller in list(self._callers.items()):
            if caller.call is not None:
                told = CallLine(
                    type="info", f=caller.call.f, error="the process ended", process=number
                )
                self._complete(told, caller, caller.call)
            else:
                self._over(number, caller, "closed" if closed else "killed")

    def _invoke(self, line: CallLine, caller: _Caller) -> None:
        if caller.call is not None:
            raise SubjectError(
                f"expected the outcome of the {caller.call.f} of process {line.process}, got "
                f"another invoke; concurrent calls need a `process` each"
            )
        self._require_value(line)
        caller.call, caller.began_ns = line, self._clock.now_ns()
        value = None if line.f in _GETS else line.value
        n = {"n": 1 if line.n is UNSET else line.n} if line.f in _GETS else {}
        self._append(self._event(line, caller, caller.began_ns, value=value, **n))
        self._tell(line.process, caller, {"invoked": 1})

    def _require_value(self, line: CallLine) -> None:
        if line.f in _GETS:
            return
        if line.value in (None, []):
            raise SubjectError(f"expected the `value` of what to {line.f}, got none")
        if line.f == "put":
            self._require_new(line.value)

    def _require_new(self, value: Any) -> None:
        allowed, told = self._values, "each value"
        if allowed is None:
            raise SubjectError("expected `count` beside `command` for a command that puts")
        good = isinstance(value, int | str)
        if isinstance(allowed, range):
            good = isinstance(value, int) and value in allowed
            told = f"each value of {allowed.start}..{allowed.stop - 1} (`first` and `count`)"
        if not good or value in self._put:
            raise SubjectError(f"expected to put {told} once, got {value!r}")
        self._put.add(value)

    def _complete(self, line: CallLine, caller: _Caller, call: CallLine) -> None:
        got = line.value if line.f in _GETS and line.type == "ok" else None
        items = got if isinstance(got, list) else [] if got is None else [got]
        if len(items) > (1 if call.n is UNSET else call.n):
            raise SubjectError(f"expected at most the `n` of its invoke, got {len(items)} items")
        if line.f not in _GETS and line.value not in (None, call.value):
            raise SubjectError(f"expected the value of its invoke, got {line.value!r}")
        value = call.value if line.f not in _GETS else got if items else None
        caller.call = None
        for name in ("session", "consumer"):
            if (known := getattr(line, name)) is not UNSET:
                setattr(caller, name, known)
        if line.type == "ok" and (line.f not in _GETS or items):
            caller.alive_ns = caller.began_ns
        beside = {"priority": call.priority} | ({"n": call.n} if line.f in _GETS else {})
        now_ns = self._clock.now_ns()
        self._append(self._event(line, caller, now_ns, value=value, **beside))
        told = counted(line.f, value, len(items)) if line.type == "ok" else {str(line.type): 1}
        self._tell(line.process, caller, told)
        if line.type == "info":
            self._over(line.process, caller, "in-doubt")

    def _end_session(self, line: CallLine, caller: _Caller | None) -> None:
        if line.type != "info" or (caller is not None and caller.call is not None):
            raise SubjectError(
                "expected session-end as info, after the outcome of the last call, got it as "
                f"{line.type} with {self.in_progress} in progress"
            )
        if caller is not None:
            self._over(line.process, caller, "expired")

    def _over(self, number: int, caller: _Caller, why: str) -> None:
        """Record that a process of the history has ended; its caller goes on as another one."""
        del self._callers[number]
        now_ns = self._clock.now_ns()
        alive_ns = now_ns if why == "closed" else caller.alive_ns
        names = {"session": caller.session, "consumer": caller.consumer}
        self._append(session_end(caller.process, now_ns, names, why, alive_until_ns=alive_ns))
        self._report({"caller": number, "process": None, "session": None, "consumer": None})

    def _new(self, number: int) -> _Caller:
        caller = self._callers[number] = _Caller(process=self._next)
        self._next += PROCESS_STRIDE
        return caller

    def _event(self, line: CallLine, caller: _Caller, time_ns: int, **fields: Any) -> Event:
        told = {
            name: getattr(line, name)
            for name in (
                "group",
                "to",
                "delivery",
                "window",
                "zxid",
                "read_zxid",
                "producer",
                "error",
            )
        }
        who = {name: getattr(line, name) for name in ("session", "consumer")}
        return Event(
            time_ns=time_ns,
            process=caller.process,
            type=line.type,
            f=line.f,
            **told,
            **who,
            **fields,
        )

    def _tell(self, number: int, caller: _Caller, counts: Mapping[str, int]) -> None:
        about = {"caller": number, "process": caller.process, "session": caller.session}
        alive = {"consumer": caller.consumer, "alive_ns": caller.alive_ns}
        self._report({**about, **alive, **counts})


def counted(f: str, value: Any, got: int) -> dict[str, int]:
    """Return what a call that was ok counts as; `got` is how many items it took."""
    if f == "put":
        return {"acknowledged": 1}
    if f in _GETS:
        return {"delivered": got, "empty": int(not got)}
    number = len(value) if isinstance(value, list) else 1
    return {"completed" if f == "done" else "released": number}


def session_end(
    process: int, now_ns: int, names: Mapping[str, str | None], why: str, *, alive_until_ns: int
) -> Event:
    """Return the note that a process of the history has ended, with the `names` of its session.

    The process number says whose end it is, even if the client never had a name.
    """
    end = {**names, "why": why, "alive_until_ns": alive_until_ns, "zxid": None}
    return Event.note(now_ns, SESSION_END, end, process)
