"""Short histories written by hand: one line an operation."""

from collections.abc import Iterable, Mapping
from typing import Any

from harness.history.columns import History


def op(
    f: str,
    value: Any,
    begin_ns: int,
    end_ns: int | None,
    *,
    process: int | str = 0,
    outcome: str = "ok",
    **extra: Any,
) -> list[dict[str, Any]]:
    """Return invocation and completion; `end_ns=None` leaves it open, so its outcome is unknown."""
    base = {"process": process, "f": f} | extra
    asked = None if f in ("reserve", "take") else value
    events = [{"time_ns": begin_ns, "type": "invoke", "value": asked} | base]
    if end_ns is not None:
        answer = value if outcome == "ok" else asked
        events.append({"time_ns": end_ns, "type": outcome, "value": answer} | base)
    return events


def note(
    f: str, at_ns: int, *, process: int | str = "harness", **value: Any
) -> list[dict[str, Any]]:
    """Return one `info` note."""
    return [{"time_ns": at_ns, "process": process, "type": "info", "f": f, "value": value}]


def ended(
    process: int,
    at_ns: int,
    *,
    alive_until_ns: int | None = None,
    why: str = "expired",
    zxid: int | None = None,
) -> list[dict[str, Any]]:
    """Return the end of a process's session."""
    alive_ns = at_ns if alive_until_ns is None else alive_until_ns
    return note("session-end", at_ns, process=process, alive_until_ns=alive_ns, why=why, zxid=zxid)


def returned(
    process: int, at_ns: int, *values: Any, to: str = "items", zxid: int | None = None
) -> list[dict[str, Any]]:
    """Return the note that a process's items are available again; its consumer is `c<process>`."""
    return note("returned", at_ns, consumer=f"c{process}", values=list(values), to=to, zxid=zxid)


def drained(begin_ns: int, end_ns: int, *, complete: bool = True) -> list[dict[str, Any]]:
    """Return a drain's begin and end."""
    end = note("drain", end_ns, phase="end", complete=complete)
    return note("drain", begin_ns, phase="begin") + end


def events(*parts: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the events of all parts in order of time; equal times keep the order written."""
    lines = [dict(event) for part in parts for event in part]
    return sorted(lines, key=lambda event: event["time_ns"])


def history(*parts: Iterable[Mapping[str, Any]]) -> History:
    """Return the history of these operations and notes."""
    return History.from_events(events(*parts))


def queue_run(
    count: int, *, lost: Iterable[int] = (), order: Iterable[int] | None = None, drain: bool = True
) -> History:
    """Return the history of `queue_events`."""
    return history(queue_events(count, lost=lost, order=order, drain=drain))


def ended_run(
    *parts: Iterable[Mapping[str, Any]], nodes: int = 5, phases: int = 1
) -> list[dict[str, Any]]:
    """Return the events of a run that drained at its end, with all that the harness adds to them.

    Which phases are over and that all was healed stands before the last drain; the trees, the logs
    and the end mark stand behind everything.
    """
    lines = events(*parts)
    drains = (line for line in lines if line["f"] == "drain" and line["value"]["phase"] == "begin")
    healed_ns, over_ns = max(line["time_ns"] for line in drains), lines[-1]["time_ns"] + 1
    before = [note("phase", healed_ns, number=n, event="end") for n in range(phases)]
    before.append(note("recovered", healed_ns, took_s=0.1, lost=[]))
    looks = [
        look
        for node in range(1, nodes + 1)
        for look in (
            note("tree", over_ns, when="drained", **_tree(node)),
            note("server-log", over_ns, node=node, patterns={}, samples=[]),
        )
    ]
    return events(*before, lines, *looks, note("run-ended", over_ns))


def _tree(node: int) -> dict[str, Any]:
    return {"node": node, "reachable": True, "digest": "same", "settled": True, "places": {}}


def queue_events(
    count: int, *, lost: Iterable[int] = (), order: Iterable[int] | None = None, drain: bool = True
) -> list[dict[str, Any]]:
    """One producer puts 1..count, then one consumer reserves and acknowledges them.

    `lost` are never delivered; `order` replaces the order of the deliveries.
    """
    parts = [op("put", n, 10 * n, 10 * n + 5, producer="p0") for n in range(1, count + 1)]
    at_ns = 10 * count + 20
    gone = set(lost)
    for n in order if order is not None else range(1, count + 1):
        if n not in gone:
            parts.append(op("reserve", n, at_ns, at_ns + 3, process=1, consumer="c1"))
            parts.append(op("done", n, at_ns + 5, at_ns + 8, process=1, consumer="c1"))
            at_ns += 10
    parts.append(op("reserve", None, at_ns, at_ns + 3, process=1, consumer="c1"))
    if drain:
        parts.append(drained(at_ns + 10, at_ns + 20))
    return events(*parts)
