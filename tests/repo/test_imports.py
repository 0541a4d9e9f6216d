"""Who may import whom: the table of docs/architecture, as a test."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("zkmq", "cluster", "harness")
# First match wins: (path prefix, what it may import besides the standard library). None: anything.
TABLE: tuple[tuple[str, frozenset[str] | None], ...] = (
    ("zkmq/cli", frozenset({"zkmq", "kazoo", "tenacity", "typer", "rich"})),
    (
        "zkmq/rest/",
        frozenset(
            {
                "zkmq",
                "kazoo",
                "tenacity",
                "starlette",
                "uvicorn",
                "httpx",
                "typer",
                "rich",
                "httptools",  # the parser below uvicorn, whose limits the gateway tightens
            }
        ),
    ),
    ("zkmq/", frozenset({"zkmq", "kazoo", "tenacity"})),
    ("cluster/trees.py", frozenset({"cluster", "harness.target", "docker", "tenacity", "kazoo"})),
    ("cluster/", frozenset({"cluster", "harness.target", "docker", "tenacity"})),
    ("harness/cli", None),
    ("harness/commands/", None),  # the command line, in more than one file: docs/adr/0001
    ("harness/serve.py", None),
    ("harness/pytest_plugin.py", None),
    ("harness/report/", frozenset({"harness", "jinja2", "plotly", "rich", "numpy"})),
    ("harness/workloads/", frozenset({"harness", "zkmq", "kazoo"})),
    (
        "harness/faults/",
        frozenset({"harness.target", "harness.registry", "harness.errors", "harness.faults"}),
    ),
    (
        "harness/checkers/",
        frozenset(
            {
                "harness.history",
                "harness.verdict",
                "harness.registry",
                "harness.errors",  # what a checker says of a history it is not defined for
                "harness.checkers",
                "numpy",
                "numba",
            }
        ),
    ),
    ("harness/", frozenset({"harness", "yaml", "pydantic", "msgspec", "numpy"})),
)
IMPURE = {"time", "random"}  # a checker reads no clock and draws no number


def modules() -> list[Path]:
    """Return every module of the three packages, relative to the root."""
    return sorted(p.relative_to(ROOT) for name in PACKAGES for p in (ROOT / name).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """Give the dotted name of everything a module imports, wherever in it."""
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def allowed(name: str, names: frozenset[str]) -> bool:
    """Say whether a dotted name is one of the allowed ones, or inside of one."""
    return any(name == entry or name.startswith(f"{entry}.") for entry in names)


@pytest.mark.parametrize("path", modules(), ids=str)
def test_a_module_imports_only_what_its_package_may(path: Path) -> None:
    """Each module keeps to the row of the table that is its own."""
    names = next(names for prefix, names in TABLE if str(path).startswith(prefix))
    if names is None:
        return
    foreign = {n for n in imported(path) if n.split(".")[0] not in sys.stdlib_module_names}
    assert [n for n in sorted(foreign) if not allowed(n, names)] == []


@pytest.mark.parametrize("path", sorted((ROOT / "harness/checkers").glob("*.py")), ids=str)
def test_a_checker_is_pure(path: Path) -> None:
    """No checker imports a clock or a source of random numbers."""
    assert IMPURE.isdisjoint(n.split(".")[0] for n in imported(path.relative_to(ROOT)))
