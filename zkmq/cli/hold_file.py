"""The file of `zkmq reserve --hold`: a session that one process leaves to another."""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from zkmq.cli.invocation import Settings, Status, forget_output
from zkmq.errors import BadArgumentError, ConsumerLostError, NoQuorumError, NotHeldError, ZkmqError
from zkmq.queue import Queue
from zkmq.taking.handover import Handover, Holder
from zkmq.tree.item import Item
from zkmq.zookeeper.session.kazoo_store import KazooStore


def next_item(queue: Queue, wait_s: float) -> Sequence[Item]:
    """Return the next item, alone; nothing if there is none.

    Raises:
        NoQuorumError: there was no time to look whether there is one.
    """
    found = queue.reserve(1, timeout_s=wait_s, sync=True)
    if not found.looked:
        raise NoQuorumError("reserve: the servers left no time to look at the queue; try again")
    return found.items


def reserve_to(
    hold: Path, hold_s: float, wait_s: float, settings: Settings, policy: Mapping[str, object]
) -> int:
    """Reserve, write the session down, and leave it open; if anything fails, leave nothing."""
    with contextlib.ExitStack() as undo:
        file = undo.enter_context(_new_file(hold))
        undo.callback(hold.unlink)
        store = settings.store(session_timeout_s=hold_s)
        undo.callback(store.close)
        queue = settings.on(store, calls="many", **policy)
        undo.callback(queue.close)
        found = next_item(queue, wait_s)
        if not found:
            return Status.EMPTY
        if store.credentials is None:
            raise ConsumerLostError(f"{found[0].id}: the session ended at once; try again")
        session, password = store.credentials
        handover = Handover(
            session=session, password=password, path=settings.path, consumer=found[0].consumer
        )
        file.write(handover.encode() + "\n")
        file.flush()
        try:
            sys.stdout.buffer.write(found[0].data)
            sys.stdout.flush()
        except OSError as error:  # nobody has the value: the item goes back
            forget_output()
            raise BadArgumentError(
                f"reserve: expected a reader of the value, got none ({error})"
            ) from error
        undo.pop_all()
        file.close()
    return Status.OK


@contextlib.contextmanager
def taken_over(hold: Path, settings: Settings) -> Iterator[tuple[Holder, float]]:
    """Take the session up; when the hold is certainly over, so are the session and the file."""
    try:
        text = hold.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise BadArgumentError(
            f"--hold: expected the file of `zkmq reserve --hold`, got {hold} ({reason})"
        ) from error
    handover = Handover.decode(text, str(hold))
    store = settings.store(session=(handover.session, handover.password))
    deadline_s = store.now() + settings.left_s
    try:
        holder = Holder(store, handover, deadline_s)
        yield holder, deadline_s
        # If this fails, the end of the session does the same.
        with contextlib.suppress(ZkmqError):
            holder.leave(deadline_s)
    except NotHeldError:
        _forget(hold, store, settings)
        raise
    _forget(hold, store, settings)


def _new_file(hold: Path) -> TextIO:
    """Make the file before anything is reserved, for nobody else to read."""
    try:
        return os.fdopen(os.open(hold, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w")
    except FileExistsError as error:
        raise BadArgumentError(
            f"--hold: expected a new file, got {hold}, which may be the hold of another item; "
            f"end that with `zkmq done --hold {hold}`"
        ) from error


def _forget(hold: Path, store: KazooStore, settings: Settings) -> None:
    hold.unlink()
    store.close(store.now() + settings.left_s)
