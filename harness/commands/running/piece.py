"""`harness run --piece I/N`: one piece of a long scenario, on the disks of the piece before."""

from pathlib import Path
from typing import Any

from harness.common import run_folder
from harness.common.harness_errors import ScenarioError
from harness.common.run_folder import RunFolder
from harness.report import judged
from harness.scenario import loading, pieces, yaml_document
from harness.scenario.pieces import Share
from harness.scenario.schema import Scenario
from harness.search import finding


def scenario(file: Path, piece: Share, *, keep_in: Path, seed: int | None) -> Scenario:
    """Return the scenario of a piece.

    Raises:
        ScenarioError: the file is no scenario, it has too few phases, or the piece before was not
            run with the same seed, or not as expected.
    """
    document = yaml_document.load(file)
    data: dict[str, Any] = document.data | ({} if seed is None else {"seed": seed})
    before = piece.before
    name = run_folder.name_of(file)
    disks = None if before is None else _disks_of(name, before, keep_in, data.get("seed", 1))
    text = finding.text(pieces.cut(data, piece, disks=disks), [f"piece {piece} of {name}"])
    return loading.of_text(text, file)


def _disks_of(name: str, piece: Share, keep_in: Path, seed: int) -> Path:
    """Return the disks that the newest good run of a piece kept."""
    runs = keep_in / pieces.name(name, piece)
    for path in sorted(runs.glob(f"*-{seed}"), reverse=True):
        folder = RunFolder(path.resolve())
        if folder.disks.is_dir() and (judged.load_if_any(folder) or {}).get("as_expected"):
            return folder.disks
    raise ScenarioError(
        f"--piece: expected a run of piece {piece} with seed {seed} that ended as expected, below "
        f"{runs}, got none; run it first: --piece {piece}"
    )
