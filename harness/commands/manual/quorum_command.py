"""`harness up`, `status`, `logs`, `down` and `clean`: quorums by hand, and what runs left."""

import sys
from typing import Annotated, get_args

import typer
from rich.console import Console

from cluster import starting
from cluster.cluster_errors import ClusterError, ContainerGoneError
from cluster.engine import fleet, labels, leftovers
from harness.commands import interrupts
from harness.commands.manual import faults_command as hurting
from harness.commands.manual import standing
from harness.commands.options import QuorumOption
from harness.common.harness_errors import HarnessError, ScenarioError
from harness.common.settings.quorum_config import DEFAULT_RELEASE, Release
from harness.report.terminal import Terminal, wide
from harness.scenario import loading

*_NEWER, _OLDEST = get_args(Release)
_RELEASES = f"{', '.join(_NEWER)} or {_OLDEST}"


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the command line."""
    app.command(epilog="Example: harness up --port 2181 && harness status && harness down")(up)
    app.command(epilog="Example: harness status")(status)
    app.command(epilog="Example: harness logs --node 3")(logs)
    app.command(epilog="Example: harness down")(down)
    app.command(epilog="Example: harness clean")(clean)


def up(
    nodes: Annotated[int, typer.Option(min=1, max=9, help="How many servers.")] = 5,
    zookeeper: Annotated[
        str | None,
        typer.Option(help=f"Exactly this release: {_RELEASES}.", show_default=DEFAULT_RELEASE),
    ] = None,
    image: Annotated[str | None, typer.Option(help="Any image like the official one.")] = None,
    heap_mb: Annotated[int, typer.Option(min=64, help="Heap of each server.")] = 256,
    port: Annotated[int | None, typer.Option(help="First of consecutive ports.")] = None,
    *,
    gateway_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="The gateway's; 9998 if that is free.")
    ] = None,
    gateway: Annotated[bool, typer.Option(help="Start a gateway, for HTTP, beside it.")] = True,
) -> None:
    """Start a quorum by hand, and a gateway beside it; they stay until `down`."""
    terminal = Terminal()
    named = {} if zookeeper is None else {"zookeeper": zookeeper}
    config = loading.cluster(
        {"nodes": nodes, "image": image, "heap_mb": heap_mb, "port": port, **named}
    )
    with interrupts.clean_exit():
        held = standing.hold(gateway_port, terminal.say) if gateway else None
        started = starting.up(config, by_hand=True, say=terminal.say)
        try:
            took_s = started.wait_ready()
            url = standing.start(started, held) if held else None
        except BaseException:
            started.down()
            raise
    terminal.say(f"quorum {started.run} ready in {took_s:.1f} s; connect string:")
    terminal.console.print(started.hosts, soft_wrap=True)
    if url:
        terminal.say(f"gateway: {url}")


def status() -> None:
    """Show every quorum that is up: nodes, roles, zxids, faults in force."""
    console = wide(Console(highlight=False))
    found = fleet.find()
    held = leftovers.runs(found.clients)
    for why in found.unreached.values():
        console.print(f"not looked at: {why}")
    if not held:
        console.print("no quorum is up; `harness up` starts one")
    for one in held:
        kind = "by hand" if one.by_hand else "left behind" if one.left else "of a run in progress"
        console.print(f"quorum {one.run} ({kind})")
        try:
            attached = starting.attach(found.of(one.run), one.run)
            table = hurting.status_table(attached)
        except ContainerGoneError:
            console.print("it has just ended")
            continue
        except ClusterError as error:  # it is being started or removed, or a part of it has died
            console.print(f"not shown: {error}")
            continue
        console.print(table)
        console.print(hurting.in_force(attached))
        console.print(standing.told(one.run))


def logs(
    node: Annotated[int | None, typer.Option(help="Only this server's.")] = None,
    run: QuorumOption = None,
) -> None:
    """Print the logs of the servers of a quorum that is up."""
    shown = hurting.the_quorum(run)
    if node is not None and node not in shown.nodes:
        known = ", ".join(map(str, shown.nodes))
        raise ScenarioError(f"--node: expected one of {known}, got {node}")
    for id, log in shown.logs():
        if node in {None, id}:
            sys.stdout.buffer.write(b"".join(b"node-%d  %b\n" % (id, x) for x in log.splitlines()))


def down(
    run: QuorumOption = None,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Also those that other checkouts started.")
    ] = False,
) -> None:
    """Remove the quorums that `up` or `run --keep` started, and their gateways.

    Without an option: those that this checkout started.
    """
    found, terminal = fleet.find(), Terminal()
    standing_now = [held for held in leftovers.runs(found.clients) if held.by_hand]
    if run is not None and run not in {held.run for held in standing_now}:
        known = ", ".join(held.run for held in standing_now) or "none"
        raise ScenarioError(f"--run: expected a quorum started by hand ({known}), got {run!r}")
    for held in standing_now:
        ours = run is None and (everything or held.checkout == labels.checkout())
        if ours or held.run == run:
            leftovers.remove_run(found.clients, held.run)
            leftovers.forget_engines(found, held.run, terminal.say)
            terminal.say(f"removed quorum {held.run}")
        elif run is None:
            place = held.checkout or "an older release"
            terminal.say(f"left quorum {held.run}, started from {place}; --all removes it, too")


def clean(
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Also runs in progress and quorums started by hand.")
    ] = False,
) -> None:
    """Remove what runs left behind: containers, networks, volumes, rules, processes."""
    try:
        found = fleet.find()
    except HarnessError:
        Terminal().say("no Docker engine answers, so nothing of ours runs in one")
        return
    removed = leftovers.clean(found, everything=everything, say=Terminal().say)
    Terminal().say(f"removed what {len(removed)} runs had left: {', '.join(removed) or 'nothing'}")
    hurting.heal_left(found, Terminal().say)
