"""`zkmq`: the queue for people with a shell."""

import io
import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from zkmq.cli import operate, take
from zkmq.cli.invocation import (
    JsonOption,
    Settings,
    Status,
    complain,
    forget_output,
    now_s,
    security,
    sentence,
    status_of,
)
from zkmq.errors import BadArgumentError, ZkmqError
from zkmq.putting.batches import Put
from zkmq.putting.entry import Entry
from zkmq.rest.server import gateway_command as rest
from zkmq.zookeeper.security import CA, CERTIFICATE, KEY, PASSWORD_FILE, USER

app = typer.Typer(
    name="zkmq",
    help="A queue on ZooKeeper, from a shell: at-least-once delivery, one owner at any moment.",
    epilog=(
        "Exit status: 0 it is so; 1 no item came; 2 unknown, it may have taken effect, or in part; "
        "3 no server answered, nothing took effect; 4 refused, nothing took effect; "
        "5 COMMAND failed; 254 bad arguments."
    ),
    add_completion=False,
    pretty_exceptions_enable=False,
)
take.register(app)
operate.register(app)
app.command(epilog="Example: zkmq gateway --hosts localhost:2181 --port 9998")(rest.gateway)
# The parser's usage errors have no public name in typer, only this one's base.
_USAGE_ERROR: Any = typer.BadParameter.__base__


def main() -> None:
    """Run the command line and end with the status that scripts read."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names and values are shown on any terminal, also one that knows ASCII only.
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Do what the arguments say; an error is one line on standard error, and a status."""
    try:
        status = app(args=list(arguments), prog_name="zkmq", standalone_mode=False)
        sys.stdout.flush()
    except typer.Exit as ended:
        return ended.exit_code
    except _USAGE_ERROR as error:
        where = error.ctx.command_path if error.ctx else "zkmq"
        complain(f"{error.format_message()} See `{where} --help`.")
        return Status.USAGE
    except ZkmqError as error:
        complain(sentence(error))
        return status_of(error)
    except (OSError, SystemExit) as error:
        # The parser ends the process by itself when standard output is a closed pipe.
        cause = error.__context__ if isinstance(error, SystemExit) else error
        if not isinstance(cause, OSError):
            raise
        return _stream_failed(cause)
    except (KeyboardInterrupt, typer.Abort):
        complain("interrupted")
        return Status.UNKNOWN
    return status if isinstance(status, int) else Status.OK


@app.callback()
def settings(  # noqa: PLR0917 - typer makes options of them
    context: typer.Context,
    hosts: Annotated[
        str | None, typer.Option(envvar="ZKMQ_HOSTS", help="host:port,host:port/chroot")
    ] = None,
    path: Annotated[str, typer.Option(envvar="ZKMQ_PATH", help="The queue's root.")] = "/queue",
    user: Annotated[
        str | None, typer.Option(envvar=USER, help="For digest authentication.")
    ] = None,
    password_file: Annotated[
        Path | None,
        typer.Option(envvar=PASSWORD_FILE, help="Its password; or set ZKMQ_PASSWORD.", exists=True),
    ] = None,
    ca: Annotated[
        Path | None,
        typer.Option(envvar=CA, help="TLS: PEM that proves the servers.", exists=True),
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option(envvar=CERTIFICATE, help="TLS: our own, PEM.", exists=True),
    ] = None,
    key: Annotated[
        Path | None, typer.Option(envvar=KEY, help="TLS: its key, PEM.", exists=True)
    ] = None,
    deadline_s: Annotated[
        float,
        typer.Option(
            min=0.1,
            help="How long the command may take; `reserve` and `watch`: to connect, and then each "
            "call, besides waiting for items; `put`: from one answer to the next.",
        ),
    ] = 30.0,
) -> None:
    """Take note of where the queue is; nothing is opened yet."""
    context.obj = Settings(
        hosts=hosts,
        path=path,
        security=security(user, password_file, ca, certificate, key),
        deadline_s=deadline_s,
        began_s=now_s(),
    )


@app.command(epilog="Example: zkmq put --priority 10 'first value' 'second value'")
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
        Entry(data=data, priority=priority, delay_s=delay_s, ttr_s=ttr_s, dedup_id=dedup_id)
        for data in given or _standard_input(lines=lines)
    ]
    with context.obj.queue() as queue:
        for each in queue.put_many(entries):
            print(json.dumps(asdict(each)) if as_json else _named(each))
    return Status.OK


def _stream_failed(error: OSError) -> Status:
    """Tell of a file or stream; a reader that has seen enough, as `head` has, is no error."""
    if isinstance(error, BrokenPipeError):
        forget_output()
        return Status.OK  # what was to be done is done
    complain(f"expected a file or a stream that can be used, got {error}")
    return Status.USAGE


def _standard_input(*, lines: bool) -> list[bytes]:
    data = sys.stdin.buffer.read()
    return data.splitlines() if lines else [data]


def _named(put: Put) -> str:
    return "duplicate" if put.duplicate else put.name or "-"
