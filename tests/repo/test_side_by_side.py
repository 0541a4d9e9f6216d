"""Under `pytest -n` tests that share an engine or a fixture run in one process, others anywhere."""

import re
from pathlib import Path

import pytest
from conftest import TOGETHER

pytestmark = pytest.mark.medium

ROOT = Path(__file__).parents[2]
FILES = [str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("test_*.py")]
pytest_plugins = ["pytester"]
TELLS = """
import os, time
import pytest

@pytest.mark.parametrize("number", range(6))
def test_of(number):
    time.sleep(0.1)  # so that a process that is free would take the next
    with open(r"{told}", "a") as out:
        out.write(f"{name} {{os.getpid()}}\\n")
    until_s = time.monotonic() + {waits_s}
    while processes() < 2 and time.monotonic() < until_s:
        time.sleep(0.01)  # the other process may stand still for a while


def processes():
    with open(r"{told}") as told:
        return len({{line for line in told if line.startswith("{name} ")}})
"""
WAITS_S = 60.0


@pytest.mark.parametrize("paths", [paths for _, paths in TOGETHER])
def test_every_rule_has_files(paths: str) -> None:
    """No rule is left over from a file that was renamed."""
    assert [file for file in FILES if re.match(paths, file)]


def test_each_file_has_one_rule() -> None:
    """No file stands under two rules, of which the second would be ignored."""
    assert [f for f in FILES if sum(bool(re.match(paths, f)) for _, paths in TOGETHER) > 1] == []


def test_two_processes_share_the_rest(pytester: pytest.Pytester) -> None:
    """Commands, runs, and a file with fixtures are each in one process; units are in both."""
    told = pytester.path / "told.txt"
    pytester.makeconftest("")
    (pytester.path / "tests/integration/rest").mkdir(parents=True)
    (pytester.path / "tests/unit").mkdir()
    (pytester.path / "tests/conftest.py").write_text((ROOT / "tests/conftest.py").read_text())
    names = {
        "integration/test_run": "commands",
        "integration/test_by_hand": "commands",
        "integration/test_images": "runs",
        "integration/test_packages": "runs",
        "integration/rest/test_rest_client": "rest",
        "unit/test_names": "unit",
        "unit/test_more": "unit",
    }
    for file, name in names.items():
        text = TELLS.format(told=told, name=name, waits_s=WAITS_S if name == "unit" else 0.0)
        (pytester.path / f"tests/{file}.py").write_text(text)
    result = pytester.runpytest_subprocess("-n", "2", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=42)
    pids: dict[str, set[str]] = {}
    for line in told.read_text().splitlines():
        name, pid = line.split()
        pids.setdefault(name, set()).add(pid)
    assert {name: len(found) for name, found in pids.items()} == {
        "commands": 1,
        "runs": 1,
        "rest": 1,
        "unit": 2,
    }
