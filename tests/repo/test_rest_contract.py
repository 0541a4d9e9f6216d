"""Every clause of the REST contract has a test that names it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
CLAUSES = re.findall(
    r"^\| ([0-9.]+) \|", (ROOT / "docs/rest-contract.md").read_text(), re.MULTILINE
)
NAMED = re.compile(r"([0-9.]+(?:, [0-9.]+)*): ")


def named() -> Iterator[str]:
    """Give the clauses at the beginning of the tests' docstrings."""
    for path in (ROOT / "tests").glob("*/rest/**/test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                match = NAMED.match(ast.get_docstring(node) or "")
                yield from match.group(1).split(", ") if match else ()


def test_every_clause_is_named_by_a_test() -> None:
    """No clause of docs/rest-contract.md is without a test, and no test names one that is not."""
    assert len(CLAUSES) == len(set(CLAUSES)) == 34
    assert set(CLAUSES) == set(named())
