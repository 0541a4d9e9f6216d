"""What the pytest plugin collects, and how it tells of a run; no quorum is started here."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.commands.running import pytest_items
from harness.commands.running.launch import Ran
from harness.commands.running.pytest_items import ByHand
from harness.common.harness_errors import TargetError, UnmetError
from harness.common.run_folder import RunFolder
from harness.nemesis import by_hand, undo
from harness.nemesis.by_hand import Injected

pytestmark = pytest.mark.medium

SCENARIO = """\
description: Nothing is hurt.
workload: [{put-all: {count: 1}}]
"""
COUNTED = ("attempted", "acknowledged", "delivered", "duplicated", "unexpected", "redelivered")
RESULTS: dict[str, Any] = {
    "scenario": "mine/quiet",
    "seed": 1,
    "verdict": "valid",
    "expect": "valid",
    "because": None,
    "as_expected": True,
    "counts": dict.fromkeys(COUNTED, 1) | {"lost": 0},
    "checks": [],
    "faults": [],
    "availability": {},
}
LOST = RESULTS | {"verdict": "invalid", "as_expected": False}
UNKNOWN = RESULTS | {"verdict": "unknown", "as_expected": False}
pytest_plugins = ["pytester"]
Run = Callable[..., pytest.RunResult]
NOT_ASKED = "not asked"


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return pytest in a project with scenarios and other YAML files."""
    monkeypatch.setattr(pytest_items, "tidy", lambda _: None)
    other = pytester.path / "scenarios" / "compose.yaml"
    other.parent.mkdir()
    other.write_text("services: {}\n# workload: none\n")
    for name in ("scenarios/mine/quiet.yaml", "elsewhere/quiet.yaml", "tests/scenarios.yaml"):
        file = pytester.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(SCENARIO)

    def run(*words: str) -> pytest.RunResult:
        plugin = ("-p", "harness.pytest_plugin", "-p", "no:cacheprovider")
        asked = () if "--scenarios" in words or NOT_ASKED in words else ("--scenarios", "scenarios")
        chosen = [word for word in words if word != NOT_ASKED]
        return pytester.runpytest_inprocess(*plugin, *asked, *chosen)

    return run


def judged(monkeypatch: pytest.MonkeyPatch, results: dict[str, Any]) -> None:
    """Let every run end with these results."""

    def launch(scenario: object, name: str, folder: RunFolder, view: object) -> Ran:
        return Ran(folder=folder, results=results | {"scenario": name}, took_s=0.0)

    monkeypatch.setattr(pytest_items, "launch", launch)
    monkeypatch.setattr(pytest_items, "publish", lambda *_: None)


def test_scenarios_are_collected_and_nothing_else(project: Run) -> None:
    """Only scenarios below the folder become tests, named as their runs are; no other YAML."""
    collected = project("--collect-only", "-q").stdout.str()
    assert "mine/quiet" in collected
    assert "1 test collected" in collected


def test_nothing_is_collected_unasked(project: Run) -> None:
    """Without the option or the setting no YAML file becomes a test, wherever it is."""
    assert "no tests collected" in project(NOT_ASKED, "--collect-only", "-q", ".").stdout.str()


def test_a_yml_file_is_one_too(project: Run, pytester: pytest.Pytester) -> None:
    """The other ending of YAML files is as good, and a path beside the option is kept."""
    (pytester.path / "scenarios" / "short.yml").write_text(SCENARIO)
    pytester.makepyfile(test_own="def test_own(): pass")
    collected = project("--collect-only", "-q", "test_own.py").stdout.str()
    assert "short" in collected
    assert "test_own" in collected
    assert "3 tests collected" in collected


def test_the_setting_asks_for_a_folder(project: Run, pytester: pytest.Pytester) -> None:
    """With the setting a folder is collected when pytest comes there."""
    pytester.makeini("[pytest]\nscenarios = elsewhere\n")
    collected = project(NOT_ASKED, "--collect-only", "-q", ".").stdout.str()
    assert "elsewhere/quiet.yaml" in collected
    assert "1 test collected" in collected


def test_nothing_beyond_the_project_is_collected(project: Run, tmp_path: Path) -> None:
    """A folder that is not below the root directory has no tests of this project."""
    outside = tmp_path / "scenarios" / "x.yaml"
    outside.parent.mkdir()
    outside.write_text(SCENARIO)
    collected = project("--collect-only", "-q", "--scenarios", str(outside.parent), "--rootdir=.")
    assert "no tests collected" in collected.stdout.str()


def test_what_the_machine_lacks_is_a_skip(project: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scenario whose `requires` is not met is skipped, with the reason."""

    def launch(*_: object) -> Ran:
        raise UnmetError("requires netem: this machine has not")

    monkeypatch.setattr(pytest_items, "launch", launch)
    result = project("-rs")
    result.assert_outcomes(skipped=1)
    assert "requires netem: this machine has not" in result.stdout.str()


def test_a_harness_that_fails_is_told_without_its_stack(
    project: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the harness says of the machine is what is shown."""

    def launch(*_: object) -> Ran:
        raise TargetError("node 2: expected an answer, got none")

    monkeypatch.setattr(pytest_items, "launch", launch)
    result = project()
    result.assert_outcomes(failed=1)
    assert "node 2: expected an answer, got none" in result.stdout.str()
    assert "Traceback" not in result.stdout.str()
    assert "def launch" not in result.stdout.str()


def test_an_interrupted_run_ends_the_session(project: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """After Ctrl-C, or SIGTERM, no other scenario is started."""
    judged(monkeypatch, UNKNOWN | {"interrupted": "Ctrl-C"})
    assert project().ret == 2


QUORUM = """\
import contextlib, os, signal
from pathlib import Path
from harness.commands.running import pytest_items

@contextlib.contextmanager
def started(*_, **__):
    class Quorum:
        def wait_ready(self, *, within_s):
            pass
    Path("up").touch()
    try:
        yield Quorum()
    finally:
        Path("up").unlink()

pytest_items.lending.started = started
pytest_items.tidy = lambda say: Path("tidied").touch()
"""


def test_sigterm_removes_the_quorum(pytester: pytest.Pytester) -> None:
    """SIGTERM to pytest ends the session as Ctrl-C does; what another left is removed first."""
    pytester.makeconftest(QUORUM)
    pytester.makepyfile(
        "import os, signal\nfrom pathlib import Path\n"
        "def test_one(zk_quorum):\n"
        "    assert Path('up').exists() and Path('tidied').exists()\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "def test_two(zk_quorum):\n    Path('went on').touch()\n"
    )
    command = [sys.executable, "-m", "pytest", "-p", "harness.pytest_plugin"]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider"], capture_output=True, timeout=300, check=False
    )
    assert done.returncode == 2, done.stdout
    assert not Path("up").exists()
    assert not Path("went on").exists()


def test_a_scenario_needs_docker(project: Run) -> None:
    """A selection without Docker leaves scenarios out."""
    assert "no tests collected" in project("--collect-only", "-m", "not docker").stdout.str()


def test_a_run_as_expected_passes(project: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The expected verdict is a passed test, and the run is kept below the project's folder."""
    judged(monkeypatch, RESULTS)
    result = project()
    result.assert_outcomes(passed=1)
    assert list(Path("runs/mine/quiet").glob("*/scenario.yaml"))


@pytest.mark.parametrize("results", [LOST, UNKNOWN], ids=["invalid", "unknown"])
def test_another_verdict_fails_with_the_summary(
    project: Run, monkeypatch: pytest.MonkeyPatch, results: dict[str, Any]
) -> None:
    """Neither a loss nor a run that shows nothing passes; the failure is the run's summary."""
    judged(monkeypatch, results)
    result = project()
    result.assert_outcomes(failed=1)
    shown = result.stdout.str()
    assert f"mine/quiet: {results['verdict']} (expected valid)" in shown
    assert "report.html" in shown
    assert "Traceback" not in shown


def test_a_wrong_scenario_fails_with_its_place(project: Run, pytester: pytest.Pytester) -> None:
    """A scenario that cannot be read is a failure that names file, line and key."""
    wrong = pytester.path / "scenarios" / "mine" / "quiet.yaml"
    wrong.write_text(SCENARIO + "nonsense: 1\n")
    result = project()
    result.assert_outcomes(failed=1)
    assert "quiet.yaml:3: nonsense: expected a known key" in result.stdout.str()
    assert "Traceback" not in result.stdout.str()
    assert "scenario.load" not in result.stdout.str()


class _Ledger:
    def open(self) -> list[dict[str, Any]]:
        return [{"id": 0}]


class _Quorum:
    ledger = _Ledger()
    waited_s = 0.0

    def wait_ready(self, *, within_s: float) -> float:
        self.waited_s = within_s
        return 0.0


def test_a_fault_that_did_not_bite_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test goes on only under a fault that took place."""
    bit = iter([True, False])
    monkeypatch.setattr(
        by_hand,
        "inject",
        lambda *_, **__: Injected(nodes=[3], what="kill node 3", evidence={}, bit=next(bit)),
    )
    nemesis = ByHand(_Quorum())  # type: ignore[arg-type]
    assert nemesis.inject("kill", target="leader") == [3]
    with pytest.raises(TargetError, match="kill node 3: expected evidence that it bit"):
        nemesis.inject("kill", target="leader")


def test_healing_waits_for_the_quorum(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that the ledger holds is healed, and the next test finds every server serving."""
    healed: list[Any] = []
    monkeypatch.setattr(undo, "heal", lambda *a: healed.extend(a[2]))
    quorum = _Quorum()
    ByHand(quorum).heal()  # type: ignore[arg-type]
    assert healed == [{"id": 0}]
    assert quorum.waited_s > 0


def test_every_pytest_starts_as_fast_as_before() -> None:
    """The plugin is loaded wherever the package is installed: alone it imports only pytest."""
    script = "import sys, pytest, harness.pytest_plugin; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=300
    )
    assert not {"docker", "pydantic", "numpy", "kazoo", "yaml"} & set(done.stdout.split())
