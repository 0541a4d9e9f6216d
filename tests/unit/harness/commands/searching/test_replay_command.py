"""What `harness replay` says of its replays."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.commands.running.launch import Ran
from harness.commands.searching import replay_command
from harness.report import judged as judged_run
from worlds.histories.judged_runs import judged, lives


@pytest.mark.parametrize(
    ("lost", "what"), [((2,), "the failure"), ((), "the verdict unknown")], ids=["lost", "unknown"]
)
def test_a_replay_that_was_interrupted_counts_in_no_rate(
    lost: tuple[int, ...],
    what: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It neither showed the failure nor did without it, and its verdict is not the run's."""
    (tmp_path / "old").mkdir()
    folder = judged(tmp_path / "old", lives(lost=lost), came_to_its_end=bool(lost))
    old = judged_run.load(folder)
    broken_off = old | {"verdict": "unknown", "checks": [], "interrupted": "Ctrl-C"}

    def replays(*_: object) -> Iterator[Ran]:
        for results in (old, broken_off):
            yield Ran(folder=folder, results=results, took_s=0.0)

    monkeypatch.setattr(replay_command, "_in_turn", replays)
    assert replay_command.replay(folder.path, times=2) == (1 if lost else 2)
    assert f"{what} showed in 1 of 1 replays" in " ".join(capsys.readouterr().out.split())
