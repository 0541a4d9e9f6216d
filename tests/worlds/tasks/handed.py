"""What tasks of one simulated process have in hand, and what they were told."""

import asyncio
from dataclasses import dataclass, field

from worlds.memory.store import MemoryStore
from worlds.sim.scheduler import Actor
from zkmq.aio import AsyncItem


@dataclass(eq=False, slots=True)
class Told:
    """What a task was told about one payload that it wanted to put; None if nothing certain."""

    data: bytes
    is_put: bool | None = None


@dataclass(eq=False, slots=True)
class Got:
    """One item in the hands of a task, and what was told about its end."""

    item: AsyncItem
    path: str
    delivery: int
    # Whether `done` was called for it, and what was told: True, False, or nothing certain.
    asked: bool = False
    is_done: bool | None = None
    # Whether the task has nothing to do with it any more.
    is_left: bool = False
    # Whether a handler has ended, which no loss concerns.
    is_over: bool = False


@dataclass(eq=False, slots=True)
class SimProcess:
    """One process: a session, a queue, an event loop and its tasks."""

    name: str
    store: MemoryStore
    actors: list[Actor] = field(default_factory=list)
    tasks: list["asyncio.Task[None]"] = field(default_factory=list)
    got: list[Got] = field(default_factory=list)
    in_hand: set[int] = field(default_factory=set)
    # The limits of calls that are under way, as a set.
    limits: dict[asyncio.Timeout, None] = field(default_factory=dict)
    was_killed: bool = False
    is_over: bool = False
