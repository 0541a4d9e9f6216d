"""Histories written by hand, each with one fault in it, and some with none."""

import json
import tempfile
from pathlib import Path
from typing import Any

from harness.history.columns import History
from worlds.histories.by_hand import drained, ended, events, note, op, queue_run, returned
from worlds.histories.by_hand import history as history_of

S = 1_000_000_000
PUT_1 = op("put", 1, 0, 5)
PUT_2 = op("put", 2, 10, 15)


def leftover_of_another_run() -> History:
    """The consumer gets what somebody put before the run began."""
    return queue_run(5, order=[0, 1, 2, 3, 4, 5])


def vacuous() -> History:
    """Every put failed, and nothing came out: such a run shows nothing."""
    return history_of(
        op("put", 1, 0, 5, outcome="fail"), op("take", None, 10, 15, process=1), drained(20, 30)
    )


def reserves_fail() -> History:
    """Puts succeed; no reserve ever does."""
    return history_of(PUT_1, op("reserve", None, 10, 15, outcome="fail", process=1))


def without_drain() -> History:
    """An item is missing, and nobody looked whether it is still there."""
    return queue_run(5, lost=[3], drain=False)


def perhaps_taken() -> History:
    """An item is missing, and one take never got its answer."""
    lost_reply = op("take", None, 7, None, process=8)
    return history_of(PUT_1, lost_reply, drained(20, 30))


def one_more_than_perhaps_taken() -> History:
    """Two items are missing, and one take never got its answer."""
    return history_of(PUT_1, PUT_2, op("take", None, 17, None, process=8), drained(20, 30))


def taken(*values: int | None, start_ns: int = 20) -> list[dict[str, Any]]:
    """Return takes of these values, one after the other, each by a process of its own."""
    lines = []
    for place, value in enumerate(values):
        at_ns = start_ns + 10 * place
        lines += op("take", value, at_ns, at_ns + 5, process=10 + place)
    return lines


def empty_while_two_relay() -> History:
    """Nothing was found, while first one item and then, overlapping it, another was there."""
    return history_of(
        PUT_1,
        op("take", None, 10, 60, process=9),
        op("put", 2, 20, 25),
        op("take", 1, 30, 35, process=1),
        op("take", 2, 65, 70, process=2),
    )


def empty_between_two() -> History:
    """Nothing was found at the moment between one item and the next: legal."""
    return history_of(
        PUT_1,
        op("take", None, 10, 60, process=9),
        op("put", 2, 15, 20),
        op("take", 1, 20, 25, process=1),
        op("take", 2, 65, 70, process=2),
    )


def group_held_at_once() -> History:
    """Two consumers hold two items of one group; the puts were concurrent."""
    return history_of(
        op("put", 1, 0, 10, group="g"),
        op("put", 2, 0, 10, process=1, group="g"),
        op("reserve", 2, 20, 25, process=2),
        op("reserve", 1, 30, 35, process=3),
        op("done", 2, 40, 45, process=2),
        op("done", 1, 50, 55, process=3),
        drained(60, 70),
    )


def group_swapped() -> History:
    """The second item of a group is worked on before the first; they are never held at once."""
    return history_of(
        op("put", 1, 0, 5, group="g"),
        op("put", 2, 10, 15, group="g"),
        *(op(f, 2, at, at + 5, process=2) for f, at in (("reserve", 20), ("done", 30))),
        *(op(f, 1, at, at + 5, process=2) for f, at in (("reserve", 40), ("done", 50))),
        drained(60, 70),
    )


def groups_side_by_side() -> History:
    """Different groups, and the items of one group one after the other: legal."""
    return history_of(
        op("put", 1, 0, 5, group="g"),
        op("put", 2, 10, 15, group="h"),
        op("put", 3, 20, 25, group="g"),
        op("reserve", 1, 30, 35, process=2),
        op("reserve", 2, 40, 45, process=3),
        op("done", 1, 50, 55, process=2),
        op("reserve", 3, 50, 65, process=4),
        op("done", 2, 70, 75, process=3),
        op("done", 3, 70, 75, process=4),
        drained(80, 90),
    )


def ties() -> History:
    """Calls that touch in one nanosecond are concurrent, so any order of them is legal."""
    return history_of(
        op("put", 1, 0, 10),
        op("put", 2, 10, 20, process=1),
        op("take", 2, 20, 30, process=2),
        op("take", 1, 30, 40, process=3),
    )


def swapped_by_one_producer() -> History:
    """One consumer gets a producer's second item before its first."""
    return history_of(
        PUT_1,
        PUT_2,
        op("reserve", 2, 20, 25, process=1, consumer="c1"),
        op("reserve", 1, 30, 35, process=1, consumer="c1"),
    )


def batch_out_of_order() -> History:
    """A batch is delivered with its second item first."""
    return history_of(
        op("put", [1, 2], 0, 5), op("reserve", [2, 1], 10, 15, process=1, consumer="c1")
    )


def acknowledged_before_its_put() -> History:
    """An item is reserved before anybody put it."""
    return history_of(op("reserve", 1, 0, 5, process=1), op("put", 1, 10, 15))


def woken_after_death() -> History:
    """A consumer paused past its session's end reserves as if nothing had been."""
    return history_of(PUT_1, ended(1, 10), op("reserve", 1, 20, 25, process=1, consumer="c1"))


def server_that_stays_away() -> History:
    """Everything is healed, and one server does not serve again."""
    lost = note("recovered", 90, took_s=None, lost=[2], why="nodes 1 and 3 serve")
    return history_of(PUT_1, op("take", 1, 10, 15, process=1), lost, drained(95, 99))


def done_past_the_session() -> History:
    """A consumer whose session had ended acknowledges before anybody has its item."""
    return history_of(
        op("put", 1, 0, 5, zxid=10),
        op("reserve", 1, 10, 15, process=1, session="0xa", zxid=20),
        op("done", 1, 20, 25, process=1, session="0xb", zxid=40),
        note("sessions-ended", 30, node=1, zxids={"0xa": 30}, error=None),
    )


def done_by_a_sleeper() -> History:
    """A paused consumer acknowledges what meanwhile was given to another, and is believed."""
    return history_of(
        PUT_1,
        op("reserve", 1, 10, 15, process=1, consumer="c1"),
        ended(1, 20),
        returned(1, 25, 1),
        op("reserve", 1, 30, 35, process=2, consumer="c2"),
        op("done", 1, 40, 45, process=1, consumer="c1"),
    )


def urgent_waits() -> History:
    """An urgent item waits during the whole of a reserve that takes another."""
    return history_of(
        op("put", 1, 0, 5, priority=100),
        op("put", 2, 10, 15, priority=1),
        op("reserve", 1, 20, 25, process=1),
        op("reserve", 2, 30, 35, process=1),
    )


def second_generation_late() -> History:
    """A returned item keeps its place; a younger one is served before it."""
    return history_of(
        PUT_1,
        PUT_2,
        op("reserve", 1, 20, 25, process=1, consumer="c1"),
        op("release", 1, 30, 35, process=1, consumer="c1"),
        op("reserve", 2, 40, 45, process=2),
        op("reserve", 1, 50, 55, process=2),
    )


def fault(outcome: str = "installed", heal: str = "installed") -> list[dict[str, Any]]:
    """Return one kill from the first to the second second, healed."""
    told = {"id": 1, "name": "kill", "target": "leader", "nodes": [3], "evidence": {}}
    return [
        *note("kill", 1 * S, process="nemesis", phase="inject", outcome=outcome, **told),
        *note("kill", 2 * S, process="nemesis", phase="heal", outcome=heal, **told),
    ]


def put_at(value: int, at_s: float, *, outcome: str = "ok") -> list[dict[str, Any]]:
    """Return a put that takes a millisecond."""
    at_ns = int(at_s * S)
    return op("put", value, at_ns, at_ns + 1_000_000, process=value, outcome=outcome)


def slow_to_recover() -> History:
    """Nine seconds pass between a heal and the first success."""
    return history_of(
        put_at(1, 0), fault(), put_at(2, 2.5, outcome="fail"), put_at(3, 11), put_at(4, 12)
    )


def served_by_a_minority() -> History:
    """Puts succeed while no majority can be reached."""
    return history_of(fault(), *(put_at(n, 0.95 + n / 10) for n in range(1, 12)))


def toothless() -> History:
    """The planned fault was never installed."""
    return history_of(put_at(1, 0), fault(outcome="indeterminate"), put_at(2, 3))


def unhealed() -> History:
    """A fault's heal failed."""
    return history_of(put_at(1, 0), fault(heal="indeterminate"), put_at(2, 3))


def damaged(given: list[dict[str, Any]] | None = None) -> History:
    """A run whose file has a line that is no event, as a full disk leaves it."""
    lines = given or events(PUT_1, op("take", 1, 10, 15, process=1), drained(20, 30))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "history.jsonl"
        path.write_text("{]\n" + "".join(json.dumps(line) + "\n" for line in lines))
        return History.load(path)
