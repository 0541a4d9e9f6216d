"""The versions that a run ran on, for versions.json; to repeat the run, use the same."""

import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from harness.target import Quorum

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
