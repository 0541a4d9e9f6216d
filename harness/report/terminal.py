"""The terminal: a live view of the run, or one line an event where there is no terminal."""

import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import Progress as Bars
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from harness import words
from harness.common.progress import Progress
from harness.common.run_clock import Clock
from harness.report import batch_summary
from harness.report.batch_summary import Row

REFRESH_HZ = 4
DOT_EACH_S = 0.9
UNBOUNDED = 100_000  # columns; a table is as wide as what is in it
RATE_WINDOW_S = 2.0
_MODE_STYLE = {
    "leader": "bold green",
    "follower": "green",
    "observer": "green",
    "standalone": "green",
}
_VERDICT_STYLE = {"valid": "bold green", "invalid": "bold red", "unknown": "bold yellow"}
_SUMMARY_WITNESSES = 5
_SHOWN_OF_A_CHECK = 2
_SHOWN_FAULTS = 4


class Terminal:
    """The view that `harness run` gives its user."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(file=sys.stdout, highlight=False)
        self._clock: Clock | None = None
        self._lock = threading.Lock()
        self._line_is_open = False

    def say(self, text: str) -> None:
        """Print one line, with the run's time once it runs."""
        stamp = f"{self._clock.now_s():7.1f} s  " if self._clock is not None else ""
        with self._lock:
            self._end_line()
            self.console.print(f"{stamp}{text}", markup=False, soft_wrap=True)

    def write_raw(self, line: str) -> None:
        """Print a line for a program, as it is: no time before it, nothing cut or coloured."""
        with self._lock:
            self.console.file.write(line + "\n")

    def complain(self, text: str) -> None:
        """Print an error to standard error."""
        sys.stderr.write(f"harness: {text}\n")

    @contextmanager
    def live(self, progress: Progress, clock: Clock) -> Iterator[None]:
        """Show roles, faults and rates while the context lasts; nothing more without a terminal."""
        self._clock = clock
        try:
            if not self.console.is_terminal:
                yield
                return
            picture = _Picture(progress, clock)
            with Live(
                get_renderable=picture.render,
                console=self.console,
                refresh_per_second=REFRESH_HZ,
                transient=True,
            ):
                yield
        finally:
            self._clock = None

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Show what is under way if it takes a second: a clock; without a terminal, dots."""
        if self.console.is_terminal:
            columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
            with Bars(*columns, console=self.console, transient=True) as bars:
                bars.add_task(what, total=None)
                yield
            return
        over = threading.Event()
        dots = threading.Thread(target=self._dots, args=(what, over), daemon=True)
        dots.start()
        try:
            yield
        finally:
            over.set()
            dots.join()
            with self._lock:
                self._end_line()

    def _dots(self, what: str, over: threading.Event) -> None:
        told = f"{what} ."
        while not over.wait(DOT_EACH_S):
            self._write(told)
            told = "."

    def _write(self, text: str) -> None:
        """Write a part of a line; `say` ends the line first."""
        with self._lock:
            self.console.print(text, end="", markup=False, soft_wrap=True)
            self.console.file.flush()
            self._line_is_open = True

    def _end_line(self) -> None:
        if self._line_is_open:
            self.console.print()
            self._line_is_open = False

    def batch(self, rows: Sequence[Row], *, of_many: bool = False) -> None:
        """Print what came of several scenarios: a table, and each failure in words.

        With `of_many`, only those that need a look are in the table.
        """
        bad = [row for row in rows if row.state not in {"as expected", "skipped"}]
        if shown := bad if of_many else rows:
            self.console.print()
            wide(self.console).print(batch_summary.table(shown))
        for line in batch_summary.closing(rows):
            self.console.print(line, soft_wrap=True)

    def summary(self, results: Mapping[str, Any], folder: str) -> None:
        """Print what came out, in at most 25 lines."""
        for line in summary_lines(results, folder):
            self.console.print(line, soft_wrap=True)


def wide(console: Console) -> Console:
    """Return a console that cuts nothing where there is no terminal, such as in a pipe."""
    if console.is_terminal:
        return console
    return Console(file=console.file, width=UNBOUNDED, highlight=False, color_system=None)


def summary_lines(results: Mapping[str, Any], folder: str) -> list[Text]:
    """Return the end of a run as people read it: verdict, counts, faults, witnesses, path."""
    counts = results["counts"]
    lines = [_headline(results), Text(_counted(counts))]
    installed = [f for f in results["faults"] if f["outcome"] == "installed"]
    if results["faults"]:
        others = len(results["faults"]) - len(installed)
        rest = f", {others} skipped or indeterminate" if others else ""
        lines.append(Text(f"faults: {len(installed)} installed{_which(installed)}{rest}"))
    longest = results["availability"].get("longest_gap_s")
    if longest is not None:
        lines.append(Text(f"longest gap without a successful call: {longest:.1f} s"))
    lines += _findings(results)
    lines += [Text(f"server-logs: {known}") for known in words.known_defects(results)]
    if (why := results.get("interrupted")) is not None:
        lines.append(Text(f"interrupted by {why}: what was recorded is judged as far as it goes"))
    lines.append(Text(f"report: {folder}/report.html"))
    return lines


def _headline(results: Mapping[str, Any]) -> Text:
    verdict, agrees = results["verdict"], results["as_expected"]
    line = Text(f"{results['scenario']}: ")
    because = f" because {results['because']}" if results.get("because") else ""
    if agrees and verdict != "valid":
        line.append(f"{verdict}{because}, as expected", style=_VERDICT_STYLE["valid"])
        return line
    # A verdict that the scenario did not ask for is never green.
    line.append(
        verdict, style=_VERDICT_STYLE[verdict if agrees or verdict != "valid" else "invalid"]
    )
    if not agrees:
        line.append(f" (expected {results['expect']}{because})")
    return line


def _which(installed: Sequence[Mapping[str, Any]]) -> str:
    """Return the faults of a run, each once, a few of them; a colon before them."""
    told = list(dict.fromkeys(map(words.fault, installed)))
    more = f" and {len(told) - _SHOWN_FAULTS} others" if len(told) > _SHOWN_FAULTS else ""
    return f": {'; '.join(told[:_SHOWN_FAULTS])}{more}" if told else ""


def _counted(counts: Mapping[str, int | None]) -> str:
    kinds = ("acknowledged", "delivered", "lost", "duplicated", "unexpected", "redelivered")
    told = [f"{'unknown' if counts[kind] is None else counts[kind]} {kind}" for kind in kinds]
    return f"{counts['attempted']} puts attempted: " + ", ".join(told)


def _findings(results: Mapping[str, Any]) -> list[Text]:
    lines = []
    for check in words.gravest_first(results["checks"]):
        if check["verdict"] == "valid":
            continue
        shown = check["witnesses"][:_SHOWN_OF_A_CHECK]
        found = "; ".join(words.findings(check))
        lines.append(Text(f"{check['name']}: {check['verdict']}: {found}"))
        lines += [Text(f"  {witness['sentence']}") for witness in shown]
    return lines[: 2 * _SUMMARY_WITNESSES]


class _Picture:
    """The live view's content, made anew at each refresh."""

    def __init__(self, progress: Progress, clock: Clock) -> None:
        self._progress, self._clock = progress, clock
        self._samples: deque[tuple[float, int, int]] = deque()
        self._gap = (0, 0.0)  # what had succeeded, and since when nothing more has

    def render(self) -> Group:
        counts, now_s = self._progress.counts(), self._clock.now_s()
        nodes = Table.grid(padding=(0, 2))
        nodes.add_row(*(_node(s.node, s.mode) for s in self._progress.statuses))
        puts_hz, takes_hz = self._rates(now_s, counts)
        return Group(
            Text.assemble(
                (f"{now_s:7.1f} s  {self._progress.phase}", "bold"),
                f"  {time_left(self._progress, now_s)}",
            ),
            nodes,
            Text(f"faults in force: {', '.join(self._progress.in_force.values()) or 'none'}"),
            Text(
                f"put {counts.get('acknowledged', 0)} ({puts_hz:.0f}/s)  "
                f"taken {counts.get('delivered', 0)} ({takes_hz:.0f}/s)  "
                f"unknown {counts.get('info', 0)}  failed {counts.get('fail', 0)}  "
                f"last success {self._gap_s(now_s, counts):.1f} s ago"
            ),
        )

    def _gap_s(self, now_s: float, counts: Mapping[str, int]) -> float:
        succeeded = counts.get("acknowledged", 0) + counts.get("delivered", 0)
        if succeeded != self._gap[0]:
            self._gap = (succeeded, now_s)
        return now_s - self._gap[1]

    def _rates(self, now_s: float, counts: Mapping[str, int]) -> tuple[float, float]:
        sample = (now_s, counts.get("acknowledged", 0), counts.get("delivered", 0))
        self._samples.append(sample)
        while now_s - self._samples[0][0] > RATE_WINDOW_S:
            self._samples.popleft()
        first = self._samples[0]
        span_s = max(now_s - first[0], 1 / REFRESH_HZ)
        return (sample[1] - first[1]) / span_s, (sample[2] - first[2]) / span_s


def time_left(progress: Progress, now_s: float) -> str:
    """Return the expected time left, if known, and when the time limit ends the phase."""
    told = []
    if progress.phase_due_s is not None:
        left_s = progress.phase_due_s - now_s
        told.append(f"about {left_s:.0f} s left" if left_s >= 0 else f"{-left_s:.0f} s late")
    if progress.run_due_s is not None and progress.run_due_s != progress.phase_due_s:
        told.append(f"all phases {max(0.0, progress.run_due_s - now_s):.0f} s")
    if progress.limit_s is not None:
        told.append(f"at most {max(0.0, progress.limit_s - now_s):.0f} s left")
    return ", ".join(told)


def _node(node: int, mode: str) -> Text:
    return Text(f"{node} {mode}", style=_MODE_STYLE.get(mode, "bold red"))
