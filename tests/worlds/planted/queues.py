"""Queues in memory, each but the first with one bug; worlds.planted.script is what they serve."""

from dataclasses import dataclass, field

NORMAL = 100
REFUSED = 99  # the value of which each queue is told that its put must fail


@dataclass(slots=True)
class Item:
    """One item in the queue, and who holds it."""

    value: int
    priority: int = NORMAL
    holder: int | None = None


@dataclass(slots=True)
class Correct:
    """A queue that does all it promises; the bugs are its subclasses."""

    items: list[Item] = field(default_factory=list)
    gone: set[int] = field(default_factory=set)

    def put(self, value: int, priority: int) -> bool:
        if value == REFUSED:
            return False
        self.items.append(Item(value, priority))
        return True

    def available(self) -> list[Item]:
        return sorted((i for i in self.items if i.holder is None), key=lambda item: item.priority)

    def reserve(self, consumer: int) -> int | None:
        free = self.available()
        if not free:
            return None
        free[0].holder = consumer
        return free[0].value

    def held(self, consumer: int, value: int) -> Item | None:
        mine = (i for i in self.items if (i.value, i.holder) == (value, consumer))
        return next(mine, None)

    def done(self, consumer: int, value: int) -> bool:
        item = self.held(consumer, value)
        if item is None:
            return False
        self.items.remove(item)
        return True

    def release(self, consumer: int, value: int) -> bool:
        item = self.held(consumer, value)
        if item is None:
            return False
        item.holder = None
        return True

    def end(self, consumer: int) -> None:
        """Serve the end of a consumer's session."""
        self.gone.add(consumer)
        for item in self.items:
            if item.holder == consumer:
                item.holder = None

    def elect(self) -> None:
        """Serve a change of leader: nothing may come of it."""


class AckBeforeWrite(Correct):
    """Puts are acknowledged from a buffer that a crash loses."""

    def put(self, value: int, priority: int) -> bool:
        return value >= 10 or Correct.put(self, value, priority)


class LosesHead(Correct):
    """A change of leader loses the oldest item."""

    def elect(self) -> None:
        self.items.remove(min(self.available(), key=lambda item: item.value))


class RollsBack(Correct):
    """A change of leader takes the last put back, as a wiped majority does."""

    def elect(self) -> None:
        self.items.remove(max(self.available(), key=lambda item: item.value))


class ReleaseLoses(Correct):
    """Release forgets the item."""

    def release(self, consumer: int, value: int) -> bool:
        return self.done(consumer, value)


class PartialUnread(Correct):
    """Items of a dead consumer go where nobody reads: the original's /queue/partial."""

    def end(self, consumer: int) -> None:
        self.items = [item for item in self.items if item.holder != consumer]


class LastInFirstOut(Correct):
    """A stack."""

    def available(self) -> list[Item]:
        newest_first = Correct.available(self)[::-1]
        newest_first.sort(key=lambda item: item.priority)
        return newest_first


class NoPriorities(Correct):
    """Priorities are ignored."""

    def available(self) -> list[Item]:
        return [item for item in self.items if item.holder is None]


class LargestFirst(Correct):
    """Priorities are compared the wrong way round."""

    def available(self) -> list[Item]:
        return sorted(Correct.available(self), key=lambda item: -item.priority)


class PrioritiesAsText(Correct):
    """Priorities are compared as text without leading zeros, so that 20 comes after 100."""

    def available(self) -> list[Item]:
        return sorted(Correct.available(self), key=lambda item: str(item.priority))


class DoneKeeps(Correct):
    """Done gives the item back instead of deleting it."""

    def done(self, consumer: int, value: int) -> bool:
        return Correct.release(self, consumer, value)


class DoneUndone(Correct):
    """A change of leader forgets the last acknowledgement."""

    def done(self, consumer: int, value: int) -> bool:
        if value == 1:
            self.gone.add(-value)
        return Correct.done(self, consumer, value)

    def elect(self) -> None:
        if -1 in self.gone:
            self.items.insert(0, Item(1))


class NoLock(Correct):
    """Reserve does not mark the item."""

    def reserve(self, consumer: int) -> int | None:
        value = Correct.reserve(self, consumer)
        for item in self.items:
            item.holder = None if item.value == value and value == 3 else item.holder
        return value


class StealsFromTheLiving(Correct):
    """The janitor takes items of consumers that are slow for those of dead ones."""

    def elect(self) -> None:
        for item in self.items:
            item.holder = None


class NoFence(Correct):
    """An acknowledgement of a dead session succeeds."""

    def done(self, consumer: int, value: int) -> bool:
        return Correct.done(self, consumer, value) or consumer in self.gone


class AnybodyAcks(Correct):
    """Done does not look whose item it is."""

    def done(self, consumer: int, value: int) -> bool:
        before = len(self.items)
        self.items = [item for item in self.items if item.value != value]
        return len(self.items) < before


class AcksTwice(Correct):
    """Done of what is done succeeds again."""

    def done(self, consumer: int, value: int) -> bool:
        return Correct.done(self, consumer, value) or consumer not in self.gone


class EmptyWhileHeld(Correct):
    """Reserve says empty if the head is held, though another item waits."""

    def available(self) -> list[Item]:
        heads = sorted(self.items, key=lambda item: item.priority)[:1]
        return [item for item in heads if item.holder is None]


class StaleListing(Correct):
    """Reserve goes by a listing made before the last put, as kazoo's cached children do."""

    def available(self) -> list[Item]:
        last = max((item.value for item in self.items), default=0)
        return [i for i in Correct.available(self) if i.value != last or i.holder is not None]


class Leftover(Correct):
    """The queue is not empty when the run begins."""

    def put(self, value: int, priority: int) -> bool:
        if not self.items:
            self.items.append(Item(1000))
        return Correct.put(self, value, priority)


class RefusesAndWrites(Correct):
    """A put that fails is written all the same."""

    def put(self, value: int, priority: int) -> bool:
        Correct.put(self, value + 100 if value == REFUSED else value, priority)
        self.items[-1].value = value
        return value != REFUSED


class WritesTwice(Correct):
    """A put is sent again after a lost reply, under a new name."""

    def put(self, value: int, priority: int) -> bool:
        if value == 5:
            Correct.put(self, value, priority)
        return Correct.put(self, value, priority)


class Corrupts(Correct):
    """One byte of an item changes."""

    def put(self, value: int, priority: int) -> bool:
        return Correct.put(self, value + 500 if value == 6 else value, priority)


class ReturnsToTheTail(Correct):
    """A released item loses its place in the line."""

    def release(self, consumer: int, value: int) -> bool:
        item = self.held(consumer, value)
        if item is None:
            return False
        self.items.remove(item)
        self.items.append(Item(value, item.priority))
        return True


class Pipelines(Correct):
    """A producer's puts overtake each other on their way."""

    def put(self, value: int, priority: int) -> bool:
        took = Correct.put(self, value, priority)
        if value == 8:
            self.items[-1], self.items[-3] = self.items[-3], self.items[-1]
        return took
