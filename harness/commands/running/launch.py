"""Run one scenario on a quorum in Docker and write all that is kept of it."""

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cluster import lending
from cluster.engine import labels
from harness import run as runs
from harness.common import run_folder
from harness.common.harness_errors import ScenarioError
from harness.common.run_folder import RunFolder
from harness.common.settings.quorum_config import QuorumConfig
from harness.recorded import Recorded
from harness.report import junit, page
from harness.scenario import loading
from harness.scenario.schema import Scenario
from harness.target import Quorum
from harness.view import View

Lend = Callable[[QuorumConfig], AbstractContextManager[Quorum]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A run that was judged.

    Attributes:
        results: what stands in results.json.
        took_s: from the start of the quorum to the verdict.
    """

    folder: RunFolder
    results: Mapping[str, Any]
    took_s: float


def prepare(file: Path, scenario: Scenario, keep_in: Path, *, name: str | None = None) -> RunFolder:
    """Make the folder of a run of a scenario, under its own name or another.

    Raises:
        ScenarioError: no folder can be made in `keep_in`, or the subject cannot be used.
    """
    loading.require_runnable(scenario)
    run_folder.make_folder(keep_in)
    try:
        return run_folder.create(
            keep_in.resolve(), name or run_folder.name_of(file), scenario.seed, scenario.text
        )
    except OSError as error:
        raise ScenarioError(
            f"--runs: expected a folder that can be written to, got {keep_in}: {error.strerror}"
        ) from error


def launch(
    scenario: Scenario,
    name: str,
    folder: RunFolder,
    view: View,
    *,
    lend: Lend | None = None,
    again: Recorded | None = None,
    same_nodes: bool = False,
) -> Ran:
    """Run a scenario in its folder and judge it, on what `lend` gives: by default a new quorum.

    `again` and `same_nodes` are as in run.execute.

    Raises:
        HarnessError: the harness, Docker or the machine failed; what was recorded is kept.
    """
    began_s = time.monotonic()
    results = runs.execute(
        scenario,
        name,
        folder,
        lend or partial(lending.started, by_hand=False, say=view.say),
        view,
        environment={labels.OWNER_VARIABLE: str(labels.Owner.me())},
        again=again,
        same_nodes=same_nodes,
    )
    return Ran(folder=folder, results=results, took_s=time.monotonic() - began_s)


def once(say: Callable[[str], None]) -> Callable[[str], None]:
    """Return a `say` that leaves out lines that it has said: where the servers come from."""
    said = set[str]()

    def say_new(text: str) -> None:
        if text not in said:
            said.add(text)
            say(text)

    return say_new


def publish(ran: Ran, view: View) -> None:
    """Write what people and CI read of a judged run: report.html and junit.xml."""
    try:
        page.write(ran.folder)
        junit.write([junit.Suite.of(ran.results, ran.took_s)], ran.folder.path / junit.FILE)
    except Exception as error:  # noqa: BLE001 -- a defect of a report must not hide the verdict
        view.say(f"the report could not be written: {type(error).__name__}: {error}")
