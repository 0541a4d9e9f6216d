"""`harness plan`: what a run would inject, and whether its seed draws anything."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from harness.commands.running import plan_command

TEXT = """\
description: d
cluster: {failpoints: true}
budget: majority
workload: [{put-all: {count: 100}}]
faults:
  - {name: first, kill: {}, first_s: 2, down_s: 5}
  - {name: next, pause: {}, at: {acknowledged: 40}, times: 2, jitter_s: 3, for_s: 1}
  - {kill: {}, at: {failpoint: {node: 2, point: "Leader.shutdown:enter"}}, down_s: 1}
"""
MIX = """\
description: d
workload: [{put-all: {}}]
mix_s: 60
faults: [{kill: {}, weight: 0.2, down_s: 1}]
"""


@pytest.fixture
def plan() -> typer.Typer:
    """Return a command line of this command alone."""
    app = typer.Typer()
    plan_command.register(app)
    return app


def test_each_injection_has_a_line(plan: typer.Typer, tmp_path: Path) -> None:
    """Times, triggers, rounds and how long they last are told before the run."""
    (tmp_path / "x.yaml").write_text(TEXT)
    told = CliRunner().invoke(plan, [str(tmp_path / "x.yaml")]).stdout
    lines = [" ".join(line.split()) for line in told.splitlines()]
    assert "0 1 first 2 s 5 s" in lines
    assert [line.split(",")[0] for line in lines if "next" in line] == [
        "1 1 next acknowledged 40",
        "2 1 next acknowledged 80",
    ]
    assert "s later, round 2" in lines[-2]
    assert lines[-1] == "3 1 kill failpoint node 2, point Leader.shutdown:enter, nth 1 1 s"


def test_a_seed_that_draws_nothing_is_told(plan: typer.Typer, tmp_path: Path) -> None:
    """With a seed for which a mix draws nothing the status is that of an unknown run."""
    (tmp_path / "x.yaml").write_text(MIX)
    ended: dict[int, str] = {}
    for seed in range(20):
        words = [str(tmp_path / "x.yaml"), "--seed", str(seed)]
        got = CliRunner().invoke(plan, words, standalone_mode=False)
        ended.setdefault(int(got.return_value), got.stdout)
    assert "nothing drawn" not in ended[0]
    assert "kill: nothing drawn with seed" in ended[2]
    assert "a run would be unknown" in ended[2]
