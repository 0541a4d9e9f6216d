"""A client that records every call in the history before it sends it, and the outcome after.

After an unknown outcome, or when its registration is lost, it closes its session, records the
session's end, and goes on as a new process with a new registration. So it does if a subject has
registered again by itself, during a call: what the first registration did of that call is unknown.
"""

import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal, TypeVar

from harness.clients import payload
from harness.clients.foreign_calls import ForeignCalls, counted, session_end
from harness.clients.subject import Applied, Reserved, Subject, SubjectConfig, Taken
from harness.common.harness_errors import SubjectError, told
from harness.common.run_clock import Clock
from harness.history.record import PROCESS_STRIDE, Event, HistoryWriter, Value

T = TypeVar("T", bound=Applied)
RECONNECT_S = 0.5
ALL_CALL_WITHIN_S = 60.0  # the harness tells it after 30 s, whether or not they do

Report = Callable[[Mapping[str, Any]], None]
EndReason = Literal["closed", "in-doubt", "expired"]


class Client:
    """The queue as workloads use it. Not thread-safe, except for `note`.

    Args:
        connect: makes a new subject, whose notes go to the given function.
        process: number of the first process.
        report: receives counts and the session, for the harness.
        all_call: waits, for some seconds, until each client of the phase has begun its first call.
        puts_over: tells whether no more puts will come from other workloads.
        faults_over: tells whether every fault of the phase was injected and is over.
        config: how to reach the queue, for a workload whose calls are a command's.
        where: the place of the workload in its scenario, for errors.
    """

    def __init__(
        self,
        *,
        connect: Callable[[Callable[[str, Mapping[str, Any]], None]], Subject],
        history: HistoryWriter,
        clock: Clock,
        process: int,
        report: Report,
        puts_over: Callable[[], bool],
        faults_over: Callable[[], bool] = lambda: False,
        all_call: Callable[[float], object] = lambda _: True,
        config: SubjectConfig | None = None,
        where: str = "",
    ) -> None:
        self._connect, self._history, self._clock = connect, history, clock
        self._report, self.puts_over, self.faults_over = report, puts_over, faults_over
        self._config, self.where, self._all_call = config, where, all_call
        self.process = process
        self._lock = threading.Lock()
        self._subject: Subject | None = None
        self._alive_ns = 0  # when the last call began whose effect shows that the session lived

    def await_all_calls(self) -> float:
        """Wait until each client of the phase calls; return the time, from which rates count.

        The times of faults count from there, too. Otherwise the puts may be over before a fault
        comes, on a busy machine whose clients start one after the other.
        """
        self._all_call(ALL_CALL_WITHIN_S)
        return self.now_s()

    def put(
        self,
        value: Value,
        priority: int = 100,
        *,
        group: str | None = None,
        size_bytes: Sequence[int] | None = None,
        buffered: bool = False,
    ) -> bool:
        """Put, perhaps into a group; return whether it was acknowledged.

        With `size_bytes`, least and most, the payload is padded to a size in between. A `buffered`
        put is recorded as acknowledged and never sent: the bug of a control.
        """
        sent = value if size_bytes is None else payload.padded(value, size_bytes)
        named = {"value": value, "priority": priority} | ({"group": group} if group else {})

        def put(subject: Subject) -> Applied:
            if group is not None:
                return subject.put_in_group(sent, priority, group)
            return Applied() if buffered else subject.put(sent, priority)

        return self._call("put", put, named) is not None

    def reserve(self, n: int = 1, timeout_s: float = 0.0, *, sync: bool = False) -> list[Taken]:
        """Take up to n items; an empty list if there were none or the outcome is not ok."""
        subject = self._now()
        f = "take" if subject.takes else "reserve"
        # What the call can have, at most, if it never gets its answer.
        asked = {"value": None, "n": min(n, subject.most or n)}
        done = self._call(f, lambda s: s.reserve(n, timeout_s, sync=sync), asked)
        self.found_empty = done is not None and not done.items
        return [] if done is None else list(done.items)

    def done(self, items: Sequence[Taken]) -> bool:
        """Acknowledge items; return whether the outcome is ok. A take needs none, so it is."""
        if self._now().takes:
            return True
        return self._call("done", lambda s: s.done(items), _values(items)) is not None

    def release(self, items: Sequence[Taken]) -> bool:
        """Give items back; return whether the outcome is ok."""
        return self._call("release", lambda s: s.release(items), _values(items)) is not None

    def leftover(self) -> int | None:
        """Return how many items may yet become available; None if that cannot be read now."""
        try:
            return self._now().leftover()
        except SubjectError:
            raise
        except Exception:  # noqa: BLE001 -- a look that failed says nothing; the next one may succeed
            self.close("in-doubt")
            return None

    def pace(self, rate_hz: float | None, step: int, began_s: float) -> None:
        """Sleep until step `step` (from 0) of a loop that does `rate_hz` steps a second."""
        if rate_hz is not None:
            self._clock.sleep_until_s(began_s + step / rate_hz)

    def work(self, for_s: float) -> None:
        """Sleep, as a consumer does that works on its items."""
        self._clock.sleep_until_s(self._clock.now_s() + for_s)

    def now_s(self) -> float:
        """Return the seconds since the run began."""
        return self._clock.now_s()

    def note(self, f: str, value: Mapping[str, Any]) -> None:
        """Record an event that is no call, such as returned items; from any thread."""
        self._append(Event.note(self._clock.now_ns(), f, value))

    @property
    def config(self) -> SubjectConfig:
        """Return how to reach the queue."""
        assert self._config is not None
        return self._config

    def foreign_calls(self, values: range | None) -> ForeignCalls:
        """Return what records the calls of a process that is not the harness's own."""
        return ForeignCalls(
            self._append, self._clock, process=self.process, report=self._report, values=values
        )

    def close(self, why: EndReason = "closed") -> None:
        """End the session, if there is one, and record its end.

        A session that is in doubt or expired may have ended before.
        """
        subject, self._subject = self._subject, None
        if subject is None:
            return
        names = _names(subject)
        alive_ns = self._clock.now_ns() if why == "closed" else self._alive_ns
        with suppress(Exception):  # a session that cannot be closed ends by its timeout
            subject.close()
        now_ns = self._clock.now_ns()
        self._append(session_end(self.process, now_ns, names, why, alive_until_ns=alive_ns))
        self._report({"process": None, "session": None, "consumer": None})
        self.process += PROCESS_STRIDE

    def _call(self, f: str, action: Callable[[Subject], T], fields: Mapping[str, Any]) -> T | None:
        """Record the invocation, do it, record its outcome; None unless it is ok.

        Raises:
            SubjectError: the subject does not keep to its protocol; the outcome is recorded.
        """
        subject = self._now()
        invoked = self._event("invoke", f, fields)
        self._append(invoked)
        self._report({"invoked": 1, "process": self.process})
        was = _names(subject)
        try:
            answer = action(subject)
        except Exception as error:  # unmarked means unknown, the safe side
            self._failed(f, fields, error)
            if isinstance(error, SubjectError):
                raise
            return None
        if isinstance(answer, Reserved) and was["consumer"] not in (None, subject.consumer):
            self._registered_again(f, fields, was, invoked.time_ns)
        if not isinstance(answer, Reserved) or answer.items:
            self._alive_ns = invoked.time_ns
        self._append(self._event("ok", f, _with_answer(fields, answer), subject=subject))
        got = len(answer.items) if isinstance(answer, Reserved) else 0
        self._report(counted(f, fields["value"], got) | self._session_of(subject))
        return answer

    def _registered_again(
        self, f: str, fields: Mapping[str, Any], was: Mapping[str, Any], invoke_ns: int
    ) -> None:
        """Record one call as two: the first registration's, of unknown outcome, and the second's.

        The first may have claimed items that nobody was told of, and that came back with its end.
        """
        lost = self._event("info", f, {**was, **fields, "error": "its registration was lost"})
        self._append(lost)
        self._append(
            session_end(self.process, lost.time_ns, was, "in-doubt", alive_until_ns=self._alive_ns)
        )
        self.process += PROCESS_STRIDE
        again = self._event("invoke", f, fields)
        again.time_ns = invoke_ns  # when it began is not known
        self._append(again)
        self._report({"invoked": 1, "info": 1, "process": self.process})

    def _failed(self, f: str, fields: Mapping[str, Any], error: Exception) -> None:
        subject = self._subject
        definite = getattr(error, "definite", False)
        outcome = "fail" if definite else "info"
        self._append(self._event(outcome, f, {**fields, "error": told(error)}, subject=subject))
        self._report({outcome: 1})
        if not definite:
            self.close("in-doubt")  # whether its session lived up to now is not known
        elif subject is not None and f != "put" and subject.consumer is None:
            self.close("expired")  # the registration is gone, and with it everything held

    def _now(self) -> Subject:
        while self._subject is None:
            try:
                self._subject = self._connect(self.note)
            except Exception as error:
                if not getattr(error, "definite", False):
                    raise
                # No server serves just now: a client of a queue that is down keeps trying. The
                # phase's time limit ends it if that never changes; the worker's log says why.
                sys.stderr.write(f"{self._clock.now_s():.1f} s: not connected: {told(error)}\n")
                self._clock.sleep_until_s(self._clock.now_s() + RECONNECT_S)
        return self._subject

    def _event(
        self, type_: Any, f: str, fields: Mapping[str, Any], *, subject: Subject | None = None
    ) -> Event:
        who: dict[str, Any] = {}
        if subject is not None:
            role = "producer" if f == "put" else "consumer"
            who = {"session": subject.session, role: getattr(subject, role)}
        return Event(
            time_ns=self._clock.now_ns(), process=self.process, type=type_, f=f, **{**who, **fields}
        )

    def _append(self, event: Event) -> None:
        with self._lock:
            self._history.append(event)

    def _session_of(self, subject: Subject) -> dict[str, Any]:
        return {**_names(subject), "alive_ns": self._alive_ns}


def _names(subject: Subject) -> dict[str, str | None]:
    return {"session": subject.session, "consumer": subject.consumer}


def _values(items: Sequence[Taken]) -> dict[str, Any]:
    values = [item.value for item in items]
    return {"value": values[0] if len(values) == 1 else values}


def _with_answer(fields: Mapping[str, Any], answer: Applied) -> dict[str, Any]:
    told: dict[str, Any] = {**fields, "zxid": answer.zxid}
    if answer.attempts > 1:
        told["attempts"] = answer.attempts
    if isinstance(answer, Reserved):
        told |= _values(answer.items) if answer.items else {"read_zxid": answer.read_zxid}
        deliveries = [item.delivery for item in answer.items]
        if deliveries:
            told["delivery"] = deliveries[0] if len(deliveries) == 1 else deliveries
        if answer.window is not None:
            told["window"] = answer.window
        if answer.consumer is not None:
            told["consumer"] = answer.consumer
    return told
