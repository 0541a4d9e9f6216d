"""The harness's errors.

HarnessError
├── ScenarioError      the scenario file, or an argument, is wrong: exit status 254
├── UnmetError         the machine lacks what the scenario requires, so it is skipped: status 0
├── RunError           the harness or the machine failed: exit status 255
│   ├── TargetError    the quorum did not do what it was asked
│   │   └── UnsupportedError    it cannot, on this machine or as it was started
│   └── WorkerError    a workload process could not be started or went silent
│       └── SubjectError    a queue or command under test does not keep to its protocol
└── HistoryError       a run's files cannot be judged: exit status 254
"""

from collections.abc import Collection
from difflib import get_close_matches

MOST_TOLD = 2000  # characters of a foreign error's text
MOST_LISTED = 8  # names in one complaint that can refer to a list of them
MOST_OF_A_FILE = 30  # names in one complaint about what stands in the user's own file


class HarnessError(Exception):
    """Root of what this package raises; the message is one sentence for the user."""

    exit_status = 255


class ScenarioError(HarnessError):
    """A scenario or an argument is wrong: `file:line: key: expected X, got Y`."""

    exit_status = 254


class UnmetError(HarnessError):
    """The machine lacks what a scenario requires; nothing was run, and nothing is known."""

    exit_status = 0


class RunError(HarnessError):
    """The harness, Docker or the machine failed; says nothing about the queue."""


class TargetError(RunError):
    """The quorum did not do what it was asked within its time."""


class UnsupportedError(TargetError):
    """The machine, or the quorum as it was started, cannot do it: a fault ends `skipped`."""


class WorkerError(RunError):
    """A workload process could not be started, or went silent."""


class SubjectError(WorkerError):
    """A queue or a command under test does not keep to its protocol, so nothing can be judged."""


class HistoryError(HarnessError):
    """A history cannot be judged: unreadable, or outside what its checker is defined for."""

    exit_status = 254


def expected_one_of(known: Collection[str], got: str, *, see: str = "") -> str:
    """Return `expected one of a, b, got 'c': did you mean 'b'?`.

    If there are many names, `see`, a command, is named in place of them.
    """
    return f"expected one of {listed(known, see=see)}, got {got!r}{likely(known, got)}"


def listed(known: Collection[str], *, see: str = "") -> str:
    """Return the names with commas between; of very many the first ones, or what lists them."""
    if see and len(known) > MOST_LISTED:
        return f"those that `{see}` lists"
    more = ", ..." if len(known) > MOST_OF_A_FILE else ""
    return f"{', '.join(list(known)[:MOST_OF_A_FILE])}{more}"


def likely(known: Collection[str], got: str) -> str:
    """Return `: did you mean 'kill'?` if a name is close to what was written; else nothing."""
    close = get_close_matches(got, known, n=1)
    return f": did you mean {close[0]!r}?" if close else ""


def told(error: BaseException) -> str:
    """Return an error's type and text, such that any file can hold it, whatever raised it."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 -- a foreign class may raise anything here
        text = "(no text)"
    text = text.encode(errors="backslashreplace").decode()
    return f"{type(error).__name__}: {text[:MOST_TOLD]}" if text else type(error).__name__
