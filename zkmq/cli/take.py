"""`zkmq reserve`, `done` and `release`: taking an item from a shell.

A reservation ends with its session. So either one process holds it while a command works on the
item, or the session is left to a second process, in a file.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from zkmq.cli import hold_file
from zkmq.cli.hold_file import next_item
from zkmq.cli.invocation import Settings, Status, complain, environment, sentence, status_of
from zkmq.errors import AckUnknownError, BadArgumentError, NotHeldError
from zkmq.queue import Queue
from zkmq.tree.item import Item

Hold = Annotated[
    Path | None,
    typer.Option("--hold", help="Keep the item for `zkmq done`; FILE is as secret as a password."),
]
HoldFile = Annotated[
    Path, typer.Option("--hold", help="What `zkmq reserve --hold` wrote; removed in the end.")
]
DelayOption = Annotated[float, typer.Option(help="How long an item stays away when it is back.")]


# What becomes of an item whose command failed, and of one whose consumer died.
Failed = Literal["release", "bury"]
OnCrash = Literal["requeue", "partial"]
PAST: dict[Failed, str] = {"release": "released", "bury": "buried"}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(
        epilog="Example: zkmq reserve --wait-s 60 --all -- gzip -c  |  "
        "zkmq reserve --hold item.hold > item",
        context_settings={"allow_interspersed_args": False},
    )(reserve)
    app.command(epilog="Example: zkmq done --hold item.hold")(done)
    app.command(epilog="Example: zkmq release --hold item.hold --delay-s 60")(release)


def reserve(  # noqa: PLR0917 - typer makes options of them
    context: typer.Context,
    command: Annotated[
        list[str] | None, typer.Argument(metavar="[-- COMMAND...]", help="What works on the item.")
    ] = None,
    hold: Hold = None,
    hold_s: Annotated[
        float, typer.Option(help="With --hold: for how long; servers allow 40 s unless told.")
    ] = 30.0,
    wait_s: Annotated[float, typer.Option(help="How long to wait for an item.")] = 0.0,
    failed: Annotated[Failed, typer.Option(help="What if COMMAND fails.")] = "release",
    delay_s: DelayOption = 0.0,
    max_deliveries: Annotated[
        int | None, typer.Option(help="An item that comes back so often is dead instead.", min=1)
    ] = None,
    on_crash: Annotated[OnCrash, typer.Option(help="What if this process dies.")] = "requeue",
    *,
    every: Annotated[
        bool, typer.Option("--all", help="Go on until no item comes within --wait-s.")
    ] = False,
    janitor: Annotated[
        bool, typer.Option(help="Meanwhile, bring back the items of dead consumers.")
    ] = True,
) -> int:
    """Take the most urgent item and run COMMAND on it, or keep it for `zkmq done`.

    COMMAND gets the value on standard input, and ZKMQ_ITEM_ID, ZKMQ_ITEM_PRIORITY,
    ZKMQ_ITEM_DELIVERY and ZKMQ_ITEM_FENCE in its environment. Status 0 is done: the item is
    removed for ever. Any other brings the item back (--failed bury puts it aside), and the
    status is 5. If the session ends meanwhile, the item goes to another consumer, and COMMAND
    gets SIGTERM. So an item may be worked on twice, never by two that both end it.

    With --hold FILE the value goes to standard output, and the item stays reserved after this
    process, until `zkmq done --hold FILE` or `zkmq release --hold FILE`, or until --hold-s are
    over and the servers end the session; then `done` fails with status 4.
    """
    settings: Settings = context.obj
    if bool(command) == (hold is not None):
        raise BadArgumentError(
            "reserve: expected either -- COMMAND or --hold FILE: "
            "a reservation ends with the process that made it"
        )
    policy = {"max_deliveries": max_deliveries, "on_crash": on_crash}
    if hold is not None:
        return hold_file.reserve_to(hold, hold_s, wait_s, settings, policy)
    worker = _Worker(command or [], failed, delay_s)
    with settings.queue(calls="many", janitor=janitor, lost=worker.lost, **policy) as queue:
        return worker.run(queue, wait_s, every=every)


def done(context: typer.Context, hold: HoldFile) -> int:
    """Acknowledge the item of `zkmq reserve --hold`: it is removed for ever.

    Status 4 says that the hold was over: the item is, or was, delivered again.
    """
    with hold_file.taken_over(hold, context.obj) as (holder, deadline_s):
        holder.finisher.done(holder.items, deadline_s)
    return Status.OK


def release(context: typer.Context, hold: HoldFile, delay_s: DelayOption = 0.0) -> int:
    """Give the item of `zkmq reserve --hold` back, to its old place."""
    with hold_file.taken_over(hold, context.obj) as (holder, deadline_s):
        holder.finisher.release(holder.items, delay_s=delay_s, to="place", deadline_s=deadline_s)
    return Status.OK


class _Worker:
    """Runs a command on one item after the other; `failed` is what becomes of one if it fails."""

    def __init__(self, command: Sequence[str], failed: Failed, delay_s: float) -> None:
        self._command, self._failed, self._delay_s = command, failed, delay_s
        self._process: subprocess.Popen[bytes] | None = None

    def lost(self, consumer: str, items: Sequence[Item]) -> None:
        """The item is somebody else's now: the work on it has to end."""
        complain(f"{consumer}: the session has ended; the item goes to another consumer")
        if self._process is not None:
            self._process.terminate()

    def run(self, queue: Queue, wait_s: float, *, every: bool) -> int:
        """Take and work, once or until nothing comes."""
        status, count = Status.OK, 0
        while found := next_item(queue, wait_s):
            count += 1
            try:
                ended = Status.OK if self._work_on(queue, found[0]) else Status.COMMAND_FAILED
            except (NotHeldError, AckUnknownError) as error:
                # The session ended, or the item's time to run: the next one is another matter.
                if not every:
                    raise
                complain(sentence(error))
                ended = status_of(error)
            status = ended if ended is not Status.OK else status
            if not every:
                break
        return status if count else Status.EMPTY

    def _work_on(self, queue: Queue, item: Item) -> bool:
        status = self._status(item)
        if status == 0:
            queue.done(item)
            return True
        reason = f"{self._command[0]}: status {status}"
        complain(f"{item.id}: {reason}; {PAST[self._failed]}")
        if self._failed == "bury":
            queue.bury(item, reason=reason)
        else:
            queue.release(item, delay_s=self._delay_s)
        return False

    def _status(self, item: Item) -> int:
        """Run the command; a negative status is the signal that ended it."""
        try:
            process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, env=os.environ | environment(item)
            )
        except OSError as error:
            raise BadArgumentError(
                f"reserve: COMMAND: expected a program, got {self._command[0]!r} ({error})"
            ) from error
        self._process = process
        try:
            process.communicate(item.data)
        except BaseException:
            process.terminate()
            process.wait()
            raise
        finally:
            self._process = None
        return process.returncode
