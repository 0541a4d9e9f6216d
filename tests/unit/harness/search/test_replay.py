"""Whether a failure shows again, and where a replay went another way."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness import recorded
from harness.common.harness_errors import HistoryError
from harness.common.run_folder import RunFolder
from harness.recorded import Recorded
from harness.scenario import loading, plan
from harness.search.replay import Cause, differences
from worlds.histories.by_hand import events, note, op

SCENARIO = """\
description: Two kills.
seed: 3
bind: {l: leader}
workload: [{put-all: {count: 3}}]
faults:
  - {kill: {target: l}, first_s: 1, down_s: 1}
  - {name: again, kill: {target: follower}, first_s: 5, down_s: 1, jitter_s: 2}
"""


def results(*checks: tuple[str, str], because: str | None = None) -> dict[str, Any]:
    """Return results whose checks have these verdicts and reasons."""
    told = [{"verdict": verdict, "reasons": why.split()} for verdict, why in checks]
    return {"checks": told, "because": because}


@pytest.mark.parametrize(
    ("before", "after", "shows"),
    [
        (results(("invalid", "lost")), results(("invalid", "lost missing")), True),
        (results(("invalid", "lost")), results(("invalid", "fifo-order")), False),
        (results(("invalid", "lost")), results(("valid", "")), False),
        (results(("invalid", "lost")), results(("unknown", "lost")), False),
        (results(("valid", "")), results(("invalid", "lost")), False),
        (
            results(("invalid", "lost fifo-order"), because="lost"),
            results(("invalid", "fifo-order")),
            False,
        ),
        (
            results(("invalid", "lost fifo-order"), because="lost"),
            results(("invalid", "lost"), because="other"),
            True,
        ),
        (
            results(("invalid", "fifo-order"), because="lost"),
            results(("invalid", "fifo-order")),
            True,
        ),
    ],
)
def test_the_same_failure(before: dict[str, Any], after: dict[str, Any], shows: bool) -> None:  # noqa: FBT001 -- a parameter
    """Two runs fail of the same if a reason is common; a doubt is none, and a control has one."""
    assert Cause.of(before).shows_in(after) is shows


@pytest.mark.parametrize(
    ("reasons", "gravest"),
    [
        ({"false-empty", "lost"}, {"lost"}),
        ({"b", "a"}, {"a"}),
        ({"duplicated", "replicas-differ", "a"}, {"replicas-differ"}),
        (set(), set()),
    ],
)
def test_the_gravest_reason(reasons: set[str], gravest: set[str]) -> None:
    """Of several reasons a loss comes first, and the order is always the same."""
    assert Cause(frozenset(reasons)).gravest == Cause(frozenset(gravest))


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """Return the folder of a run that hit node 2 by its name and node 3 by its role."""
    folder = RunFolder(tmp_path)
    folder.scenario.write_text(SCENARIO)
    plan.write(plan.make(loading.load(folder.scenario)), folder.plan)
    told = {"name": "kill", "target": "l", "outcome": "installed", "evidence": {}}
    injected = {"phase": "inject", **told}
    lines = events(
        note("bind", 0, l=2),
        op("put", "nemesis", 1, 5),
        note("kill", 10, process="nemesis", id=0, nodes=[2], **injected),
        note("kill", 20, process="nemesis", id=0, nodes=[2], phase="heal", **told),
        note("kill", 30, process="nemesis", id=1, nodes=[3], **injected),
    )
    folder.history.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    return folder


def test_a_run_is_read_back(run: RunFolder) -> None:
    """The plan comes back as it was made, with whom its names and roles came to mean."""
    back = recorded.load(run)
    assert list(back.planned) == plan.make(loading.load(run.scenario))
    assert (dict(back.bound), dict(back.nodes)) == ({"l": 2}, {0: [2], 1: [3]})


def test_what_is_no_run_cannot_be_read(run: RunFolder) -> None:
    """A plan that is missing or torn is an error that names the folder."""
    run.plan.write_bytes(run.plan.read_bytes()[:-20])
    with pytest.raises(HistoryError, match="expected a recorded run"):
        recorded.load(run)
    run.plan.unlink()
    with pytest.raises(HistoryError, match=str(run.path)):
        recorded.load(run)


def test_the_same_run_differs_in_nothing(run: RunFolder) -> None:
    """Nothing is said where every name and role meant the same node again."""
    assert list(differences(recorded.load(run), recorded.load(run))) == []


def test_other_nodes_are_told(run: RunFolder) -> None:
    """A name, a role, a fault that was left out and one that was not are each told."""
    before = recorded.load(run)
    after = Recorded(planned=before.planned, bound={"l": 4}, nodes={0: [4]})
    assert list(differences(before, after)) == [
        "l is node 4, and was node 2",
        "kill (0) hit node 4, and hit node 2 when it was recorded",
        "again (1) was not injected, and hit node 3",
    ]
    assert list(differences(after, before))[-1] == "again (1) hit node 3, and was not injected"
