"""What a stranger installs: wheel and sdist, with each set of extras, in a clean environment."""

import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from worlds import pages

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# The variables of a developer's shell that would let a clean environment see this checkout.
HIDDEN = ("PYTHONPATH", "VIRTUAL_ENV")
SCENARIO = "seed/no-fault"

pytestmark = pytest.mark.docker

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build both distributions from this checkout, and give their folder."""
    folder = tmp_path_factory.mktemp("dist")
    tell([sys.executable, "-m", "hatchling", "build", "-d", str(folder)], cwd=ROOT)
    return folder


@pytest.fixture(scope="module")
def constraints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the pinned versions without their hashes, which pip would demand of the wheel too."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = [line.rstrip(" \\") for line in lines if "==" in line and line[0] != " "]
    path = tmp_path_factory.mktemp("pins") / "constraints.txt"
    path.write_text("\n".join(pins) + "\n")
    return path


@pytest.fixture
def installed(built: Path, constraints: Path, tmp_path: Path) -> Callable[[str], Run]:
    """Give a function that installs the wheel with an extra, and one that runs in there."""

    def install(extra: str) -> Run:
        wheel = next(built.glob("*.whl"))
        return environment(tmp_path, f"{wheel}{extra}", constraints)

    return install


def environment(folder: Path, what: str, constraints: Path) -> Run:
    """Install a distribution in a new environment; commands run from an empty folder."""
    home, empty = folder / "env", folder / "empty"
    empty.mkdir()
    tell([sys.executable, "-m", "venv", "--without-pip", str(home)])
    pip = [sys.executable, "-m", "pip", "--python", str(home / "bin/python"), "install", "-q"]
    # Six environments without a pip of their own, and without bytecode of what nothing imports.
    tell([*pip, "--no-compile", "--disable-pip-version-check", "-c", str(constraints), what])

    def run(name: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [str(home / "bin" / name), *arguments]
        return subprocess.run(
            command, cwd=empty, env=clean(), capture_output=True, text=True, check=False
        )

    return run


def clean() -> Mapping[str, str]:
    """Return this process' variables without those that lead back here."""
    return {k: v for k, v in os.environ.items() if k not in HIDDEN}


def tell(command: list[str], cwd: Path | None = None) -> None:
    """Run a command that must succeed, and show what it said if it does not."""
    done = subprocess.run(
        command, cwd=cwd, env=clean(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


def test_the_queue_alone_needs_kazoo_alone(installed: Callable[[str], Run]) -> None:
    """Without extras there is the queue, and each command says which packages it lacks."""
    run = installed("")
    imported = run("python", "-c", "import zkmq, sys; print(sorted(sys.modules))")
    assert imported.returncode == 0, imported.stderr
    assert PROJECT["dependencies"] == ["kazoo>=2.10,<3"]
    for command, extra in (("zkmq", "zkmq[cli]"), ("harness", "zkmq[harness]")):
        refused = run(command, "--help")
        assert (refused.returncode, extra in refused.stderr) == (1, True), refused.stderr
        assert "Traceback" not in refused.stderr


def test_the_command_line_needs_no_web_server(installed: Callable[[str], Run]) -> None:
    """`zkmq[cli]` has every command; the gateway says which packages it lacks."""
    run = installed("[cli]")
    assert "reserve" in run("zkmq", "--help").stdout
    refused = run("zkmq", "gateway", "--hosts", "127.0.0.1:1")
    assert (refused.returncode, "zkmq[rest]" in refused.stderr) == (1, True), refused.stderr


def test_the_gateway_and_its_client_come_together(installed: Callable[[str], Run]) -> None:
    """`zkmq[rest]` imports both sides of the REST interface."""
    run = installed("[rest]")
    both = run("python", "-c", "import zkmq.rest.client, zkmq.rest.server.serving")
    assert both.returncode == 0, both.stderr


def test_celery_finds_its_transport(installed: Callable[[str], Run]) -> None:
    """`zkmq[celery]` brings Celery, whose broker URL may be zkmq's."""
    run = installed("[celery]")
    program = "import zkmq.celery, celery; print(celery.Celery(broker='zkmq://a/b').connection().as_uri())"
    told = run("python", "-c", program)
    assert (told.returncode, told.stdout) == (0, "zkmq://a:2181/b\n"), told.stderr


def test_the_harness_runs_from_an_empty_folder(
    installed: Callable[[str], Run], tmp_path: Path
) -> None:
    """`zkmq[harness]` carries its scenarios, its images' files and pytest's plugin; one's own
    queue is found where the command is called.
    """
    run = installed("[harness]")
    ran = run("harness", "run", SCENARIO)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"{SCENARIO}: valid" in ran.stdout + ran.stderr
    assert run("harness", "new", "my.yaml").returncode == 0
    assert run("harness", "plan", "my.yaml").returncode == 0
    (tmp_path / "empty/naive_queue.py").write_text(pages.naive_queue())
    (tmp_path / "empty/naive.yaml").write_text(pages.blocks("your-own-queue.md", "yaml")[0])
    planned = run("harness", "plan", "naive.yaml")
    assert planned.returncode == 0, planned.stderr
    asked = run("pytest", "--scenarios", ".", "--collect-only", "-q")
    assert "my.yaml" in asked.stdout, asked.stdout + asked.stderr


def test_the_sdist_builds_the_same_package(built: Path, constraints: Path, tmp_path: Path) -> None:
    """From the sdist, without extras, there is the queue, and the scenarios are in it."""
    run = environment(tmp_path, str(next(built.glob("*.tar.gz"))), constraints)
    seen = run(
        "python",
        "-c",
        "import harness, zkmq; from pathlib import Path;"
        "print(len(list(Path(harness.__file__).parent.rglob('scenarios/**/*.yaml'))))",
    )
    assert int(seen.stdout) == len(list((ROOT / "scenarios").rglob("*.yaml"))), seen.stderr
