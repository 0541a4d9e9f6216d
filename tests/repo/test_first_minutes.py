"""The first minutes of a stranger: what `make run` says while it takes long, and at its end."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from harness.commands.harness_command import COMMANDS

ROOT = Path(__file__).parents[2]
NEXT = (ROOT / ".ci/next.txt").read_text()
# A Python whose environment has a pip that warns as the real one does.
PYTHON = """#!/bin/sh
case "$*" in *venv*bin*|*-m*venv*) mkdir -p "$3/bin"; cp "$(dirname "$0")/pip" "$3/bin/pip";; esac
"""
PIP = """#!/bin/sh
[ "${PIP_ROOT_USER_ACTION:-}" = ignore ] || echo "WARNING: Running pip as the 'root' user" >&2
[ "${PIP_DISABLE_PIP_VERSION_CHECK:-}" = 1 ] || echo "[notice] A new release of pip" >&2
case "$*" in *-qq*) ;; *) echo "WARNING: Location is ignored" >&2;; esac
exit "${PIP_STATUS:-0}"
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Give a folder with the script, a lock file of two packages, and a Python that pretends."""
    (tmp_path / "requirements.lock").write_text("a==1 \\\n    --hash=x\nb==2 \\\n    --hash=y\n")
    for name, text in (("python", PYTHON), ("pip", PIP)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return tmp_path


def venv(checkout: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run the script that makes the environment."""
    command = ["sh", str(ROOT / ".ci/venv"), "./python", ".venv"]
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PIP_")} | environment
    return subprocess.run(
        command, cwd=checkout, env=kept, capture_output=True, text=True, check=False
    )


def test_setup_says_what_it_does_and_passes_on_no_warning(checkout: Path) -> None:
    """It tells how many packages come and when it is ready, and pip's advice is not shown."""
    done = venv(checkout)
    first, *_, last = done.stderr.splitlines()
    assert "(2 of them); this takes a minute or two" in first
    assert re.fullmatch(r"setup: \.venv is ready after \d+ s", last)
    assert "WARNING" not in done.stderr
    assert "notice" not in done.stderr


def test_setup_that_fails_is_a_failure(checkout: Path) -> None:
    """A pip that fails ends the script with its status, and nothing is called ready."""
    done = venv(checkout, PIP_STATUS="3")
    assert done.returncode == 3
    assert "is ready" not in done.stderr


def test_what_to_try_next_exists() -> None:
    """Every scenario, target and command that the end of `make run` names is there."""
    scenarios = re.findall(r"S=(\S+)", NEXT)
    findings = re.findall(r"NAME=(\S+)", NEXT)
    commands = set(re.findall(r"harness (\w+)", NEXT))
    assert scenarios
    assert all((ROOT / path).is_file() for path in scenarios)
    assert all((ROOT / f"scenarios/findings/{name}.yaml").is_file() for name in findings)
    assert commands <= {name for names in COMMANDS.values() for name in names}


@pytest.mark.parametrize(("words", "shown"), [("", 1), ("S=scenarios/seed/priority.yaml", 0)])
def test_what_was_shown_is_said_of_the_main_job_only(words: str, shown: int) -> None:
    """Another scenario proves something else, and a run that fails ends before the claim."""
    command = ["make", "-n", "run", *words.split()]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    lines = told.splitlines()
    said = [number for number, line in enumerate(lines) if "cat .ci/next.txt" in line]
    assert len(said) == shown
    assert all("harness run" in lines[number - 1] for number in said)
