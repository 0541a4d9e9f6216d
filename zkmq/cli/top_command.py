"""`zkmq top`: the queue live."""

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from zkmq.cli.invocation import JsonOption, Settings, Status
from zkmq.errors import NoQuorumError
from zkmq.operating.overview import Overview, Rates, rates
from zkmq.queue import Queue
from zkmq.zookeeper.server_status import ServerStatus, ask_servers

MOST_CONSUMERS = 20
MOST_PRIORITIES = 10


class Screen:
    """What `top` shows: the last look, and the rates since the look before it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._before: Overview | None = None
        self.now: Overview | None = None
        self.rates: Rates | None = None
        self.servers: list[ServerStatus] = []
        self.trouble = ""

    def look(self, queue: Queue) -> None:
        """Look again. If no server answers, the last look stays, and the trouble is told."""
        # A password or a certificate would have to go with the question.
        if self._settings.hosts and self._settings.security.ca is None:
            self.servers = ask_servers(self._settings.hosts)
        try:
            now = queue.overview()
        except NoQuorumError as error:
            self.trouble = str(error)
            return
        self._before, self.now, self.trouble = self.now, now, ""
        self.rates = rates(self._before, now, queue.charter.segment_items) if self._before else None

    def record(self) -> dict[str, object]:
        """The screen as JSON."""
        return {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "trouble": self.trouble or None,
            "stats": asdict(self.now.stats) if self.now else None,
            "rates": asdict(self.rates) if self.rates else None,
            "consumers": [
                asdict(each.registered) | {"held": each.held, "held_s": each.held_s}
                for each in (self.now.consumers if self.now else [])
            ],
            "servers": [asdict(each) for each in self.servers],
        }

    def page(self) -> Group:
        """The screen for people."""
        title = f"{self._settings.path}  {datetime.now(UTC):%H:%M:%S} UTC"
        parts: list[object] = [f"{title}  {self.trouble}".rstrip()]
        if self.now is not None:
            parts += [self._items(self.now), self._consumers(self.now)]
        if self.servers:
            parts.append(self._servers())
        return Group(*parts)  # type: ignore[arg-type] # all are renderable

    def _items(self, now: Overview) -> Table:
        counted, hz = now.stats, self.rates
        table = Table("items", "", "", "", box=None)
        rows: list[tuple[str, object, str, str]] = [
            (
                "ready",
                sum(counted.waiting.values()),
                "arrived",
                _rate(hz.arrived_hz if hz else None),
            ),
            ("held", counted.held, "taken", _rate(hz.taken_hz if hz else None)),
            ("delayed", counted.delayed, "ended", _rate(hz.ended_hz if hz else None)),
            ("dead", counted.dead, "oldest", _seconds(counted.oldest_s)),
            ("partial", counted.partial, "order", counted.order or "-"),
            ("skipped", counted.skipped, "producers", str(counted.producers)),
        ]
        for what, count, name, value in rows:
            table.add_row(what, str(count), name, value)
        if counted.paused is not None:
            table.add_row("paused", counted.paused or "yes", "", "")
        if len(counted.waiting) > 1:
            for priority, count in sorted(counted.waiting.items())[:MOST_PRIORITIES]:
                table.add_row(f"  priority {priority}", str(count), "", "")
        return table

    @staticmethod
    def _consumers(now: Overview) -> Table:
        title = f"{len(now.consumers)} consumers"
        table = Table(title, "holds", "for", "version", "", box=None)
        for each in now.consumers[:MOST_CONSUMERS]:
            said = each.registered
            held_for = _seconds(each.held_s)
            table.add_row(said.id, str(each.held), held_for, str(said.version), said.about)
        if len(now.consumers) > MOST_CONSUMERS:
            table.add_row(f"and {len(now.consumers) - MOST_CONSUMERS} more", "", "", "", "")
        return table

    def _servers(self) -> Table:
        table = Table("servers", "mode", "latency", "connections", "outstanding", "zxid", box=None)
        for each in self.servers:
            latency = "-" if each.latency_ms is None else f"{each.latency_ms:g} ms"
            rest = (each.connections, each.outstanding, each.zxid)
            cells = ("-" if cell is None else str(cell) for cell in rest)
            table.add_row(each.address, each.mode or "no answer", latency, *cells)
        return table


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: zkmq top --every-s 1")(top)


def top(
    context: typer.Context,
    every_s: Annotated[float, typer.Option(help="How often to look.", min=0.2)] = 2.0,
    count: Annotated[int | None, typer.Option(help="How often at most.", min=1)] = None,
    *,
    as_json: JsonOption = False,
) -> int:
    """Show the queue live: items, rates, oldest age, consumers and servers.

    Ctrl-C ends it. Into a pipe or a file, it writes one page for each look.

    Rates are of the time since the look before: items that came (put, due, or returned), that
    consumers took, and whose hold ended.
    """
    screen = Screen(context.obj)
    opened = context.obj.queue(calls="many", make=False)
    with contextlib.suppress(KeyboardInterrupt), opened as queue, _shower(as_json) as show:
        while True:
            screen.look(queue)
            show(screen)
            count = count - 1 if count else None
            if count == 0:
                break
            time.sleep(every_s)
    return Status.OK


@contextlib.contextmanager
def _shower(as_json: bool) -> Iterator[Callable[[Screen], None]]:  # noqa: FBT001 - an option
    """Give the function that shows a screen: as JSON, on the terminal, or page by page."""
    if as_json:
        yield lambda screen: print(json.dumps(screen.record()), flush=True)
    elif sys.stdout.isatty():
        with Live(console=Console(markup=False, highlight=False), auto_refresh=False) as live:
            yield lambda screen: live.update(screen.page(), refresh=True)
    else:
        console = Console(markup=False, highlight=False, width=1000)
        yield lambda screen: console.print(screen.page())


def _rate(hz: float | None) -> str:
    return "-" if hz is None else f"{hz:.1f}/s"


def _seconds(seconds: int | None) -> str:
    if seconds is None:
        return "-"
    minutes, left = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"
