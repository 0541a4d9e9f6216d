"""What a campaign shows while it works: a live table on a terminal, elsewhere a line a minute."""

import threading
import time
from collections import Counter
from contextlib import ExitStack
from typing import Self

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from harness.campaign.outcome_file import Ended, Outcomes
from harness.common.rate import Rate
from harness.report.terminal import REFRESH_HZ, Terminal

LINE_EACH_S = 60.0
SHOWN_CAUSES = 8
ORDER = ("valid", "unknown", "invalid", "skipped", "failed")
AS_EXPECTED, AGAINST = " as expected", " against expectation"


class CampaignView:
    """Shows what a campaign's file says, until its context ends.

    Args:
        tasks: how many there are in all; 0 if that is not known.
    """

    def __init__(
        self,
        terminal: Terminal,
        outcomes: Outcomes,
        tasks: int,
        *,
        line_each_s: float = LINE_EACH_S,
    ) -> None:
        self._terminal, self._outcomes, self._tasks = terminal, outcomes, tasks
        self._line_each_s = line_each_s
        self._before, self._began_s = len(outcomes.ended), time.monotonic()
        self._over = threading.Event()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        if self._terminal.console.is_terminal:
            live = Live(
                get_renderable=self.table,
                console=self._terminal.console,
                refresh_per_second=REFRESH_HZ,
                transient=True,
            )
            self._stack.enter_context(live)
        else:
            lines = threading.Thread(target=self._say_lines, name="campaign-lines", daemon=True)
            lines.start()
            self._stack.callback(lines.join)
        self._stack.callback(self._over.set)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def line(self) -> str:
        """Return how far it is, in one line."""
        ended, running = list(self._outcomes.ended.values()), len(self._outcomes.running)
        of = f" of {self._tasks}" if self._tasks else ""
        took_min = (time.monotonic() - self._began_s) / 60
        per_min = (len(ended) - self._before) / took_min if took_min > 0 else 0.0
        left = self._tasks - len(ended)
        due = f", about {left / per_min:.0f} min left" if left > 0 and per_min else ""
        return (
            f"{len(ended)}{of} done ({tally(ended) or 'nothing yet'}), {running} running, "
            f"{per_min:.1f} a minute{due}"
        )

    def table(self) -> Group:
        """Return how far it is, who does what, and what was found, for a terminal."""
        at_work = Table(box=None, pad_edge=False, show_header=False)
        for started in list(self._outcomes.running.values()):
            again = f"attempt {started.attempt}" if started.attempt > 1 else ""
            at_work.add_row(f"  worker {started.worker}", started.task, Text(again, "yellow"))
        found = Table(box=None, pad_edge=False, show_header=False)
        ended = list(self._outcomes.ended.values())
        causes = Counter(one.cause for one in ended if one.cause)
        for cause, times in causes.most_common(SHOWN_CAUSES):
            found.add_row(f"  {cause}", f"{Rate(count=times, of=len(ended))}")
        return Group(Text(self.line(), "bold"), at_work, found)

    def _say_lines(self) -> None:
        while not self._over.wait(self._line_each_s):
            self._terminal.say(self.line())


def tally(ended: list[Ended]) -> str:
    """Return how many tasks came to which verdict, in words."""
    counts = Counter((one.verdict, _surprise(one)) for one in ended)
    kinds = ((verdict, beside) for verdict in ORDER for beside in ("", AS_EXPECTED, AGAINST))
    return ", ".join(f"{counts[kind]} {''.join(kind)}" for kind in kinds if counts[kind])


def _surprise(one: Ended) -> str:
    """Return what the verdict alone does not tell: an invalid control is no bad news."""
    if one.verdict == "valid":
        return "" if one.as_expected else AGAINST
    return AS_EXPECTED if one.as_expected else ""
