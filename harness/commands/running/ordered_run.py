"""A run that another process does, here or on another machine: an order goes, a folder returns.

The worker runs in a folder of its own, and sends back all that is in it, so that it needs none of
the orderer's disks. What a worker that was killed left behind, the next order removes.
"""

import io
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from cluster.engine import labels
from harness.commands.manual.faults_command import tidy
from harness.commands.running.launch import launch, prepare, publish
from harness.common import run_folder
from harness.common.harness_errors import HarnessError
from harness.common.run_folder import RunFolder
from harness.recorded import Recorded
from harness.scenario.schema import Scenario
from harness.view import Silent

_LAST = "scenario.yaml"  # by it a folder is known as a run, so it arrives last


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A run to be done.

    Attributes:
        again, same_nodes: as in run.execute.
        wanted: whose folder: of every run, of those that are not valid, of none.
    """

    scenario: Scenario
    name: str
    again: Recorded | None = None
    same_nodes: bool = False
    wanted: Literal["all", "not valid", "none"] = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What came of an order.

    Attributes:
        results: None if there was no verdict, for the reason `failure`.
        began: when, as the names of runs say it.
        packed: the run's folder; empty if it is not wanted, or there is none.
    """

    results: Mapping[str, Any] | None = None
    failure: HarnessError = field(default_factory=HarnessError)
    took_s: float = 0.0
    began: str = ""
    packed: bytes = b""


def carry_out(order: Order) -> Delivered:
    """Run an order on a quorum of its own, here, and pack what it left."""
    tidy(Silent().say)
    with _place() as place:
        folder = prepare(Path(order.name), order.scenario, place, name=order.name)
        began = folder.path.name.removesuffix(f"-{order.scenario.seed}")
        try:
            ran = launch(
                order.scenario,
                order.name,
                folder,
                Silent(),
                again=order.again,
                same_nodes=order.same_nodes,
            )
        except HarnessError as failure:
            return Delivered(failure=failure, began=began, packed=pack(folder.path))
        came = Delivered(results=ran.results, took_s=ran.took_s, began=began)
        unwanted = order.wanted == "not valid" and ran.results["verdict"] == "valid"
        if unwanted or order.wanted == "none":
            return came
        publish(ran, Silent())
        return replace(came, packed=pack(folder.path))


def keep(order: Order, delivered: Delivered, runs: Path) -> RunFolder | None:
    """Unpack what an order left into a new folder below `runs`; None if it left nothing.

    Raises:
        OSError: it cannot be written; no part of it is left.
    """
    if not delivered.packed:
        return None
    runs, seed = runs.resolve(), order.scenario.seed
    folder = run_folder.new_folder(runs, order.name, seed, began=delivered.began)
    try:
        with zipfile.ZipFile(io.BytesIO(delivered.packed)) as packed:
            packed.extractall(folder)
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    run_folder.point_latest(runs, folder)
    return RunFolder(folder)


def pack(folder: Path) -> bytes:
    """Return all files below a folder in one archive."""
    packed = io.BytesIO()
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in sorted(files, key=lambda path: path.name == _LAST):
            archive.write(path, path.relative_to(folder))
    return packed.getvalue()


@contextmanager
def _place() -> Iterator[Path]:
    """Give a folder that is removed afterwards, by another worker if this one is killed."""
    mine = Path(tempfile.gettempdir()) / f"zkmq-campaign-{os.getuid()}"
    mine.mkdir(mode=0o700, exist_ok=True)
    for left in mine.iterdir():
        pid, _, ticks = left.name.partition("-")
        if pid.isdecimal() and str(labels.start_ticks(int(pid))) != ticks.partition("-")[0]:
            shutil.rmtree(left, ignore_errors=True)
    prefix = f"{os.getpid()}-{labels.start_ticks(os.getpid())}-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=mine) as place:
        yield Path(place)
