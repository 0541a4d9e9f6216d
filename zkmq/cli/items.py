"""`zkmq inspect`, `delete` and `redrive`: single items, and dead letters to another queue."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from zkmq.cli.invocation import JsonOption, Status, complain, described
from zkmq.cli.operate import Aside

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The item's id or name.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(epilog="Example: zkmq inspect item-100-0000000000-0000000007")(inspect)
    app.command(epilog="Example: zkmq delete item-100-0000000000-0000000007")(delete)
    app.command(epilog="Example: zkmq redrive 100 --to /jobs-by-hand")(redrive)


def inspect(context: typer.Context, id: IdArgument, *, as_json: JsonOption = False) -> int:
    """Look at one item, wherever it is; status 1 if it is nowhere.

    It is nowhere if it is done, purged, or was never put.
    """
    with context.obj.queue(make=False) as queue:
        found = queue.inspect(id)
    if found is None:
        complain(f"inspect: {id}: no such item; it is done, purged, deleted, or was never put")
        return Status.EMPTY
    about = {key: value for key, value in asdict(found).items() if key != "data"}
    about |= described(found.data)
    if as_json:
        print(json.dumps(about))
        return Status.OK
    for key, value in about.items():
        if value not in (None, {}):
            print(f"{key:<12} {value}")
    return Status.OK


def delete(
    context: typer.Context,
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids or names of items.")],
) -> int:
    """Delete items for ever that no consumer holds; prints how many there were.

    Status 4 says that a consumer holds one. Those named before it are deleted then.
    """
    with context.obj.queue(calls="many", make=False) as queue:
        print(sum(queue.delete(id).count for id in ids))
    return Status.OK


def redrive(
    context: typer.Context,
    n: Annotated[int, typer.Argument(help="How many, at most.", min=1)] = 1,
    ids: Annotated[
        list[str] | None, typer.Option("--id", help="These items; may be given more than once.")
    ] = None,
    place: Annotated[Aside, typer.Option(help="Where from.")] = "dead",
    *,
    to: Annotated[str, typer.Option(help="The path of the other queue, on the same servers.")],
) -> int:
    """Move items that were put aside to the back of another queue; prints how many.

    Each is in one of the two queues at any moment. In the other queue it is new.
    """
    with context.obj.queue(make=False) as queue:
        print(queue.redrive(to, n, ids=ids, place=place).count)
    return Status.OK
