"""`harness status` beside runs that come and go."""

from types import SimpleNamespace

import pytest

from cluster import quorum
from cluster.cluster_errors import ContainerGoneError
from cluster.engine import engine, leftovers
from harness.commands import quorum_command


@pytest.mark.parametrize("step", ["attach", "table"])
def test_a_quorum_that_ends_while_it_is_shown_is_no_failure(
    step: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that ends before the look, or during it, is told, and the next one is shown."""
    runs = [SimpleNamespace(run=name, by_hand=False, left=False) for name in ("gone", "there")]

    def attach(_: object, run: str) -> str:
        return end("attach", run)

    def end(now: str, run: str) -> str:
        if (now, run) == (step, "gone"):
            raise ContainerGoneError("quorum gone: expected containers of it, got none")
        return run

    monkeypatch.setattr(engine, "connect", lambda: None)
    monkeypatch.setattr(leftovers, "runs", lambda _: runs)
    monkeypatch.setattr(quorum, "attach", attach)
    monkeypatch.setattr(
        quorum_command.hurting, "status_table", lambda shown: f"table of {end('table', shown)}"
    )
    monkeypatch.setattr(quorum_command.hurting, "in_force", lambda _: "")
    monkeypatch.setattr(quorum_command.standing, "told", lambda _: "")
    quorum_command.status()
    told = capsys.readouterr().out
    assert "it has ended meanwhile" in told
    assert "table of there" in told
