"""`harness inject`, `heal` and `top`: hurt a quorum that is up by hand, and watch it."""

import json
import math
import time
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cluster import starting
from cluster.cluster_errors import ContainerGoneError, EngineError
from cluster.engine import fleet, ledger, leftovers, turns
from cluster.engine.fleet import Fleet
from cluster.quorum import DockerQuorum
from harness.commands.options import QuorumOption
from harness.common.harness_errors import ScenarioError, TargetError
from harness.nemesis import by_hand, undo
from harness.report.terminal import Terminal
from harness.scenario import yaml_document

REFRESH_S = 1.0
EXIT_DID_NOT_BITE = 2


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the command line."""
    app.command(epilog="Example: harness inject partition --groups 1,2/3,4,5 --for 60")(inject)
    app.command(epilog="Example: harness heal")(heal)
    app.command(epilog="Example: harness top")(top)


def inject(
    fault: Annotated[str, typer.Argument(help="One of the faults that `list` shows.")],
    target: Annotated[str | None, typer.Argument(help="A role, or the number of a node.")] = None,
    *,
    groups: Annotated[str | None, typer.Option(help="Of `partition`, such as 1,2/3,4,5.")] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="Another key, such as wipe=true; repeatable.")
    ] = None,
    for_s: Annotated[int, typer.Option("--for", min=1, help="Seconds it may last.")] = 600,
    run: QuorumOption = None,
) -> int:
    """Inject a fault into the quorum that is up, and say what was observed of it."""
    settings = _settings(target, groups, setting or [])
    undo.fault_of(fault, settings)  # before an engine is asked for
    hurt = the_quorum(run)
    in_force = hurt.ledger.open()
    until_s = ledger.uptime_s() + for_s
    # A sandbox has one lease: a short fault must not end a longer one that was there before.
    last_s = max([until_s, *(float(entry.get("until_s", 0)) for entry in in_force)])
    hurt.limit_faults(for_s + math.ceil(last_s - until_s))
    injected = by_hand.inject(
        hurt,
        fault,
        settings,
        id=time.monotonic_ns(),
        in_force=in_force,
        until_s=until_s,
    )
    terminal = Terminal()
    shown = "it took effect" if injected.bit else "nothing shows that it took effect"
    terminal.say(f"{injected.what}: {shown}")
    terminal.say(json.dumps(injected.evidence))
    return 0 if injected.bit else EXIT_DID_NOT_BITE


def heal(run: QuorumOption = None) -> None:
    """Undo every fault in force on the quorum that is up."""
    hurt = the_quorum(run)
    healed = undo.heal(hurt, hurt.ledger, hurt.ledger.open())
    Terminal().say(f"healed: {', '.join(healed) or 'nothing was in force'}")


def top(run: QuorumOption = None) -> None:
    """Show roles, zxids and faults in force, live, until Ctrl-C."""
    watched = the_quorum(run)
    with Live(refresh_per_second=4, console=Console(highlight=False)) as live:
        while True:
            live.update(Group(status_table(watched), Text(in_force(watched))))
            time.sleep(REFRESH_S)


def the_quorum(run: str | None) -> DockerQuorum:
    """Return the quorum meant: the one named, or the only one that is up.

    Raises:
        ScenarioError: it is not, or which one is meant cannot be told.
    """
    found = fleet.find()
    up_now = [held.run for held in leftovers.runs(found.clients)]
    if run is None and len(up_now) == 1:
        run = up_now[0]
    if run not in up_now:
        known = ", ".join(up_now) or "none"
        raise ScenarioError(f"--run: expected the id of a quorum that is up ({known}), got {run!r}")
    return starting.attach(found.of(run), run)


def status_table(target: DockerQuorum) -> Table:
    """Return who is what, where and how far."""
    headings = ("node", "mode", "address", "zxid", "synced followers")
    table = Table(*headings, box=None, pad_edge=False)
    for seen in target.statuses(metrics=True):
        zxid = "" if seen.zxid is None else f"0x{seen.zxid:x}"
        synced = (seen.metrics or {}).get("zk_synced_followers", "")
        address = target.nodes[seen.node].client_address
        table.add_row(str(seen.node), seen.mode, address, zxid, synced)
    return table


def in_force(target: DockerQuorum) -> str:
    """Return the faults in force and when each ends, by the quorum's ledger, in one line."""
    up_s = ledger.uptime_s()
    told = [undo.told(entry, target.nodes, up_s) for entry in target.ledger.open()]
    return f"faults in force: {'; '.join(told) or 'none'}"


def tidy(say: Callable[[str], None]) -> None:
    """Remove and heal what killed harnesses left, before a run; nothing without an engine.

    What cannot be removed or healed is told: it is no reason not to run.
    """
    try:
        found = fleet.find()
    except EngineError:
        return  # the run starts one, and nothing of ours can be in it
    try:
        if removed := leftovers.clean(found, say=say):
            say(f"removed what killed runs had left: {', '.join(removed)}")
        heal_left(found, say)
    except TargetError as error:
        say(f"could not tidy up what killed runs had left: {error}")


def heal_left(found: Fleet, say: Callable[[str], None]) -> None:
    """Heal on every quorum what its injector left when it was killed, or beyond its time.

    Raises:
        TargetError: one could not be healed; the others are.
    """
    refusals = list[TargetError]()
    for held in leftovers.runs(found.clients):
        if not ledger.LedgerFile(held.run).left():
            continue
        try:
            # A quorum that another process removes is gone, with its faults, when the turn comes.
            with turns.turn(held.run):
                healed = _heal_left(found, held.run)
        except ContainerGoneError:
            continue
        except TargetError as error:
            refusals.append(error)
            continue
        if healed:
            say(f"quorum {held.run}: healed what was left: {', '.join(healed)}")
    if refusals:
        raise refusals[0]


def _heal_left(found: Fleet, run: str) -> list[str]:
    hurt = starting.attach(found.of(run), run)
    return undo.heal(hurt, hurt.ledger, ledger.LedgerFile(run).left())


def _settings(target: str | None, groups: str | None, words: Sequence[str]) -> dict[str, Any]:
    """Read a fault's settings from the command line; values are YAML, as in a scenario."""
    settings: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise ScenarioError(f"--set: expected KEY=VALUE, got {word!r}")
        settings[key.replace("-", "_")] = yaml_document.value(value, f"--set {key}")
    if target is not None:
        settings["target"] = {"node": int(target)} if target.isdigit() else target
    if groups is not None:
        settings["groups"] = [
            [int(id) if id.isdigit() else id for id in group.split(",")]
            for group in groups.split("/")
        ]
    return settings
