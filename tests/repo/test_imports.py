"""Who may import whom: the contracts of import-linter in pyproject.toml, complete and kept."""

import subprocess
import sys
import tomllib
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[2]
PACKAGES = ("zkmq", "harness", "cluster")
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
    "contracts"
]


def test_the_contracts_hold() -> None:
    """No module imports one that its room may not."""
    lint = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command as main; main()",
    ]
    told = subprocess.run(
        [*lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stdout + told.stderr


def test_every_outside_package_has_its_rooms() -> None:
    """Each package from outside stands in a contract that says who may import it."""
    graph = grimp.build_graph(*PACKAGES, include_external_packages=True, cache_dir=None)
    used = {name.split(".")[0] for name in graph.modules} - set(PACKAGES) - sys.stdlib_module_names
    listed = {m for c in CONTRACTS if c["type"] == "protected" for m in c["protected_modules"]}
    assert used == listed - set(PACKAGES)
