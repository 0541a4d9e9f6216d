"""`zkmq peek`, `stats`, `watch`, `kick`, `purge` and `upgrade`: what operators do from a shell."""

import contextlib
import json
import sys
import time
from dataclasses import asdict
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from zkmq.cli.invocation import JsonOption, Status, described
from zkmq.errors import BadArgumentError
from zkmq.operating.inspection import QueueStats

# Where items can be looked at, and where they can be brought back from.
Place = Literal["items", "dead", "partial", "delayed"]
Aside = Literal["dead", "partial"]
COLUMNS = ("waiting", "held", "delayed", "partial", "dead", "consumers", "producers", "skipped")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(epilog="Example: zkmq peek 10 --place dead --json")(peek)
    app.command(epilog="Example: zkmq stats --json")(stats)
    app.command(epilog="Example: zkmq watch --every-s 5")(watch)
    app.command(epilog="Example: zkmq kick 100 --place partial")(kick)
    app.command(epilog="Example: zkmq purge 200 999 --yes")(purge)
    app.command(epilog="Example: zkmq pause --reason 'the database is being moved'")(pause)
    app.command(epilog="Example: zkmq resume")(resume)
    app.command(epilog="Example: zkmq upgrade")(upgrade)


def peek(
    context: typer.Context,
    n: Annotated[int, typer.Argument(help="How many, at most.", min=1)] = 10,
    place: Annotated[Place, typer.Option(help="Where.")] = "items",
    *,
    as_json: JsonOption = False,
) -> int:
    """Look at the first items without taking them; status 1 if there are none."""
    with context.obj.queue(make=False) as queue:
        found = queue.peek(n, place=place)
    if as_json:
        for each in found:
            about = {key: value for key, value in asdict(each).items() if key != "data"}
            print(json.dumps(about | described(each.data)))
    elif found:
        table = Table("item", "priority", "deliveries", "reason", "value", box=None)
        for each in found:
            shown = described(each.data).popitem()[1]
            row = (each.name, each.priority, each.deliveries, each.reason or "", shown)
            table.add_row(*(str(cell) for cell in row))
        _console().print(table)
    return Status.OK if found else Status.EMPTY


def stats(context: typer.Context, *, as_json: JsonOption = False) -> int:
    """Count what is where."""
    with context.obj.queue(make=False) as queue:
        counted: QueueStats = queue.stats()
    if as_json:
        print(json.dumps(asdict(counted)))
        return Status.OK
    table = Table("what", "count", box=None)
    for priority, count in sorted(counted.waiting.items()):
        table.add_row(f"waiting, priority {priority}", str(count))
    for name in COLUMNS[1:]:
        table.add_row(name, str(getattr(counted, name)))
    table.add_row("oldest", "-" if counted.oldest_s is None else f"{counted.oldest_s} s")
    table.add_row("order", counted.order or "-")
    if counted.paused is not None:
        table.add_row("paused", counted.paused or "yes")
    _console().print(table)
    return Status.OK


def watch(
    context: typer.Context,
    every_s: Annotated[float, typer.Option(help="How often.", min=0.1)] = 2.0,
    count: Annotated[int | None, typer.Option(help="How often at most.", min=1)] = None,
    *,
    as_json: JsonOption = False,
) -> int:
    """Count again and again, a line each time, until interrupted."""
    if not as_json:
        print(" ".join(f"{name:>9}" for name in COLUMNS))
    # Ctrl-C is the way to end it.
    opened = context.obj.queue(calls="many", make=False)
    with contextlib.suppress(KeyboardInterrupt), opened as queue:
        while True:
            counted = queue.stats()
            row = asdict(counted) | {"waiting": sum(counted.waiting.values())}
            line = " ".join(f"{row[name]:>9}" for name in COLUMNS)
            print(json.dumps(asdict(counted)) if as_json else line, flush=True)
            count = count - 1 if count else None
            if count == 0:
                break
            time.sleep(every_s)
    return Status.OK


def kick(
    context: typer.Context,
    n: Annotated[int, typer.Argument(help="How many, at most.", min=1)],
    place: Annotated[Aside, typer.Option(help="Where from.")] = "dead",
) -> int:
    """Bring items that were put aside back to their old places; prints how many came."""
    with context.obj.queue(make=False) as queue:
        print(queue.kick(n, place=place).count)
    return Status.OK


def purge(
    context: typer.Context,
    priorities: Annotated[
        list[int] | None, typer.Argument(metavar="[PRIORITY]...", help="None: all of them.")
    ] = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> int:
    """Forget all waiting items; those that are held stay.

    Prints how many priorities had any.
    """
    of = f"priority {', '.join(map(str, priorities))}" if priorities else "every priority"
    if not yes and not _confirmed(f"{context.obj.path}: forget all waiting items of {of}?"):
        raise BadArgumentError("purge: expected --yes, or yes as an answer; nothing was purged")
    with context.obj.queue(make=False) as queue:
        print(queue.purge(*priorities or ()).count)
    return Status.OK


def pause(
    context: typer.Context,
    reason: Annotated[str, typer.Option(help="Why, for people; `zkmq stats` shows it.")] = "",
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Also if some consumers are too old to obey.")
    ] = False,
) -> int:
    """Let no consumer take items, until `zkmq resume`.

    What is held may be ended, and puts go on. Status 4 says that some consumers are of a release
    that would go on taking, and which; nothing is changed then.
    """
    with context.obj.queue(make=False) as queue:
        queue.pause(reason, force=force)
    return Status.OK


def resume(context: typer.Context) -> int:
    """Let consumers take items again, after `zkmq pause`.

    Those that wait notice within three seconds.
    """
    with context.obj.queue(make=False) as queue:
        queue.resume()
    return Status.OK


def upgrade(
    context: typer.Context,
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Also if that stops clients that are too old.")
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Let the queue use all that this release of zkmq can do, for ever.

    Prints what it demands of clients from now on.

    First restart all clients with the new release, one by one: they work beside the old ones.
    Status 4 says that some are still too old, and which; nothing is changed then. With --force
    these stop with an error at their next call, their items go to others, and nothing is lost.
    """
    with context.obj.queue(make=False) as queue:
        now = queue.upgrade(force=force)
    said = {
        "min_reader": now.min_reader,
        "min_writer": now.min_writer,
        "features": list(now.features),
    }
    features = ", ".join(now.features) or "none"
    line = f"versions: {now.min_reader} to read, {now.min_writer} to write; features: {features}"
    print(json.dumps(said) if as_json else line)
    return Status.OK


def _confirmed(question: str) -> bool:
    try:
        return typer.confirm(question, err=True)
    except typer.Abort:  # nobody there to answer
        return False


def _console() -> Console:
    """A terminal's width is kept to; what is piped is cut nowhere."""
    width = None if sys.stdout.isatty() else 1_000_000
    return Console(markup=False, highlight=False, width=width)
