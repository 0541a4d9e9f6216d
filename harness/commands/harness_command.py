"""The command `harness`: its commands, and what their outcomes become for the shell."""

import sys
import traceback
from collections.abc import Callable
from typing import Any

import typer

from harness.commands import interrupts
from harness.common.harness_errors import HarnessError
from zkmq.cli.lazy_group import USAGE_ERROR, LazyGroup, VersionOption

EXIT_USAGE, EXIT_FAILED, EXIT_INTERRUPTED = 254, 255, 2
_EPILOG = (
    "Exit status: 0 every verdict as expected; 1 one was not; 2 unknown; 254 bad arguments or "
    "scenario; 255 the harness or Docker failed."
)
# By module. What most people look for comes first.
COMMANDS = {
    "harness.commands.running.run_command": {
        "run": "Run scenarios, judge them, and say whether each verdict is as expected.",
        "check": "Judge a run that was made before, again, with today's checkers.",
    },
    "harness.commands.manual.quorum_command": {
        "up": "Start a quorum by hand, and a gateway beside it; they stay until `down`.",
        "status": "Show every quorum that is up: nodes, roles, zxids, faults in force.",
        "logs": "Print the logs of the servers of a quorum that is up.",
        "down": "Remove the quorums that `up` or `run --keep` started, and their gateways.",
        "clean": "Remove what runs left behind: containers, networks, volumes, rules, processes.",
    },
    "harness.commands.doctor_command": {
        "doctor": "Say what this machine can run: engine, kernel, memory, disk, ports, scenarios.",
    },
    "harness.commands.list_command": {
        "list": "List subjects, workloads, faults, checkers and scenarios, with a line each.",
        "schema": "Print the JSON Schema of scenario files, for editors.",
    },
    "harness.commands.explain_command": {
        "explain": "Say what a key, workload, fault, checker or subject means.",
    },
    "harness.commands.report_command": {
        "report": "Build report.html, one file that opens without a network, from a run's folder.",
        "serve": "Show all runs in the browser, on loopback, until Ctrl-C.",
        "export": "Print a run's enqueues and dequeues as other checkers read them.",
    },
    "harness.commands.endurance_command": {
        "endurance": "Add up what runs lost, and how long puts were down, by cause and a year.",
    },
    "harness.commands.new_command": {
        "new": "Write a commented scenario to start from, or one from a table of field rates.",
    },
    "harness.commands.running.plan_command": {
        "plan": "Show each injection that is planned; end with 2 if some entry draws none.",
    },
    "harness.commands.searching.replay_command": {
        "replay": "Run a recorded plan again, and say at what rate its failure shows.",
    },
    "harness.commands.searching.shrink_command": {
        "shrink": "Take out of a failing scenario what the failure does not need; write the rest.",
    },
    "harness.commands.searching.fuzz_command": {
        "fuzz": "Draw scenarios from the catalogue of faults, run them, and shrink what fails.",
    },
    "harness.commands.manual.faults_command": {
        "inject": "Inject a fault into the quorum that is up, and say what was observed of it.",
        "heal": "Undo every fault in force on the quorum that is up.",
        "top": "Show roles, zxids and faults in force, live, until Ctrl-C.",
    },
}


class _Commands(LazyGroup):
    """The commands of the harness; all of its packages come with one extra."""

    extra = "zkmq[harness]"
    modules = COMMANDS


app = typer.Typer(
    name="harness",
    cls=_Commands,
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def harness(*, version: VersionOption = False) -> None:
    """Prove that a queue on ZooKeeper keeps every message, in order, while servers fail."""


def main() -> None:
    """Run the command line and end with the status that CI reads."""
    with interrupts.clean_exit():
        status = _status(app)
    sys.exit(status)


def _status(command: Callable[..., Any]) -> int:
    try:
        status = command(standalone_mode=False)
    except typer.Exit as ended:
        return ended.exit_code
    except USAGE_ERROR as error:
        error.show()
        return EXIT_USAGE
    except HarnessError as error:
        interrupts.complain(str(error))
        return error.exit_status
    except SystemExit as ended:
        # The parser's 1 for a closed pipe would be a verdict.
        if not isinstance(ended.__context__, BrokenPipeError):
            raise
        from zkmq.cli.invocation import forget_output  # noqa: PLC0415 -- --help needs no kazoo

        forget_output()
        interrupts.complain("standard output was closed before all was said")
        status = EXIT_FAILED
    except (KeyboardInterrupt, typer.Abort) as ended:
        interrupts.complain(f"interrupted by {str(ended) or 'Ctrl-C'}")
        return EXIT_INTERRUPTED
    except Exception:  # noqa: BLE001 -- whatever it is, CI must not take it for a verdict
        traceback.print_exc()
        interrupts.complain("this is a defect of the harness, and says nothing about the queue")
        return EXIT_FAILED
    return status if isinstance(status, int) else 0


if __name__ == "__main__":
    main()
