"""What starts quickly imports little: `import zkmq`, and the help of both commands."""

import subprocess
import sys
from pathlib import Path

import pytest
import typer

import zkmq
from harness.commands import harness_command
from zkmq.cli import zkmq_command

pytestmark = pytest.mark.medium

ROOT = Path(__file__).parents[2]
OURS = ("zkmq", "harness", "cluster")
# What takes a tenth of a second or more, or what `pip install zkmq` does not bring.
HEAVY = {"kazoo", "numpy", "numba", "pydantic", "docker", "httpx", "uvicorn", "jinja2"}


def loaded(program: str, *words: str) -> set[str]:
    """Return the modules that a new interpreter has loaded when a program has ended."""
    told = "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr))"
    done = subprocess.run(
        [sys.executable, "-c", f"{told}\n{program}", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stderr.split())


def test_importing_the_queue_loads_one_module() -> None:
    """`import zkmq` imports no other module of ours, no kazoo, no ssl, no dataclasses."""
    modules = loaded("import zkmq")
    assert {name for name in modules if name.partition(".")[0] in OURS} == {"zkmq"}
    assert modules & {"kazoo", "ssl", "dataclasses", "asyncio", "inspect"} == set()


def test_the_first_use_of_a_name_loads_it() -> None:
    """The control: with `zkmq.Queue` kazoo and ssl come, so their absence above says something."""
    assert {"zkmq.queue", "kazoo", "ssl"} <= loaded("import zkmq; zkmq.Queue")


@pytest.mark.parametrize("name", zkmq.__all__)
def test_every_public_name_is_found(name: str) -> None:
    """Each name of `__all__` is there, as an attribute and in `dir`, and keeps its own name."""
    found = getattr(zkmq, name)
    assert name in dir(zkmq)
    assert name in ("__version__", getattr(found, "__name__", None))


def test_a_wrong_name_is_an_attribute_error() -> None:
    """What is not there is told as by any module."""
    with pytest.raises(AttributeError, match="module 'zkmq' has no attribute 'Quue'"):
        _ = zkmq.Quue  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", ["zkmq", "harness"])
@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_loads_no_command(command: str, option: str) -> None:
    """`--help` and `--version` import no command, and nothing that takes long to import."""
    modules = loaded(f"from {command}.__main__ import main; main()", option)
    assert HEAVY & modules <= ({"kazoo"} if command == "zkmq" else set())
    assert "kazoo.client" not in modules
    groups = zkmq_command.COMMANDS if command == "zkmq" else harness_command.COMMANDS
    assert modules & set(groups) == set()


@pytest.mark.parametrize("word", ["--help", "--workers=2"])
def test_only_a_campaign_loads_dask(word: str) -> None:
    """The commands that can have workers import no Dask, unless they are asked for some."""
    found = "import harness.commands.running.run_command, harness.commands.searching.fuzz_command"
    found += (
        ", harness.commands.searching.replay_command, harness.commands.searching.shrink_command"
    )
    more = "; import harness.campaign.dask_cluster" if word != "--help" else ""
    assert ({"dask", "distributed"} <= loaded(found + more)) == (word != "--help")


def test_a_command_has_all_of_its_deadline() -> None:
    """What takes long to import is there before the command's clock starts, not after."""
    told = "from zkmq.cli import zkmq_command as z; began = z.now_s; import sys"
    asks = "z.now_s = lambda: (sys.stdout.write(str('kazoo.client' in sys.modules)), began())[1]"
    runs = "z.run(['--hosts', '127.0.0.1:1', '--deadline-s', '0.1', 'stats'])"
    done = subprocess.run(
        [sys.executable, "-c", "; ".join([told, asks, runs])],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "True", done.stderr


@pytest.mark.parametrize("app", [zkmq_command.app, harness_command.app], ids=["zkmq", "harness"])
def test_help_lists_the_first_line_of_each_command(app: typer.Typer) -> None:
    """The summaries that help shows without importing a command are those of the commands."""
    group = typer.main.get_group(app)
    for name, listed in group.commands.items():
        command = group.load(name)  # type: ignore[attr-defined]
        assert listed.help == command.help.splitlines()[0], name


@pytest.mark.parametrize("command", ["zkmq", "harness"])
def test_both_commands_tell_their_release(command: str) -> None:
    """`--version` prints what `zkmq.__version__` says."""
    done = subprocess.run(
        [sys.executable, "-m", command, "--version"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"zkmq {zkmq.__version__}\n"
