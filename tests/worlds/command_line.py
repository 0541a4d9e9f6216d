"""The command line in a process of its own, as a user starts it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def harness(*words: str, within_s: float = 400) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    return subprocess.run(
        [sys.executable, "-m", "harness.commands.harness_command", *words],
        capture_output=True,
        text=True,
        timeout=within_s,
        check=False,
        cwd=ROOT,
    )
