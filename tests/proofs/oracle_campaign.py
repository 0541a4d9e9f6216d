"""The oracle's histories as a campaign: chunks judged by many workers, stopped and resumed."""

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.campaign.outcome_file import Ended, OutcomeFile, opened
from harness.campaign.tasks import Began, Done, Executor, Task
from harness.commands.running.crew import Crew
from harness.common.harness_errors import RunError, told
from harness.common.run_clock import utc_stamp
from harness.report.campaign_view import CampaignView
from harness.report.terminal import Terminal
from proofs.oracle_chunk import Tally, chunk

Chunk = tuple[str, range]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a campaign, as `harness run` has them."""
    parser.add_argument("--workers", help="so many processes here, or auto")
    parser.add_argument("--scheduler", help="address of a Dask scheduler; see docs/campaigns.md")
    parser.add_argument("--campaign", help="name to go on with what was stopped")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of campaigns")


def compared(
    given: argparse.Namespace, chunks: Mapping[str, Sequence[Chunk]], tallies: dict[str, Tally]
) -> None:
    """Add up the chunks of each mix, as workers judge them; those decided before at once.

    Raises:
        HarnessError: it could not go on; what was added stands.
    """
    crew = Crew(workers=given.workers, scheduler=given.scheduler, campaign=given.campaign)
    tallies |= {mix: Tally() for mix in chunks}
    work = {f"{mix} {seeds.start}": (mix, seeds) for of in chunks.values() for mix, seeds in of}
    terminal = Terminal()
    said = [f"{key} {len(seeds)}" for key, (_, seeds) in work.items()]
    with opened(given.runs, crew.name, command="oracle", work=said, tasks=len(work)) as file:
        terminal.say(f"campaign {crew.name}: {len(work)} chunks; {file.folder}")
        left = {}
        for key, one in work.items():
            if (known := file.decided(key)) is None:
                left[key] = one
            else:
                tallies[one[0]].add(_tally(known))
        if len(left) < len(work):
            before = len(work) - len(left)
            terminal.say(f"{before} of {len(work)} decided before; going on with {len(left)}")
        if left:
            with (
                crew.executor(terminal.say, quorum=False) as executor,
                CampaignView(terminal, file.outcomes, len(work)),
            ):
                _judge(executor, left, file, tallies)


def _judge(
    executor: Executor, work: Mapping[str, Chunk], file: OutcomeFile, tallies: dict[str, Tally]
) -> None:
    undone = list[str]()
    tasks = (Task(key=key, call=chunk, arguments=(one,)) for key, one in work.items())
    for event in executor.run(tasks):
        if isinstance(event, Began):
            file.began(event.key, event.worker, event.attempt)
            continue
        mix = work[event.key][0]
        file.ended(_ended(event, mix))
        if event.error is None:
            tallies[mix].add(event.value)
        else:
            undone.append(f"{event.key}: {told(event.error)}")
    if undone:
        raise RunError(f"{len(undone)} chunks are not decided, the first: {undone[0]}")


def _ended(done: Done, mix: str) -> Ended:
    tally = done.value or Tally()
    wrong = tally.alarms or done.error
    return Ended(
        task=done.key,
        name=mix,
        verdict="unknown" if done.error else "invalid" if tally.alarms else "valid",
        at=utc_stamp(),
        as_expected=not wrong,
        decided=done.error is None,
        cause=str(done.error or "") or ("false alarm" if tally.alarms else ""),
        worker=done.worker,
        attempts=done.attempts,
        took_s=round(done.took_s, 3),
        figures={
            "counts": [[*key, number] for key, number in tally.counts.items()],
            "missed": tally.missed,
            "alarms": tally.alarms,
        },
    )


def _tally(ended: Ended) -> Tally:
    figures = ended.figures
    counts = Counter({(name, figure): number for name, figure, number in figures["counts"]})
    return Tally(counts, figures["missed"], figures["alarms"])
