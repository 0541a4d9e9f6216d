"""Credits: a prefetch count that several queues share is never exceeded, and each gets its turn."""

from dataclasses import dataclass

from zkmq.celery.credits import MOST_UNDELIVERED, Credits


@dataclass(eq=False)
class Queued:
    """A queue that counts how often it was woken."""

    woken: int = 0

    def wake(self) -> None:
        self.woken += 1


def credits_of(limit: int) -> Credits:
    """Credits with a limit."""
    made = Credits()
    made.limit = limit
    return made


def test_the_limit_counts_all_that_is_not_acknowledged() -> None:
    """A message uses up a credit from the look for it until its acknowledgement."""
    credit, queue = credits_of(3), Queued()
    assert credit.take(queue, 500) == 3
    credit.use(queue, 2)
    assert credit.take(queue, 500) == 1
    credit.use(queue, 1)
    assert credit.take(queue, 500) == 0
    credit.deliver(acknowledged=False)
    assert credit.take(queue, 500) == 0
    credit.acknowledge()
    assert queue.woken
    assert credit.take(queue, 500) == 1


def test_without_a_limit_only_undelivered_messages_count() -> None:
    """A consumer without a prefetch count gets any number, of which few wait in the process."""
    credit, queue = credits_of(0), Queued()
    assert credit.take(queue, 10_000) == MOST_UNDELIVERED
    credit.use(queue, MOST_UNDELIVERED)
    assert credit.take(queue, 1) == 0
    credit.deliver(acknowledged=False)
    assert credit.take(queue, 10) == 1


def test_a_queue_that_waits_with_a_credit_is_asked_for_it() -> None:
    """A queue without credits wakes the one that keeps one without using it, and gets it next."""
    credit, idle, busy = credits_of(1), Queued(), Queued()
    assert credit.take(idle, 500) == 1
    credit.use(idle, 0, keep=1)
    assert not credit.wanted(idle)
    assert credit.take(busy, 500) == 0
    assert idle.woken == 1
    assert credit.wanted(idle)
    credit.use(idle, 0)
    assert busy.woken == 1
    assert credit.take(idle, 500) == 0  # it waited for less long
    assert credit.take(busy, 500) == 1


def test_each_waiting_queue_is_left_a_credit() -> None:
    """A queue that takes many leaves one for each of the others that wait."""
    credit, first, second = credits_of(1), Queued(), Queued()
    credit.take(first, 1)
    credit.use(first, 1)
    assert credit.take(second, 500) == 0
    credit.limit = 5
    assert credit.take(first, 500) == 3
    assert credit.take(second, 500) == 1


def test_a_queue_that_stops_leaves_its_credits() -> None:
    """What a closed queue had, or waited for, is free."""
    credit, first, second = credits_of(1), Queued(), Queued()
    credit.take(first, 1)
    credit.take(second, 1)
    credit.leave(first)
    assert credit.take(second, 1) == 1
    credit.leave(second)
    assert credit.take(first, 1) == 1
