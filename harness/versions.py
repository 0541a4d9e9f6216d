"""The versions that a run ran on, for versions.json; to repeat the run, use the same."""

import json
import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from harness.common import files
from harness.common.harness_errors import ScenarioError
from harness.target import Quorum

MAX_BYTES = 10**6

_PACKAGES = ("zkmq", "kazoo", "docker", "tenacity", "pydantic", "numpy")


def around(quorum: Quorum) -> dict[str, Any]:
    """Return the versions of the quorum and of what runs beside it, and how long its start took."""
    return {
        **quorum.versions(),
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in _PACKAGES},
        "kernel": platform.release(),
        "commit": _commit(),
        "timings_s": {step: round(took_s, 3) for step, took_s in quorum.timings_s.items()},
    }


def releases(path: Path) -> dict[int, str]:
    """Return each server's release when a run began, as x.y.z, by its versions.json.

    A server that did not tell it then is left out; all are, if the file cannot be read.
    """
    try:
        told = json.loads(files.read(path, "versions", at_most=MAX_BYTES))["zookeeper"]
        found = {int(id): re.match(r"\d+\.\d+\.\d+", text) for id, text in told.items()}
    except (ScenarioError, ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return {}  # of an older release of the harness, or damaged: it is judged all the same
    return {id: match[0] for id, match in found.items() if match is not None}


def _commit() -> str | None:
    """Return the commit of this checkout, with `+` if it has changes; None outside of one."""
    try:
        told = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--abbrev=12"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return told.stdout.strip()
