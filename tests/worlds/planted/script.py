"""One script of calls that every planted queue serves, and the history its clients see.

The calls follow one another, so that what a queue did wrong is certain from the outside.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from harness.history.columns import History
from worlds.histories.by_hand import drained, ended, op, returned
from worlds.histories.by_hand import history as history_of
from worlds.planted.queues import NORMAL, REFUSED, Correct

URGENT = 1
_LONGEST_DRAIN = 40


@dataclass(slots=True)
class _Script:
    """Calls one after the other, ten nanoseconds apart, and what the queue answered."""

    queue: Correct
    now_ns: int = 0
    zxid: int = 0
    parts: list[list[dict[str, Any]]] = field(default_factory=list)

    def call(
        self, f: str, process: int, value: int | None, *, ok: bool = True, **more: int | str
    ) -> None:
        outcome = "ok" if ok else "fail"
        if f == "reserve" and value is None:
            more["read_zxid"] = self.zxid
        elif ok:
            more["zxid"] = self.commit()
        self.parts.append(
            op(f, value, self.now_ns, self.now_ns + 5, process=process, outcome=outcome, **more)
        )
        self.now_ns += 10

    def commit(self) -> int:
        self.zxid += 1
        return self.zxid

    def put(self, process: int, value: int, priority: int = NORMAL) -> None:
        taken = self.queue.put(value, priority)
        self.call("put", process, value, ok=taken, priority=priority)

    def reserve(self, process: int) -> int | None:
        value = self.queue.reserve(process)
        self.call("reserve", process, value, consumer=f"c{process}")
        return value

    def done(self, process: int, value: int | None) -> None:
        if value is not None:
            self.call(
                "done", process, value, ok=self.queue.done(process, value), consumer=f"c{process}"
            )

    def release(self, process: int, value: int | None) -> None:
        if value is not None:
            released = self.queue.release(process, value)
            self.call("release", process, value, ok=released, consumer=f"c{process}")

    def drain(self) -> None:
        begin_ns = self.now_ns
        for _ in range(_LONGEST_DRAIN):
            value = self.reserve(20)
            if value is None:
                break
            self.done(20, value)
        self.now_ns += 10
        self.parts.append(drained(begin_ns, self.now_ns))


def served(queue: Correct) -> History:
    """Serve the script with a queue, and return the history that its clients saw.

    Two producers; two consumers, of which one releases an item, is slow and acknowledges twice, and
    the other dies with two items and acknowledges one of them afterwards; a change of leader; a
    drain by a third.
    """
    script = _Script(queue)
    for value in range(1, 9):
        script.put(0 if value != 7 else 1, value)
    first = script.reserve(10)
    script.done(10, first)
    script.release(10, script.reserve(10))
    slow = script.reserve(10)
    mine = [script.reserve(11), script.reserve(11)]
    script.done(12, slow)
    script.put(0, 9, priority=URGENT)
    script.put(1, 10, priority=20)
    script.put(1, REFUSED)
    queue.elect()
    script.done(11, script.reserve(11))
    died_ns = script.now_ns
    queue.end(11)
    script.parts.append(ended(11, died_ns))
    script.parts.append(list(_returned(died_ns + 1, mine, script.commit())))
    script.now_ns += 10
    script.done(11, mine[0])
    script.done(10, slow)
    script.done(10, slow)
    script.drain()
    return history_of(*script.parts)


def _returned(at_ns: int, values: list[int | None], zxid: int) -> Iterator[dict[str, Any]]:
    yield from returned(11, at_ns, *(value for value in values if value is not None), zxid=zxid)
