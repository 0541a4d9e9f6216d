"""The scenarios that come with the harness, found by name from any folder."""

import os
import shlex
from pathlib import Path

from harness.common.harness_errors import ScenarioError

_PACKAGE = Path(__file__).parents[1]
ENDINGS = (".yaml", ".yml")


def folder() -> Path:
    """Return where they are: inside an installed package, or beside the package in a checkout."""
    installed = _PACKAGE / "scenarios"
    return installed if installed.is_dir() else _PACKAGE.parent / "scenarios"


def find(given: Path) -> Path:
    """Return the file that a path, or a name such as `seed/leader-kill`, means.

    Raises:
        ScenarioError: it is neither.
    """
    if given.suffix in ENDINGS or given.exists():
        return given
    for ending in ENDINGS:
        if (named := folder() / f"{given}{ending}").is_file():
            return named
    raise ScenarioError(
        f"{given}: expected a scenario's file, or its name as `harness list` prints it, got neither"
    )


def argument(file: Path) -> str:
    """Return what to write on a command line for a scenario's file, quoted for a shell.

    It is the file's name if it came with the harness, which works from any folder.
    """
    own = folder().resolve()
    if file.resolve().is_relative_to(own):
        return str(file.resolve().relative_to(own).with_suffix(""))
    return shlex.quote(os.path.relpath(file))


def names(place: Path) -> list[tuple[str, Path]]:
    """Return the scenarios below a folder: what to call each on the command line, and its file."""
    files = sorted(path for ending in ENDINGS for path in place.rglob(f"*{ending}"))
    if place.resolve() != folder().resolve():
        return [(str(path), path) for path in files]
    return [(str(path.relative_to(place).with_suffix("")), path) for path in files]
