"""One thread of a wire fuzz: it puts, takes and ends, and notes what its calls told it."""

import signal
import time
from collections.abc import Callable, Sequence
from random import Random
from typing import TypeVar

from worlds.crash_points.checks import Ended, Outcome, Reason
from worlds.sim.actors import PutCall
from worlds.wire.plan import SIGNALLED, Trouble
from worlds.wire.process import AlarmError, AlarmExit, Process, claim, forked
from zkmq import Item, Queue
from zkmq.doubt import Settled
from zkmq.errors import (
    IncompatibleTreeError,
    NotAppliedError,
    NotHeldError,
    OutcomeUnknownError,
    PartlyPutError,
    ZkmqError,
)
from zkmq.putting.entry import Entry
from zkmq.tree.item import Hold

ALARM_RATE = 0.2
FORK_RATE = 0.04
REOPEN_RATE = 0.03
AIMED_RATE = 0.5
MEAN_ALARM_S = 0.004
ASKED_AGAIN = 20
LATER_S = 0.2
TTR_S = 1.0
Answer = TypeVar("Answer")


class InterruptedCallError(Exception):
    """A signal's handler raised in the middle of a call."""


class Hand:
    """One thread. Number 0 is the process's main one."""

    def __init__(self, process: Process, number: int) -> None:
        self.name = f"{process.role.index}-{number}"
        self._process = process
        self._role = process.role
        self._main = number == 0
        self._rng = Random(f"{process.role.seed}-{self.name}")
        self._serial = 0
        self._held: list[Item] = []
        # Claims of which an acknowledgement may have taken effect.
        self._doubtful: set[str] = set()

    def run(self) -> None:
        """Step by step; whatever is no ZkmqError is a finding."""
        try:
            for _ in range(self._role.steps):
                self._step(self._process.queue())
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is a finding
            self._note(Reason.UNTYPED, f"{self.name}: {error!r}")

    def _step(self, queue: Queue) -> None:
        rng, troubles = self._rng, self._role.troubles
        if self._main and Trouble.FORKS in troubles and rng.random() < FORK_RATE:
            self._tell("struck", Trouble.FORKS)
            self._fork(queue)
        elif Trouble.REOPENS in troubles and rng.random() < REOPEN_RATE:
            self._tell("struck", Trouble.REOPENS)
            self._try(self._process.reopen)
            self._held = []
        elif rng.random() < 0.5:
            self._put(queue)
        else:
            self._take(queue)

    # Putting

    def _put(self, queue: Queue) -> None:
        rng = self._rng
        count, batch = rng.choice([1, 1, 1, 2, 6, 12]), rng.choice([1, 4, 500])
        delay_s = LATER_S if rng.random() < 0.1 else 0.0
        dedup_id = f"id-{rng.randrange(40)}" if count == 1 and rng.random() < 0.1 else None
        priority = rng.choice([100, 100, 100, 50])
        payloads = self._payloads(count)
        entries = [
            Entry(
                data=payload,
                priority=priority,
                delay_s=delay_s,
                ttr_s=TTR_S if rng.random() < 0.1 else None,
                dedup_id=dedup_id,
            )
            for payload in payloads
        ]
        call = f"{self.name}-{self._serial}"
        several = batch if batch < count else 0
        put_call = PutCall(payloads, time.monotonic(), several, bool(delay_s), dedup_id)
        self._tell("put", call, put_call)
        outcome = Outcome(Ended.OK)
        try:
            allowed_s = self._role.deadline_s * -(-count // batch)
            put = self._call("put", lambda: queue.put_many(entries, batch=batch), allowed_s)
            put_call.duplicate = put[0].duplicate
        except ZkmqError as error:
            outcome = self._outcome(error)
        except InterruptedCallError:
            outcome = Outcome(Ended.UNKNOWN)
        put_call.outcome, put_call.ended_s = outcome, time.monotonic()
        self._tell("put", call, put_call)
        self._calm(outcome.ended)

    def _payloads(self, count: int) -> tuple[bytes, ...]:
        self._serial += 1
        return tuple(f"{self.name}-{self._serial}-{i}".encode() for i in range(count))

    def _outcome(self, error: ZkmqError) -> Outcome:
        """What an error tells; an unknown outcome is asked for until it is answered."""
        unknown = not isinstance(error, NotAppliedError | PartlyPutError)
        outcome = Outcome(Ended.UNKNOWN if unknown else Ended.FAIL)
        outcome.applied = len(getattr(error, "applied", ()))
        resolve = getattr(error, "resolve", None)
        for _ in range(ASKED_AGAIN if unknown and resolve is not None else 0):
            try:
                settled = self._call("resolve", resolve, self._role.deadline_s, alarmed=False)
            except OutcomeUnknownError:
                continue
            except ZkmqError:
                break
            each = (settled,) if isinstance(settled, Settled) else settled
            outcome.settled = tuple(one.took_effect for one in each)
            break
        return outcome

    # Taking

    def _take(self, queue: Queue) -> None:
        rng, role = self._rng, self._role
        fused = self._held if rng.random() < 0.5 else []
        kept = [] if fused else self._held
        timeout_s = rng.choice([0.0, 0.0, 0.1])
        sync = rng.random() < 0.3

        def reserve() -> tuple[Item, ...]:
            return queue.reserve(
                rng.randint(1, 6), timeout_s=timeout_s, done=fused, sync=sync
            ).items

        began_s = time.monotonic()
        found = self._ending(fused, "reserve", reserve, role.deadline_s + timeout_s)
        if found:
            self._tell("took", [claim(item)[1] for item in found], began_s, time.monotonic())
        self._held = [*kept, *self._still(fused), *(found or ())]
        if self._held and rng.random() < 0.8:
            self._end(queue, self._held)

    def _end(self, queue: Queue, items: list[Item]) -> None:
        rng, allowed_s = self._rng, self._role.deadline_s
        if rng.random() < 0.1:
            time.sleep(rng.choice([0.05, TTR_S * 1.2]))
        calls: dict[str, Callable[[], object]] = {
            "done": lambda: queue.done(*items),
            "release": lambda: queue.release(*items),
            "later": lambda: queue.release(*items, delay_s=LATER_S),
            "back": lambda: queue.release(*items, to="back"),
            "bury": lambda: queue.bury(*items, reason="the fuzz says so"),
            "touch": lambda: queue.touch(*items),
        }
        what = rng.choices(list(calls), [12, 2, 1, 1, 1, 1])[0]
        if what == "done":
            self._ending(items, what, calls[what], allowed_s)
        else:
            self._try(lambda: self._call(what, calls[what], allowed_s))
        self._held = self._still(items)

    def _ending(
        self, items: Sequence[Item], what: str, act: Callable[[], Answer], allowed_s: float
    ) -> Answer | None:
        """Acknowledge items, and tell what is known of it before and afterwards."""
        claims = {path: item for item, path in map(claim, items)}
        if claims:
            self._tell("doubted", self.name, claims)
        try:
            return self._call(what, act, allowed_s)
        except (ZkmqError, InterruptedCallError) as error:
            if type(error) is NotHeldError:
                lost = {item.name for item in items if item.hold is Hold.LOST}
                self._tell("denied", {p: each for p, each in claims.items() if each.name in lost})
            if getattr(error, "definite", False):
                # What an earlier call left in doubt, this one does not settle.
                undone = [path for path in claims if path not in self._doubtful]
                self._tell("undone", self.name, undone)
            else:
                self._doubtful.update(claims)
            self._calm(Ended.UNKNOWN)
        finally:
            done = {claim(item)[1] for item in items if item.hold is Hold.DONE}
            if done:
                self._tell("done", {path: claims[path] for path in done})
        return None

    def _still(self, items: Sequence[Item]) -> list[Item]:
        return [item for item in items if item.hold is Hold.HELD]

    # All calls

    def _call(
        self, what: str, act: Callable[[], Answer], allowed_s: float, *, alarmed: bool = True
    ) -> Answer:
        alarm = alarmed and self._main and SIGNALLED & self._role.troubles
        if not alarm or self._rng.random() > ALARM_RATE:
            return self._timed(what, act, allowed_s)
        aimed = self._process.alarm.aimed = self._rng.random() < AIMED_RATE
        mean_s = MEAN_ALARM_S / 10 if aimed else MEAN_ALARM_S
        try:
            self._process.alarm.armed = True
            signal.setitimer(signal.ITIMER_REAL, self._rng.expovariate(1 / mean_s) + 1e-4)
            try:
                answer = act()
            finally:
                self._process.alarm.armed = False
                signal.setitimer(signal.ITIMER_REAL, 0)
        except (AlarmError, AlarmExit) as alarm_rang:
            for trouble in SIGNALLED & self._role.troubles:
                self._tell("struck", trouble)
            raise InterruptedCallError from alarm_rang
        return answer

    def _timed(self, what: str, act: Callable[[], Answer], allowed_s: float) -> Answer:
        try:
            return self._process.timed(what, act, allowed_s)
        except IncompatibleTreeError as error:
            # The tree is a queue's, so this client is of no use any more.
            self._note(Reason.WEDGED, f"{self.name}: {what}: {error!r}")
            raise

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except (ZkmqError, InterruptedCallError):
            self._calm(Ended.UNKNOWN)

    def _calm(self, ended: Ended) -> None:
        """After trouble, do not spend all steps at once."""
        if ended is not Ended.OK:
            time.sleep(self._rng.uniform(0.0, 0.1))

    def _fork(self, queue: Queue) -> None:
        (payload,) = self._payloads(1)
        call = f"{self.name}-{self._serial}"
        put_call = PutCall((payload,), time.monotonic(), outcome=Outcome(Ended.FAIL))
        self._tell("put", call, put_call)
        wrong = forked(queue, payload)
        if wrong:
            self._note(Reason.WEDGED, wrong)

    def _note(self, reason: Reason, detail: str) -> None:
        self._tell("trouble", reason, detail)

    def _tell(self, *message: object) -> None:
        self._process.tell(*message)
