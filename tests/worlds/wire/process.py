"""One process of a wire fuzz: threads that share one queue, and tell what became of each call.

Everything is told as it happens, through a pipe: a process may be killed at any moment.
"""

import faulthandler
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from random import Random
from types import FrameType
from typing import Any, TypeVar

from worlds.wire.plan import Role, Trouble
from worlds.wire.starvation import Starvation
from zkmq import Item, Queue
from zkmq.errors import ZkmqError
from zkmq.tree.ticket import Ticket
from zkmq.zookeeper import signals

ROOT = "/q"
SEGMENT_ITEMS = 5
FORK_HANGS_S = 30
# Upon this signal a process writes to standard error where each of its threads is.
SAYS_WHERE = signal.SIGUSR1
COMES_BACK_S = 0.0005
Answer = TypeVar("Answer")


class AlarmError(Exception):
    """What the handler of a signal raises, as job time limits do."""


class AlarmExit(BaseException):
    """The same, past every `except Exception`."""


@dataclass(frozen=True, slots=True)
class Called:
    """How long one call took, and how much of that the machine kept processes from running."""

    what: str
    took_s: float
    allowed_s: float
    starved_s: float
    error: str | None


class Process:
    """What the threads of one process share."""

    def __init__(self, role: Role, told: Connection) -> None:
        self.role = role
        self.starvation = Starvation()
        self.alarm = Alarm(anywhere=Trouble.ANYWHERE in role.troubles)
        self._told = told
        self._telling = threading.Lock()
        self._opening = threading.Lock()
        self._queue: Queue | None = None

    def tell(self, *message: Any) -> None:
        """Say something to the judge."""
        with self._telling:
            self._told.send(message)

    def await_word(self) -> None:
        """Wait until the judge says something."""
        self._told.recv()

    def queue(self) -> Queue:
        """The queue, opened if need be: trouble ends, and then it can be."""
        with self._opening:
            while self._queue is None:
                with suppress(ZkmqError):
                    self._queue = self.timed("connect", self._connect, self.role.deadline_s * 2)
            return self._queue

    def reopen(self) -> None:
        """Close the queue, whoever is using it."""
        with self._opening:
            queue, self._queue = self._queue, None
        if queue is not None:
            self.tell("leaving", time.monotonic())
            self.timed("close", queue.close, self.role.deadline_s)

    def timed(self, what: str, act: Callable[[], Answer], allowed_s: float) -> Answer:
        """Do one call, and tell how long it took."""
        began_s, error = time.monotonic(), None
        try:
            return act()
        except BaseException as raised:
            error = type(raised).__name__
            raise
        finally:
            took_s = time.monotonic() - began_s
            self.tell(
                "called", Called(what, took_s, allowed_s, self.starvation.since(began_s), error)
            )

    def _connect(self) -> Queue:
        role = self.role
        return Queue.connect(
            role.hosts,
            ROOT,
            connection={
                "session_timeout_s": role.session_timeout_s,
                "connect_timeout_s": role.deadline_s,
            },
            deadline_s=role.deadline_s,
            segment_items=SEGMENT_ITEMS,
            order=role.order,
            lost=self._lost,
            label=f"process {role.index}",
        )

    def _lost(self, consumer: str, items: Sequence[Item]) -> None:
        now_s = time.monotonic()
        starved_s = self.starvation.since(now_s - self.role.session_timeout_s * 2)
        paths = [claim_path(consumer, item.name) for item in items]
        self.tell("lost", paths, now_s - starved_s)


def claim(item: Item) -> tuple[Item, str]:
    """What the judge has to know of an item, and where it stood while it was held."""
    known = Item(
        item.data, item.name, item.consumer, item.delivery, item.fence, item.put_zxid, header={}
    )
    return known, claim_path(item.consumer, item.name)


def claim_path(consumer: str, name: str) -> str:
    """Where an item stands while it is held."""
    return f"{ROOT}/consumers/{consumer}/item/{name}"


def live(role: Role, told: Connection) -> None:
    """Do what the role says; the process's main function."""
    from worlds.wire.mutants import applied  # noqa: PLC0415 - nobody else needs it

    faulthandler.register(SAYS_WHERE)
    with applied(role.mutant):
        _work(Process(role, told))


def _work(process: Process) -> None:
    from worlds.wire.hand import Hand  # noqa: PLC0415 - it imports this

    role = process.role
    hands = [Hand(process, number) for number in range(role.threads + 1)]
    threads = [threading.Thread(target=hand.run, name=hand.name) for hand in hands[1:]]
    signal.signal(signal.SIGALRM, process.alarm)
    for thread in threads:
        thread.start()
    hands[0].run()
    for thread in threads:
        thread.join()
    process.tell("idle")
    if role.stays:
        process.queue()
        process.await_word()
    process.reopen()
    process.tell("bye")


class Alarm:
    """The handler of a signal, which raises: out of a wait, or at once, wherever it comes.

    Attributes:
        armed: whether a call is under way. A signal that is still pending when the call has ended
            must neither raise nor set the timer again.
        aimed: whether it waits for a wait in which a write may be on its way.
    """

    def __init__(self, *, anywhere: bool) -> None:
        self.armed = self.aimed = False
        self._anywhere = anywhere
        self._rng = Random()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Raise, or come back a little later."""
        if not self.armed:
            return
        if not self._anywhere and not (_waits(frame) and (not self.aimed or _writes(frame))):
            signal.setitimer(signal.ITIMER_REAL, COMES_BACK_S)
            return
        raise self._rng.choice([AlarmError, AlarmExit])("the time is over")


def _waits(frame: FrameType | None) -> bool:
    """Whether it came within a wait for a lock, an event, or an answer."""
    return frame is not None and frame.f_code is signals._get.__code__


def _writes(frame: FrameType | None) -> bool:
    """Whether it came within a ticket's write."""
    while frame is not None and frame.f_code is not Ticket._commit.__code__:
        frame = frame.f_back
    return frame is not None


def forked(queue: Queue, payload: bytes) -> str:
    """Fork, and use the queue in the child; say what is wrong with what came of it, or nothing."""
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(FORK_HANGS_S)
        status = 1
        with suppress(BaseException):
            status = _refused(queue, payload)
        os._exit(status)
    _, ended = os.waitpid(child, 0)
    if os.WIFSIGNALED(ended):
        return f"a forked child's put did not end in {FORK_HANGS_S} s"
    status = os.WEXITSTATUS(ended)
    return ("", "a forked child's put raised no ZkmqError", "a forked child's put returned")[status]


def _refused(queue: Queue, payload: bytes) -> int:
    try:
        queue.put(payload)
    except ZkmqError:
        return 0
    return 2
