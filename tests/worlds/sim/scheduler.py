"""Virtual time and cooperative actors: one thread runs at a time, and a seed decides the order.

An actor is ordinary blocking code on a thread of its own. Whoever blocks runs the event loop
itself until an event wakes somebody, and hands over only if that is another: with one actor, or
in a plain test, no thread ever changes.
"""

import heapq
import random
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

STARTS_AT_S = 1000.0


class DeadlockError(Exception):
    """Nobody can run: no event is left, and every actor waits."""


class ActorKilled(BaseException):
    """Raised inside an actor whose process the simulation kills."""


@dataclass(eq=False)
class Flag:
    """Something an actor can wait for; set at most until the waiter clears it."""

    is_set: bool = False
    waiters: "list[Actor]" = field(default_factory=list)


@dataclass(eq=False)
class Actor:
    """One thread of control."""

    name: str
    turn: threading.Lock = field(default_factory=threading.Lock)
    killed: bool = False
    finished: bool = False
    error: BaseException | None = None
    # How often it was let run: what was meant for an earlier wait does not end a later one.
    turns: int = 0

    def __post_init__(self) -> None:
        self.turn.acquire()


class Scheduler:
    """The clock, the events and the actors of one simulated world."""

    def __init__(self, seed: int = 0, *, max_events: int = 1_000_000) -> None:
        self.rng = random.Random(seed)
        self.now_s = STARTS_AT_S
        self.events = 0
        self._max_events = max_events
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = 0
        self._main = Actor("main")
        self._running = self._main
        self._runnable: deque[tuple[Actor, int]] = deque()
        self._failure: DeadlockError | None = None
        self.actors: list[Actor] = []

    def after(self, delay_s: float, event: Callable[[], None]) -> None:
        """Let something happen later."""
        self._sequence += 1
        heapq.heappush(self._heap, (self.now_s + delay_s, self._sequence, event))

    def spawn(self, name: str, body: Callable[[], None]) -> Actor:
        """Start an actor; it first runs when somebody blocks."""
        actor = Actor(name)
        self.actors.append(actor)

        def run() -> None:
            actor.turn.acquire()
            try:
                if not actor.killed:
                    body()
            except ActorKilled:
                pass  # `kill` asked for it: a killed process reports nothing
            except BaseException as error:  # noqa: BLE001 - `join` raises it again
                actor.error = error
            actor.finished = True
            try:
                successor = self._next_to_run()
            except DeadlockError as error:
                self._failure, successor = error, self._main
            self._hand_over(successor)

        threading.Thread(target=run, name=name, daemon=True).start()
        self.after(0.0, lambda: self._ready(actor, 0))
        return actor

    def kill(self, actor: Actor) -> None:
        """Let an actor die where it waits, as a killed process does."""
        if not actor.finished:
            actor.killed = True
            self.after(0.0, lambda: self._ready(actor, actor.turns))

    def wait(self, flag: Flag, until_s: float) -> bool:
        """Block the calling actor until the flag is set or that time; tell which."""
        me = self._running
        if not flag.is_set and until_s > self.now_s:
            flag.waiters.append(me)
            turn = me.turns
            if until_s < float("inf"):
                self.after(until_s - self.now_s, lambda: self._ready(me, turn))
            try:
                self._block(me)
            finally:
                flag.waiters.remove(me)
        return flag.is_set

    def set(self, flag: Flag) -> None:
        """Set a flag and let its waiters run."""
        flag.is_set = True
        for waiter in flag.waiters:
            self._ready(waiter, waiter.turns)

    def sleep(self, seconds: float) -> None:
        """Block the calling actor for that long."""
        self.wait(Flag(), self.now_s + seconds)

    def join(self, until_s: float = float("inf")) -> None:
        """Run until every actor has finished, and raise what one of them raised."""
        while not all(actor.finished for actor in self.actors):
            if self.now_s >= until_s:
                stuck = [actor.name for actor in self.actors if not actor.finished]
                raise DeadlockError(f"still running at {until_s} s: {stuck}")
            self.sleep(0.5)
        for actor in self.actors:
            if actor.error is not None:
                raise actor.error

    def stop(self) -> None:
        """Kill every actor, so that no thread outlives the world, whatever it has used up."""
        self.events = 0
        for actor in self.actors:
            self.kill(actor)
        while not all(actor.finished for actor in self.actors):
            self.sleep(0.5)

    def _ready(self, actor: Actor, turn: int) -> None:
        """Let an actor run, if it still waits in that turn."""
        if actor.turns == turn:
            self._runnable.append((actor, turn))

    def _block(self, me: Actor) -> None:
        other = self._next_to_run()
        if other is not me:
            self._hand_over(other)
            me.turn.acquire()
        if me is self._main and self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        if me.killed:
            raise ActorKilled(me.name)

    def _next_to_run(self) -> Actor:
        """Run events until one lets an actor run."""
        while True:
            while self._runnable:
                actor, turn = self._runnable.popleft()
                if actor.turns == turn and not actor.finished:
                    actor.turns += 1
                    return actor
            if not self._heap:
                raise DeadlockError("no event left")
            self.events += 1
            if self.events > self._max_events:
                raise DeadlockError(f"more than {self._max_events} events")
            self.now_s, _, event = heapq.heappop(self._heap)
            event()

    def _hand_over(self, actor: Actor) -> None:
        self._running = actor
        actor.turn.release()
