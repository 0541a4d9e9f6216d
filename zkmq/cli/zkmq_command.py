"""`zkmq`: the queue for people with a shell."""

import io
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from zkmq.cli.invocation import (
    Settings,
    Status,
    complain,
    forget_output,
    now_s,
    security,
    sentence,
    status_of,
)
from zkmq.cli.lazy_group import USAGE_ERROR, LazyGroup, VersionOption
from zkmq.errors import ZkmqError
from zkmq.zookeeper.security import CA, CERTIFICATE, DIGEST_MD5, KEY, PASSWORD_FILE, SASL, USER

# By module, in the order in which help lists them.
COMMANDS = {
    "zkmq.cli.put_command": {
        "put": "Append items; prints the name of each, `-` where it is not known, or `duplicate`.",
    },
    "zkmq.cli.take": {
        "reserve": "Take the most urgent item and run COMMAND on it, or keep it for `zkmq done`.",
        "done": "Acknowledge the item of `zkmq reserve --hold`: it is removed for ever.",
        "release": "Give the item of `zkmq reserve --hold` back, to its old place.",
    },
    "zkmq.cli.work_command": {
        "work": "Run a command for every item, several at once, until SIGTERM or Ctrl-C.",
    },
    "zkmq.cli.operate": {
        "peek": "Look at the first items without taking them; status 1 if there are none.",
        "stats": "Count what is where.",
        "watch": "Count again and again, a line each time, until interrupted.",
        "kick": "Bring items that were put aside back to their old places; prints how many came.",
        "purge": "Forget all waiting items; those that are held stay.",
        "pause": "Let no consumer take items, until `zkmq resume`.",
        "resume": "Let consumers take items again, after `zkmq pause`.",
        "upgrade": "Let the queue use all that this release of zkmq can do, for ever.",
    },
    "zkmq.cli.top_command": {
        "top": "Show the queue live: items, rates, oldest age, consumers and servers.",
    },
    "zkmq.cli.dump_command": {
        "dump": "Show the nodes below ZNODE with their data; status 1 if there is no such node.",
    },
    "zkmq.cli.items": {
        "inspect": "Look at one item, wherever it is; status 1 if it is nowhere.",
        "delete": "Delete items for ever that no consumer holds; prints how many there were.",
        "redrive": "Move items that were put aside to the back of another queue; prints how many.",
    },
    "zkmq.rest.server.gateway_command": {
        "gateway": "Serve ZooKeeper and the queue over HTTP, until SIGINT or SIGTERM.",
    },
}


class _Commands(LazyGroup):
    """The commands of the queue, and the gateway."""

    extra = "zkmq[rest]"
    first = ("zkmq.queue", "zkmq.zookeeper.session.kazoo_store")
    modules = COMMANDS


app = typer.Typer(
    name="zkmq",
    cls=_Commands,
    help="A queue on ZooKeeper, from a shell: at-least-once delivery, one owner at any moment.",
    epilog=(
        "Exit status: 0 it is so; 1 no item came; 2 unknown, it may have taken effect, or in part; "
        "3 no server answered, nothing took effect; 4 refused, nothing took effect; "
        "5 COMMAND failed; 254 bad arguments."
    ),
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command line and end with the status that scripts read."""
    _open_closed_streams()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names and values are shown on any terminal, also one that knows ASCII only.
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Do what the arguments say; an error is one line on standard error, and a status."""
    try:
        status = app(args=list(arguments), prog_name="zkmq", standalone_mode=False)
        return _flushed(status if isinstance(status, int) else Status.OK)
    except typer.Exit as ended:
        return ended.exit_code
    except USAGE_ERROR as error:
        where = error.ctx.command_path if error.ctx else "zkmq"
        # The parser hands on a word of the library that it asks.
        message = error.format_message().replace(": Value error, ", ": ")
        complain(f"{message} See `{where} --help`.")
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


@app.callback()
def settings(  # noqa: PLR0917 - typer makes options of them
    context: typer.Context,
    hosts: Annotated[
        str | None, typer.Option(envvar="ZKMQ_HOSTS", help="host:port,host:port/chroot")
    ] = None,
    path: Annotated[str, typer.Option(envvar="ZKMQ_PATH", help="The queue's root.")] = "/queue",
    user: Annotated[
        str | None, typer.Option(envvar=USER, help="For digest authentication, or for --sasl.")
    ] = None,
    password_file: Annotated[
        Path | None,
        typer.Option(envvar=PASSWORD_FILE, help="Its password; or set ZKMQ_PASSWORD.", exists=True),
    ] = None,
    sasl: Annotated[
        str | None,
        typer.Option(envvar=SASL, help=f"Authenticate by SASL: {DIGEST_MD5} or GSSAPI."),
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
    version: VersionOption = False,  # noqa: ARG001, FBT002 -- typer makes an option of it, and answers it
) -> None:
    """Take note of where the queue is; nothing is opened yet."""
    context.obj = Settings(
        hosts=hosts,
        path=path,
        security=security(user, password_file, sasl, ca, certificate, key),
        deadline_s=deadline_s,
        began_s=now_s(),
    )


def _open_closed_streams() -> None:
    """Open what the caller has closed of the standard streams: input fails, output goes nowhere.

    Python has None for a closed one, and the next socket would get its number.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if vars(sys)[name] is None:
            os.open(os.devnull, os.O_WRONLY)  # gets the lowest number that is free: this one
            setattr(sys, name, os.fdopen(number, mode))


def _flushed(status: int) -> int:
    """Write out what a command has printed; return its status, or one that says that this failed.

    By then the command is over, and what it did has taken effect.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        return status or _stream_failed(error)
    return status


def _stream_failed(error: OSError) -> Status:
    """Tell of a file or stream; a reader that has seen enough, as `head` has, is no error."""
    if isinstance(error, BrokenPipeError):
        forget_output()
        return Status.OK  # what was to be done is done
    complain(f"expected a file or a stream that can be used, got {error}")
    try:
        sys.stdout.flush()
    except OSError:  # so it was this one, and something may have been done before
        forget_output()
        return Status.UNKNOWN
    return Status.USAGE
