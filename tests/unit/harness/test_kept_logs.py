"""The servers' logs at the end of a run, however it ends."""

from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness import run
from harness.common.harness_errors import TargetError
from harness.common.run_folder import RunFolder
from harness.common.settings.quorum_config import QuorumConfig
from harness.scenario import loading
from harness.view import Silent


class Said(Silent):
    """A view that keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        """Keep it."""
        self.lines.append(text)


def test_a_disk_that_is_full_does_not_hide_why_a_run_failed(tmp_path: Path) -> None:
    """The run ends with its own error; that logs could not be kept is said beside it."""

    def fail(**_: Any) -> None:
        raise TargetError("expected one leader, got none")

    nodes = {1: SimpleNamespace(log=lambda: b"INFO"), 2: SimpleNamespace(log=lambda: b"INFO")}

    @contextmanager
    def lend(_: QuorumConfig) -> Any:
        yield SimpleNamespace(nodes=nodes, wait_ready=fail)

    folder, view = RunFolder(tmp_path), Said()
    folder.logs.mkdir()
    (folder.logs / "node-1.log").mkdir()  # what is there cannot be written
    text = {"description": "d", "workload": [{"put-all": {}}]}
    with pytest.raises(TargetError, match="expected one leader, got none"):
        run.execute(loading.of(text), "x", folder, lend, view, environment={})
    assert (folder.logs / "node-2.log").read_bytes() == b"INFO"
    assert [line for line in view.lines if line.startswith("the log of node 1 could not be kept")]
