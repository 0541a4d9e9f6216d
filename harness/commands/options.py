"""Options and arguments that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_RUNS = Path("runs")
RunsOption = Annotated[Path, typer.Option("--runs", help="Folder that runs are kept in.")]
RunArgument = Annotated[Path, typer.Argument(help="A run's folder, such as runs/latest.")]
QuorumOption = Annotated[str | None, typer.Option("--run", help="Id of the quorum, from `status`.")]
