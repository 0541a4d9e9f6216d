"""`harness replay`: the recorded plan again, once or until there is a rate."""

import os
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from cluster.lending import Kept
from harness import recorded, results
from harness.commands.options import DEFAULT_RUNS, RunArgument, RunsOption
from harness.commands.running.campaign_of_runs import CampaignOfRuns
from harness.commands.running.crew import CampaignOption, Crew, SchedulerOption, WorkersOption
from harness.commands.running.launch import Ran, launch, once, prepare, publish
from harness.commands.running.ordered_run import Order
from harness.common import run_folder
from harness.common.harness_errors import ScenarioError
from harness.common.rate import Rate
from harness.common.run_folder import RunFolder
from harness.recorded import Recorded
from harness.report import judged
from harness.report.terminal import Terminal
from harness.scenario import loading
from harness.scenario.schema import Scenario
from harness.search.replay import Cause, differences


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(epilog="Example: harness replay runs/latest --times 20")(replay)


def replay(
    run: RunArgument,
    times: Annotated[int, typer.Option(min=1, help="How often.")] = 1,
    keep_in: RunsOption = DEFAULT_RUNS,
    *,
    same_nodes: Annotated[
        bool,
        typer.Option("--same-nodes", help="Hit the recorded nodes, whoever has the role now."),
    ] = False,
    workers: WorkersOption = None,
    scheduler: SchedulerOption = None,
    campaign: CampaignOption = None,
) -> int:
    """Run a recorded plan again, and say at what rate its failure shows."""
    crew = Crew(workers=workers, scheduler=scheduler, campaign=campaign)
    folder = run_folder.open_run(run)
    before, old = recorded.load(folder), judged.load(folder)
    chosen = loaded(folder, old)
    _require_plan_of(chosen, before, folder)
    if same_nodes and set(before.bound) != set(chosen.bind):
        raise ScenarioError(
            f"{run}: --same-nodes: expected the nodes of {', '.join(chosen.bind)} in its history, "
            f"got {', '.join(before.bound) or 'none'}"
        )
    terminal, cause = Terminal(), Cause.of(old)
    terminal.say(f"{old['scenario']}: recorded as {old['verdict']}{_of(cause)}; seed {chosen.seed}")
    order = Order(scenario=chosen, name=old["scenario"], again=before, same_nodes=same_nodes)
    statuses, shown, told = [], 0, 0
    rans = (
        _side_by_side(order, crew, times, keep_in, terminal)
        if crew.wanted
        else _in_turn(order, folder, times, keep_in, terminal)
    )
    with closing(rans):
        for number, ran in enumerate(rans, 1):
            statuses.append(results.exit_status(ran.results))
            again = again_as(old, cause, ran)
            shown, told = shown + again, told + (again or not judged.broken_off(ran.results))
            _tell(terminal, before, ran, number)
    what = "the failure" if cause.reasons else f"the verdict {old['verdict']}"
    terminal.say(f"{what} showed in {Rate(count=shown, of=told)} replays")
    if crew.wanted and len(statuses) < times:
        statuses.append(results.EXIT_UNKNOWN)
    return results.merge_exit_statuses(statuses)


def _in_turn(
    order: Order, folder: RunFolder, times: int, keep_in: Path, terminal: Terminal
) -> Generator[Ran, None, None]:
    """Replay here, all on one quorum, one after the other, until Ctrl-C."""
    with closing(Kept(once(terminal.say))) as kept:
        for _ in range(times):
            into = prepare(folder.scenario, order.scenario, keep_in, name=order.name)
            ran = launch(
                order.scenario,
                order.name,
                into,
                terminal,
                lend=kept.lend,
                again=order.again,
                same_nodes=order.same_nodes,
            )
            publish(ran, terminal)
            yield ran
            if ran.results.get("interrupted"):
                return


def _side_by_side(
    order: Order, crew: Crew, times: int, keep_in: Path, terminal: Terminal
) -> Generator[Ran, None, None]:
    """Replay on workers, until Ctrl-C; say of which replays nothing is known."""
    run_folder.make_folder(keep_in)
    elsewhere = replace(order, scenario=order.scenario.for_elsewhere())
    campaign = CampaignOfRuns(
        command="replay",
        crew=crew,
        runs=keep_in,
        orders={f"replay {number}": elsewhere for number in range(1, times + 1)},
        terminal=terminal,
    )
    try:
        with closing(campaign.outcomes()) as outcomes:
            for key, outcome in outcomes:
                if isinstance(outcome, Ran):
                    yield outcome
                else:
                    terminal.say(f"{key}: {outcome.word}: {outcome.why}")
    except KeyboardInterrupt:
        terminal.say("interrupted")


def loaded(folder: RunFolder, old: Mapping[str, Any]) -> Scenario:
    """Return the scenario of a run, with the seed it was run with."""
    return loading.load(folder.scenario).model_copy(update={"seed": old["seed"]})


def _require_plan_of(chosen: Scenario, before: Recorded, folder: RunFolder) -> None:
    """Refuse a plan that is another scenario's.

    Raises:
        ScenarioError: it plans an entry that the scenario has not.
    """
    kinds = {
        (number, place): entry.kind
        for number, phase in enumerate(chosen.phases)
        for place, entry in enumerate(phase.faults)
    }
    for planned in before.planned:
        if kinds.get((planned.phase, planned.entry)) != planned.kind:
            raise ScenarioError(
                f"{folder.plan}: expected the plan of scenario.yaml beside it, "
                f"got an injection ({planned.name}) that it has not"
            )


def again_as(old: Mapping[str, Any], cause: Cause, ran: Ran) -> bool:
    """Tell whether a replay failed of the same, or, of a run that did not fail, ended the same."""
    if cause.reasons:
        return cause.shows_in(ran.results)
    return not judged.broken_off(ran.results) and bool(ran.results["verdict"] == old["verdict"])


def _tell(terminal: Terminal, before: Recorded, ran: Ran, number: int) -> None:
    where = os.path.relpath(ran.folder.path)
    verdict = ran.results["verdict"]
    terminal.say(f"replay {number}: {verdict}{_of(Cause.of(ran.results))}; {where}")
    for sentence in differences(before, recorded.load(ran.folder)):
        terminal.say(f"  {sentence}")


def _of(cause: Cause) -> str:
    return f" ({', '.join(sorted(cause.reasons))})" if cause.reasons else ""
