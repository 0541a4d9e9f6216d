"""The folder of a run: runs/<scenario>/<time>-<seed>/, and the files in it."""

import errno
import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import msgspec

from harness.common import files, run_clock
from harness.common.harness_errors import ScenarioError

LATEST = "latest"
_MARK_BYTES = 1 << 16
SAME_MOMENT = 1000  # tries for a folder of its own, a millisecond each


class _Mark(TypedDict):
    """The content of `running`, the mark of a run in progress."""

    scenario: str
    seed: int
    pid: int


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The files of one run; their names are stable, other programs read them."""

    path: Path

    @property
    def scenario(self) -> Path:
        """The scenario file as it was run."""
        return self.path / "scenario.yaml"

    @property
    def plan(self) -> Path:
        """The planned injections, one a line."""
        return self.path / "plan.jsonl"

    @property
    def parts(self) -> Path:
        """Folder of the histories that each process of the run wrote."""
        return self.path / "history"

    @property
    def history(self) -> Path:
        """The merged history, which checkers read."""
        return self.path / "history.jsonl"

    @property
    def results(self) -> Path:
        """The verdict, the counts and every check."""
        return self.path / "results.json"

    @property
    def versions(self) -> Path:
        """What ran: ZooKeeper, images, Python, packages, kernel, commit."""
        return self.path / "versions.json"

    @property
    def logs(self) -> Path:
        """The servers' logs, and what workers printed."""
        return self.path / "logs"

    @property
    def disks(self) -> Path:
        """The servers' disks at the end, if they were to be kept."""
        return self.path / "disks"

    @property
    def running(self) -> Path:
        """A file that exists until the run is judged; its harness holds a lock on it."""
        return self.path / "running"

    @contextmanager
    def in_progress(self, scenario: str, seed: int) -> Iterator[None]:
        """Mark the run as in progress; the kernel drops the lock however this process ends."""
        new = self.path / ".running"
        with new.open("wb", buffering=0) as mark:
            fcntl.flock(mark, fcntl.LOCK_EX)
            about = {"scenario": scenario, "seed": seed, "pid": os.getpid()}
            mark.write(msgspec.json.encode(about) + b"\n")
            new.replace(self.running)  # only now: who finds it without a lock takes us for dead
            yield

    def begun(self) -> dict[str, Any]:
        """Return scenario, seed and pid from the mark; an empty dict once the run was judged."""
        try:
            data = files.read(self.running, "mark", at_most=_MARK_BYTES)
            return dict(msgspec.json.decode(data, type=_Mark))
        except (ScenarioError, ValueError, RecursionError):
            return {}  # judged, or killed at this very moment, or of an older release

    def require_ended(self) -> None:
        """Refuse a run whose harness still works on it.

        Raises:
            ScenarioError: it is in progress.
        """
        try:
            with self.running.open("rb") as mark:
                fcntl.flock(mark, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return  # it was judged
        except BlockingIOError:
            pid = self.begun().get("pid")
            raise ScenarioError(
                f"{self.path}: expected a run that has ended, got one in progress (its harness is "
                f"process {pid}); nothing was touched; ask again when it has ended"
            ) from None

    def write_json(self, path: Path, data: Mapping[str, Any]) -> None:
        """Write a JSON file that appears whole or not at all, its keys in the given order."""
        files.write(path, msgspec.json.format(msgspec.json.encode(data), indent=2) + b"\n")


def create(runs: Path, name: str, seed: int, text: str) -> RunFolder:
    """Make the folder of a new run, with the text of its scenario, and point `latest` at it.

    Raises:
        OSError: it cannot be made.
    """
    run = RunFolder(new_folder(runs, name, seed))
    files.write(run.scenario, text.encode())
    run.parts.mkdir()
    run.logs.mkdir()
    point_latest(runs, run.path)
    return run


def new_folder(runs: Path, name: str, seed: int, *, began: str = "") -> Path:
    """Make a run's folder, named by when it `began`, or by now; no two runs get the same.

    Raises:
        OSError: it cannot be made.
    """
    (runs / name).mkdir(parents=True, exist_ok=True)
    for _ in range(SAME_MOMENT):
        folder = runs / name / f"{began or run_clock.utc_stamp()}-{seed}"
        try:
            folder.mkdir()
        except FileExistsError:
            began = ""
            time.sleep(0.001)
        else:
            return folder
    raise FileExistsError(errno.EEXIST, "runs of this scenario and millisecond are there", folder)


def open_run(path: Path) -> RunFolder:
    """Return the folder of a run that was made before.

    Raises:
        ScenarioError: it is no run's folder.
    """
    run = RunFolder(path.resolve())
    if not run.scenario.is_file():
        raise ScenarioError(
            f"{path}: expected the folder of a run (with a scenario.yaml), got none; "
            f"runs/latest is the newest"
        )
    return run


def make_folder(path: Path) -> None:
    """Make a folder for runs, if it does not exist.

    Raises:
        ScenarioError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ScenarioError(
            f"--runs: expected a folder that can be written to, got {path}: {error.strerror}"
        ) from error


def require_writable(file: Path, option: str) -> None:
    """Refuse, before anything runs, a file that cannot be written afterwards.

    Raises:
        ScenarioError: its folder is not there, or is not for writing.
    """
    if file.is_dir() or not os.access(file.absolute().parent, os.W_OK):
        raise ScenarioError(f"{option}: expected a file in a folder for writing, got {str(file)!r}")


def name_of(scenario: Path) -> str:
    """Return a scenario's name: its path under `scenarios/`, without the ending."""
    parts = scenario.resolve().with_suffix("").parts
    if "scenarios" in parts:
        last = len(parts) - 1 - parts[::-1].index("scenarios")
        name = "/".join(parts[last + 1 :])
    else:
        name = scenario.stem
    # runs/latest is the link to the newest run.
    return f"scenarios/{name}" if name.split("/")[0] == LATEST else name


def point_latest(runs: Path, folder: Path) -> None:
    """Make `latest` the link to a run's folder."""
    link, new = runs / LATEST, runs / f".{LATEST}-{os.getpid()}"
    new.unlink(missing_ok=True)  # of a process that had this number and was killed
    new.symlink_to(folder.relative_to(runs))
    new.replace(link)
