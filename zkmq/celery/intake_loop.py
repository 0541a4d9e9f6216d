"""The loop of what takes messages for a channel, from its start on a thread to its stop."""

from collections.abc import Callable

from zkmq.celery.deliveries import STOP_WITHIN_S
from zkmq.errors import ClosedError
from zkmq.zookeeper.store import Store


class IntakeLoop:
    """Turns until it is stopped. An error that nothing can mend goes to `fail`, and ends it."""

    def __init__(self, store: Store, fail: Callable[[BaseException], None]) -> None:
        self._store = store
        self._fail = fail
        # Wakes the loop; wakes who waits for what it does.
        self._signal, self._changed = store.signal(), store.signal()
        self._is_taking = self._is_stopping = False
        self.is_over = False

    def run(self) -> None:
        """Turn until `close`."""
        try:
            while not self._is_stopping:
                self._turn()
            self._wind_up()
        except ClosedError as error:
            if not self._is_stopping:
                self._fail(error)
        except Exception as error:  # noqa: BLE001 - the connection tells it to whoever drains it
            self._fail(error)
        finally:
            self.is_over = True
            self._left()
            self._changed.set()

    def close(self) -> None:
        """Stop the loop, and wait for its end for a while."""
        self._is_stopping = True
        self.wake()
        until_s = self._store.now() + STOP_WITHIN_S
        while not self.is_over and self._store.now() < until_s:
            self._changed.wait(until_s)

    def wake(self) -> None:
        """Let the loop see what is new, from any thread."""
        self._signal.set()

    def _turn(self) -> None:
        """Do what there is to do, or wait for it."""
        raise NotImplementedError

    def _wind_up(self) -> None:
        """End what is left, after the last turn."""

    def _left(self) -> None:
        """Note that the loop has ended, whatever ended it."""
