"""Export a history for other checkers: Jepsen and Knossos, or Porcupine.

Their queue knows only enqueue and dequeue: a put is written as an enqueue, a reserve or take as a
dequeue. It cannot take an item back, so items that came back are left out.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from harness.checkers.evidence.holds import holds
from harness.history.columns import FAIL, INFO, OK, PUT, RESERVE, TAKE, History
from harness.history.record import Value

Form = Literal["jepsen", "porcupine"]
NEVER_RETURNED_NS: Final = 2**63 - 1  # the largest time of Porcupine's Operation
_OUTCOMES = {OK: "ok", FAIL: "fail", INFO: "info"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedCall:
    """One enqueue or dequeue in the closed interval [invoke_ns, complete_ns].

    `complete_ns` is None where the outcome is unknown. A dequeue that is ok without a value found
    the queue empty.
    """

    process: int
    f: Literal["enqueue", "dequeue"]
    value: Value | None
    priority: int | None
    outcome: str
    invoke_ns: int
    complete_ns: int | None


def written(history: History, form: Form) -> Iterator[str]:
    """Yield the lines of a history in one of the forms. O(n log n)."""
    return _FORMS[form](list(calls(history)))


def given_back(history: History) -> set[Value]:
    """Return the values that may have come back; all their operations are left out.

    Removing all operations of an item never makes a legal history illegal, so what is left
    proves as much about the other items.
    """
    held = holds(history)
    return {history.values[number] for number in np.unique(held.value[held.may_return])}


def calls(history: History) -> Iterator[ExportedCall]:
    """Yield the calls on items that never came back, in order of invocation.

    Their processes have one call at a time. Items of a batch, calls that touch in one nanosecond,
    and calls after one of unknown outcome therefore get processes of their own.
    """
    out = given_back(history)
    lanes = _Lanes()
    for row in np.flatnonzero(np.isin(history.f, (PUT, RESERVE, TAKE))):
        call = history.operation(int(row))
        if call.value is None or call.value not in out:
            yield ExportedCall(
                process=lanes.lane(call.process, call.invoke_ns, call.complete_ns),
                f="enqueue" if call.f == "put" else "dequeue",
                value=call.value,
                priority=call.priority,
                outcome=call.outcome,
                invoke_ns=call.invoke_ns,
                complete_ns=call.complete_ns,
            )


class _Lanes:
    """Numbers processes so that the calls of each are strictly one after the other."""

    def __init__(self) -> None:
        self._free: dict[int | str, list[tuple[int, int | None]]] = {}
        self._count = 0

    def lane(self, process: int | str, invoke_ns: int, complete_ns: int | None) -> int:
        lanes = self._free.setdefault(process, [])
        for place, (number, free_ns) in enumerate(lanes):
            if free_ns is not None and free_ns < invoke_ns:
                lanes[place] = (number, complete_ns)
                return number
        lanes.append((self._count, complete_ns))
        self._count += 1
        return self._count - 1


def _jepsen(all_calls: list[ExportedCall]) -> Iterator[str]:
    """Yield one EDN map an event; of equal times the invocations first, so that they overlap."""
    end_ns = max((max(call.invoke_ns, call.complete_ns or 0) for call in all_calls), default=0)
    lines = []
    for call in all_calls:
        asked = call.value if call.f == "enqueue" else None
        lines.append((call.invoke_ns, 0, call, "invoke", asked))
        complete_ns = end_ns if call.complete_ns is None else call.complete_ns
        lines.append((complete_ns, 1, call, call.outcome, call.value))
    for index, (time_ns, _, call, kind, value) in enumerate(sorted(lines, key=lambda x: x[:2])):
        empty = kind == "ok" and value is None
        event: dict[str, Any] = {"index": index, "time": time_ns, "process": call.process}
        event |= {"type": _Keyword("fail" if empty else kind), "f": _Keyword(call.f)}
        event |= {"value": value}
        event |= {"priority": call.priority} if call.priority is not None else {}
        yield _edn(event | ({"error": _Keyword("empty")} if empty else {}))


def _porcupine(all_calls: list[ExportedCall]) -> Iterator[str]:
    """Yield one JSON object a call, with the fields of Porcupine's Operation."""
    for call in all_calls:
        if call.outcome == "fail":
            continue
        unknown, got = call.complete_ns is None, call.f == "dequeue"
        asked = {} if got else {"value": call.value, "priority": call.priority}
        operation = {
            "ClientId": call.process,
            "Input": {"f": call.f, **asked},
            "Call": call.invoke_ns,
            "Output": {"unknown": unknown, **({"value": call.value} if got else {})},
            "Return": NEVER_RETURNED_NS if call.complete_ns is None else call.complete_ns,
        }
        yield json.dumps(operation)


class _Keyword(str):
    """A name that EDN writes with a colon."""

    __slots__ = ()


def _edn(value: Any) -> str:
    match value:
        case None:
            return "nil"
        case _Keyword():
            return f":{value}"
        case dict():
            return "{" + ", ".join(f":{key} {_edn(v)}" for key, v in value.items()) + "}"
        case _:
            # EDN's strings and numbers are JSON's; \u escapes beyond ASCII are read alike.
            return json.dumps(value)


_FORMS: dict[Form, Callable[[list[ExportedCall]], Iterator[str]]] = {
    "jepsen": _jepsen,
    "porcupine": _porcupine,
}
