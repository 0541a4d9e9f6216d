"""`zkmq put`: items from a shell."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from zkmq.cli.invocation import JsonOption, Status
from zkmq.errors import BadArgumentError
from zkmq.putting.batches import Put
from zkmq.putting.entry import Entry


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: zkmq put --priority 10 'first value' 'second value'")(put)


def put(  # noqa: PLR0917 - typer makes options of them
    context: typer.Context,
    values: Annotated[
        list[str] | None, typer.Argument(metavar="[VALUE]...", help="None: standard input.")
    ] = None,
    priority: Annotated[int, typer.Option(help="0, the most urgent, to 999.")] = 100,
    delay_s: Annotated[float, typer.Option(help="Not to be delivered before.")] = 0.0,
    ttr_s: Annotated[
        float | None, typer.Option(help="How long a consumer may hold it; no limit if not given.")
    ] = None,
    dedup_id: Annotated[
        str | None, typer.Option(help="Put nothing if this id was put within the last hour.")
    ] = None,
    expires_s: Annotated[
        float | None, typer.Option(help="Not to be delivered later than that.")
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="May be given more than once.")
    ] = None,
    content_type: Annotated[
        str | None, typer.Option(help="What the value is, such as application/json.")
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="Held one at a time, in order, with others of this group.")
    ] = None,
    *,
    lines: Annotated[
        bool, typer.Option("--lines", help="Standard input has a value on each line.")
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Append items; prints the name of each, `-` where it is not known, or `duplicate`.

    Standard input is one value, all of it, unless --lines. Status 0 says that every item is in
    the queue, once. After status 2, put it again with the same --dedup-id: then it is put once.
    """
    given = [value.encode(errors="surrogateescape") for value in values or []]
    if dedup_id is not None and (lines or len(given) > 1):
        raise BadArgumentError("put: --dedup-id: expected one value, got several; put each alone")
    entries = [
        Entry(
            data=data,
            priority=priority,
            delay_s=delay_s,
            ttr_s=ttr_s,
            dedup_id=dedup_id,
            expires_s=expires_s,
            headers=_headers(header or []),
            content_type=content_type,
            group=group,
        )
        for data in given or _standard_input(lines=lines)
    ]
    with context.obj.queue() as queue:
        for each in queue.put_many(entries):
            print(json.dumps(asdict(each)) if as_json else _named(each))
    return Status.OK


def _headers(given: Sequence[str]) -> dict[str, str]:
    if odd := [each for each in given if "=" not in each]:
        raise BadArgumentError(f"put: --header: expected NAME=VALUE, got {odd[0]!r}")
    return dict(each.split("=", 1) for each in given)


def _standard_input(*, lines: bool) -> list[bytes]:
    data = sys.stdin.buffer.read()
    return data.splitlines() if lines else [data]


def _named(put: Put) -> str:
    return "duplicate" if put.duplicate else put.name or "-"
