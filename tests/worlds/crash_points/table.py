"""Every operation of the queue as a row; a new operation is a new row."""

from collections.abc import Callable
from typing import Any

from worlds.crash_points.client import Client
from worlds.crash_points.operation import DEAD, DELAYED, NOWHERE, PARTIAL, QUEUE, Operation, Other
from worlds.sim.editions import FeaturedQueue
from zkmq.doubt import Doubt, Write
from zkmq.queue import Queue

A, B, C, NEW, MORE = b"a", b"b", b"c", b"new", b"more"
FIRST_ID = "item-100-0000000000-0000000000"
MANY = tuple(f"n{number}".encode() for number in range(6))
FAR_S, SOON_S = 3600.0, 0.001
TTR_S = 600.0
KEY = "an application's id"


def _put(*payloads: bytes, **options: Any) -> Callable[[Other], None]:
    return lambda other: other.put(*payloads, **options)


def _open(client: Client) -> None:
    _ = client.queue


def _open_as_the_next_release(client: Client) -> None:
    client.release = FeaturedQueue
    _open(client)


def _warm(client: Client) -> None:
    """Make a client that has put and reserved before."""
    client.queue.put(MORE, priority=900)
    found = client.queue.reserve(sync=True)
    client.queue.release(*found.items)
    client.queue._consumer.reserver.cache.drop()


def _hold(count: int) -> Callable[[Client], None]:
    def ready(client: Client) -> None:
        client.held = list(client.queue.reserve(count, sync=True).items)
        assert len(client.held) == count

    return ready


def _hold_of_a_dropped_segment(client: Client) -> None:
    _hold(2)(client)
    found = client.queue.reserve(sync=True)  # a consumer's look removes drained segments
    client.queue.release(*found.items)


def _fill_the_tail(client: Client) -> None:
    """Make a client that knows that the next put needs a new segment."""
    client.queue.put(MORE)


def _roll_twice(other: Other) -> None:
    """Move the tail on twice, and drain and drop what was before."""
    other.put(*(f"x{number}".encode() for number in range(5)))
    other.consume(7)
    other.take_and_return()  # a consumer's look removes drained segments


def _bury_one(other: Other) -> None:
    other.put(A, B)
    other.queue.bury(*other.take(1), reason="on purpose")


def _bury_beside_another_queue(other: Other) -> None:
    _bury_one(other)
    Queue(other.queue._store, _beside(other.root), janitor=False)


def _beside(root: str) -> str:
    return f"{root}-beside"


def _die_holding(other: Other) -> None:
    other.put(A, B, C)
    other.die_holding(2)


def _hold_too_long(other: Other) -> None:
    other.put(A, B, ttr_s=SOON_S)
    other.take(1)


def _purge(other: Other) -> None:
    other.put(A, B)
    other.queue.purge()
    other.put(C)


def _doubt(client: Client) -> None:
    """Make a client in doubt about a put that was never sent."""
    client.queue.put(MORE)
    producer = client.queue._puts.producer
    assert producer._producer_ticket.current is not None
    write = Write("put")
    producer._producer_ticket.current.be_in_doubt([write])
    producer.doubt = Doubt([write], producer._ask)


def _resolve(client: Client) -> None:
    settled = client.queue.resolve()
    assert [each.took_effect for each in settled] == [False], settled


def _put_new(**options: Any) -> Callable[[Client], Any]:
    return lambda client: client.queue.put(NEW, **options)


def _reserve(n: int, **options: Any) -> Callable[[Client], Any]:
    return lambda client: client.queue.reserve(n, **options)


ABSENT = {NEW: NOWHERE}
PUT: dict[str, Any] = {"prepare": _put(A), "ready": _open, "adds": (NEW,), "before": ABSENT}
HOLD: dict[str, Any] = {"prepare": _put(A, B), "ready": _hold(1)}

ROWS = [
    Operation(name="open", call=_open, prepare=_put(A)),
    Operation(name="put", call=_put_new(), **PUT),
    Operation(name="put-warm", call=_put_new(), **PUT | {"ready": _warm, "adds": (MORE, NEW)}),
    Operation(name="put-first", call=_put_new(priority=7), **PUT | {"prepare": _put(A)}),
    Operation(
        name="put-roll",
        call=_put_new(),
        prepare=_put(A, B),
        ready=_fill_the_tail,
        meanwhile=_roll_twice,
        adds=(MORE, NEW),
        before=ABSENT,
        segment_items=3,
    ),
    Operation(
        name="put-dedup",
        call=_put_new(dedup_id=KEY),
        prepare=_put(A),
        ready=_open,
        probe=_put(NEW, dedup_id=KEY),
        adds=(NEW,),
    ),
    Operation(name="put-delayed", call=_put_new(delay_s=FAR_S), **PUT, after={NEW: DELAYED}),
    Operation(name="put-ttr", call=_put_new(ttr_s=TTR_S), **PUT),
    Operation(name="put-bounded", call=_put_new(), **PUT, settings={"max_items": 100}),
    Operation(
        name="put-many",
        call=lambda client: client.queue.put_many(MANY, batch=2),
        prepare=_put(A),
        ready=_open,
        adds=MANY,
        before=dict.fromkeys(MANY, NOWHERE),
        write_size=2,
    ),
    Operation(
        name="put-many-roll",
        call=lambda client: client.queue.put_many(MANY[:4], batch=1),
        prepare=_put(A),
        ready=_open,
        adds=MANY[:4],
        before=dict.fromkeys(MANY[:4], NOWHERE),
        write_size=1,
        segment_items=2,
    ),
    Operation(name="resolve", call=_resolve, ready=_doubt, adds=(MORE,)),
    Operation(name="reserve", call=_reserve(2), prepare=_put(A, B, C), ready=_open),
    Operation(name="reserve-warm", call=_reserve(2), prepare=_put(A, B), ready=_warm, adds=(MORE,)),
    Operation(name="reserve-sync", call=_reserve(1, sync=True), prepare=_put(A), ready=_open),
    Operation(
        name="reserve-relaxed",
        call=_reserve(1),
        prepare=_put(A, B),
        ready=_open,
        settings={"order": "relaxed"},
    ),
    Operation(name="reserve-empty", call=_reserve(1), ready=_open),
    Operation(name="reserve-wait", call=_reserve(1, timeout_s=0.03), ready=_open),
    Operation(
        name="reserve-partial",
        call=_reserve(1),
        prepare=_put(A, B),
        ready=_open,
        before={A: f"{QUEUE} or {PARTIAL}"},
        after={A: f"{QUEUE} or {PARTIAL}"},
        settings={"on_crash": "partial"},
    ),
    Operation(
        name="done",
        call=lambda client: client.queue.done(*client.held),
        **HOLD,
        after={A: NOWHERE},
    ),
    Operation(
        name="done-two",
        call=lambda client: client.queue.done(*client.held),
        prepare=_put(A, B, C),
        ready=_hold(2),
        after={A: NOWHERE, B: NOWHERE},
    ),
    Operation(
        name="fused",
        call=lambda client: client.queue.reserve(1, done=client.held),
        **HOLD,
        after={A: NOWHERE},
    ),
    Operation(
        name="fused-group",
        call=lambda client: client.queue.reserve(1, done=client.held),
        prepare=_put(A, B, group="g"),
        ready=_hold(1),
        after={A: NOWHERE},
    ),
    Operation(name="release", call=lambda client: client.queue.release(*client.held), **HOLD),
    Operation(
        name="release-back",
        call=lambda client: client.queue.release(*client.held, to="back"),
        **HOLD,
        renames=True,
    ),
    Operation(
        name="release-delayed",
        call=lambda client: client.queue.release(*client.held, delay_s=FAR_S),
        **HOLD,
        after={A: DELAYED},
    ),
    Operation(
        name="release-dropped",
        call=lambda client: client.queue.release(*client.held),
        prepare=_put(A, B, C),
        ready=_hold_of_a_dropped_segment,
        segment_items=2,
    ),
    Operation(
        name="release-last",
        call=lambda client: client.queue.release(*client.held),
        **HOLD,
        before={A: f"{DEAD} or {QUEUE}"},
        after={A: DEAD},
        settings={"max_deliveries": 1},
    ),
    Operation(name="touch", call=lambda client: client.queue.touch(*client.held), **HOLD),
    Operation(
        name="bury",
        call=lambda client: client.queue.bury(*client.held, reason="on purpose"),
        **HOLD,
        after={A: DEAD},
    ),
    Operation(
        name="kick",
        call=lambda client: client.queue.kick(1),
        prepare=_bury_one,
        ready=_open,
        before={A: DEAD},
    ),
    Operation(
        name="redrive",
        call=lambda client: client.queue.redrive(_beside(client.queue._tree.root)),
        prepare=_bury_beside_another_queue,
        ready=_open,
        before={A: DEAD},
        after={A: NOWHERE},
    ),
    Operation(
        name="delete",
        call=lambda client: client.queue.delete(FIRST_ID),
        prepare=_put(A, B),
        ready=_open,
        after={A: f"{QUEUE} or {NOWHERE}"},
    ),
    Operation(
        name="peek", call=lambda client: client.queue.peek(2), prepare=_put(A, B), ready=_open
    ),
    Operation(name="stats", call=lambda client: client.queue.stats(), prepare=_put(A), ready=_open),
    Operation(
        name="purge",
        call=lambda client: client.queue.purge(),
        prepare=_put(A, B),
        ready=_open,
        meanwhile=lambda other: other.put(C),
        after={A: NOWHERE, B: NOWHERE, C: f"{QUEUE} or {NOWHERE}"},
    ),
    Operation(
        name="upgrade",
        call=lambda client: client.queue.upgrade(force=True),
        prepare=_put(A),
        ready=_open_as_the_next_release,
    ),
    Operation(name="close", call=Client.close, prepare=_put(A, B), ready=_hold(2)),
    Operation(
        name="janitor-reap",
        call=Client.tidy,
        prepare=_die_holding,
        ready=_open,
        meanwhile=Other.reap,
    ),
    Operation(name="janitor-overdue", call=Client.tidy, prepare=_hold_too_long, ready=_open),
    Operation(
        name="janitor-due",
        call=Client.tidy,
        prepare=_put(A, B, delay_s=SOON_S),
        ready=_open,
        renames=True,
    ),
    Operation(
        name="janitor-sweep",
        call=Client.tidy,
        prepare=_purge,
        ready=_open,
        before={A: NOWHERE, B: NOWHERE},
        after={A: NOWHERE, B: NOWHERE},
    ),
]
OPERATIONS = {row.name: row for row in ROWS}
