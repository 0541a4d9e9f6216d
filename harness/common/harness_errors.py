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

MOST_TOLD = 2000  # characters of a foreign error's text


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


def told(error: BaseException) -> str:
    """Return an error's type and text, such that any file can hold it, whatever raised it."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 -- a foreign class may raise anything here
        text = "(no text)"
    text = text.encode(errors="backslashreplace").decode()
    return f"{type(error).__name__}: {text[:MOST_TOLD]}" if text else type(error).__name__
