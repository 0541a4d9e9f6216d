"""The story of a finding, on recorded runs of real quorums and on histories by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.common.run_folder import RunFolder
from harness.common.verdict import Verdict
from harness.history.columns import History
from harness.report import judged as results_of
from harness.report.charts import spans
from harness.report.story import story
from proofs.gallery import HISTORIES, QUEUES, Planted
from worlds.histories import judged_runs, recorded_runs
from worlds.histories.by_hand import note, op
from worlds.histories.judged_runs import MS, killed, lives, modes, tree
from worlds.histories.recorded_runs import STALE, TWIN, WIPED, Edit

Tell = Callable[..., list[str]]


def told(folder: RunFolder) -> story.Story:
    """Return the story of a judged run."""
    return story.tell(History.load(folder.history), results_of.load(folder))


@pytest.fixture
def recorded(tmp_path: Path) -> Tell:
    """Return the sentences that the story of a recorded run has, its events edited."""

    def lines(name: str, edit: Edit | None = None) -> list[str]:
        return [line.text for line in told(recorded_runs.judged(name, tmp_path, edit)).lines]

    return lines


def test_a_wiped_member_votes(recorded: Tell) -> None:
    """The cut, the put, the wipe, the second cut, the blind quorum, and who has the item."""
    assert recorded(WIPED) == recorded_runs.story_of(WIPED)


def test_a_leader_that_was_away(recorded: Tell) -> None:
    """The later leader was down when the item was acknowledged; the one that led lacks it now."""
    assert recorded(STALE) == recorded_runs.story_of(STALE)


def test_a_valid_run_has_no_story(recorded: Tell) -> None:
    """Under the same faults, but for the wipe, nothing went wrong: nothing is told of a loss."""
    assert recorded(TWIN) == []


def test_an_undecided_run_has_no_story(tmp_path: Path) -> None:
    """Where nothing was shown, there is nothing to explain."""
    assert told(judged_runs.judged(tmp_path, op("put", 1, 5, None))).lines == ()


def without_wipe(event: dict[str, Any]) -> dict[str, Any]:
    """Take the evidence of the wiped disk out of a kill."""
    if event["f"] == "kill":
        event["value"]["evidence"].pop("wiped", None)
    return event


def healed_early(event: dict[str, Any]) -> dict[str, Any]:
    """Let the first cut be healed while node 5 still led."""
    value = event["value"] if isinstance(event["value"], dict) else {}
    if event["f"] == "partition" and (value["id"], value["phase"]) == (0, "heal"):
        return event | {"time_ns": 2_400_000_000}
    return event


def of_other_packets(event: dict[str, Any]) -> dict[str, Any]:
    """Turn the cuts into links that lose some packets."""
    return event | {"f": "loss"} if event["f"] == "partition" else event


@pytest.mark.parametrize("edit", [without_wipe, healed_early, of_other_packets])
def test_what_is_not_proved_is_not_said(recorded: Tell, edit: Edit) -> None:
    """Without the evidence against each member, no quorum is said to have seen nothing."""
    assert not any("None of them" in line for line in recorded(WIPED, edit))


def test_one_who_came_back_may_have_it(recorded: Tell) -> None:
    """A member whose cut was healed while somebody led is told as one who may have caught up."""
    (line,) = [line for line in recorded(WIPED, healed_early) if "seen to lead" in line]
    assert "came back at 2.400 s to be brought up to date" in line


def test_without_looks_at_servers_nothing_is_said_of_them(recorded: Tell) -> None:
    """A history that has no trees ends with the calls."""
    lines = recorded(WIPED, lambda event: None if event["f"] == "tree" else event)
    assert lines
    assert not any("servers" in line for line in lines)


def test_many_faults_have_room(tmp_path: Path) -> None:
    """With twenty faults the story keeps to its lines, and counts those that it leaves out."""
    kills = [killed(n, 1 + n % 3, 21 + 2 * n, None) for n in range(20)]
    looks = [tree(n, 200, items=[]) for n in (1, 2, 3)]
    found = told(judged_runs.judged(tmp_path, modes(0, 1), lives(), modes(100, 2), *kills, *looks))
    assert len(found.lines) == story.MOST_LINES
    assert found.faults_left_out == 20 - sum("Fault" in line.text for line in found.lines)
    assert [line.time_ns for line in found.lines] == sorted(line.time_ns for line in found.lines)


def test_an_item_delivered_twice(tmp_path: Path) -> None:
    """Both deliveries are told, with who got the item."""
    folder = judged_runs.judged(
        tmp_path,
        op("put", 7, 1 * MS, 2 * MS),
        op("reserve", 7, 10 * MS, 12 * MS, process=1),
        op("reserve", 7, 20 * MS, 22 * MS, process=2),
    )
    texts = [line.text for line in told(folder).lines]
    assert texts[1:3] == ["Process 1 reserves item 7.", "Process 2 reserves item 7."]


@pytest.mark.parametrize(
    ("read_zxid", "told_of_it"),
    [(4, "finds the queue empty, as of zxid 0x4, which is older than the put."),
     (6, "finds the queue empty, as of zxid 0x6."), (None, "finds the queue empty.")],
)  # fmt: skip
def test_a_stale_look(tmp_path: Path, read_zxid: int | None, told_of_it: str) -> None:
    """Of a call that found nothing it is told what its server had seen, if that is known."""
    more = {} if read_zxid is None else {"read_zxid": read_zxid}
    folder = judged_runs.judged(
        tmp_path,
        op("put", 7, 1 * MS, 2 * MS, zxid=5),
        op("reserve", None, 10 * MS, 12 * MS, process=1, **more),
        op("reserve", 7, 20 * MS, 22 * MS, process=2, zxid=8),
        scenario_text=judged_runs.SCENARIO.replace("total-queue", "priority-fifo"),
    )
    assert any(line.text.endswith(told_of_it) for line in told(folder).lines)


def test_a_put_of_unknown_outcome(tmp_path: Path) -> None:
    """It is not said to be acknowledged."""
    folder = judged_runs.judged(
        tmp_path,
        op("put", 7, 1 * MS, None, process=3),
        op("reserve", 7, 10 * MS, 12 * MS, process=1),
        op("reserve", 7, 20 * MS, 22 * MS, process=2),
    )
    assert told(folder).lines[0].text == "Process 3 puts item 7, with unknown outcome."


def test_a_finding_about_no_put(tmp_path: Path) -> None:
    """An item that nobody put has no put to tell: the faults before it, and the finding itself."""
    folder = judged_runs.judged(
        tmp_path,
        op("put", 1, 1 * MS, 2 * MS),
        killed(0, 1, 3, 4),
        op("reserve", 9, 10 * MS, 12 * MS, process=1),
        note("session-end", 30 * MS, process=1, why="closed"),
    )
    found = told(folder)
    assert found.item is None
    assert found.lines[0].text == "Fault: kill node 1."
    assert "9" in found.lines[-1].text


@pytest.mark.parametrize("planted", [*QUEUES, *HISTORIES], ids=lambda planted: planted.name)
def test_every_planted_bug_has_a_story(planted: Planted) -> None:
    """Whatever is found, in whatever history, it is told in few lines that are sentences."""
    with planted.within():
        judged = planted.judged()
    history = planted.history()
    checks = [result.as_json() for result in judged.results]
    results = {"verdict": judged.verdict.word, "because": None, "checks": checks, "faults": []}
    found = story.tell(history, results)
    assert len(found.lines) <= story.MOST_LINES
    assert bool(found.lines) == (judged.verdict is Verdict.INVALID)
    for line in found.lines:
        assert line.text.endswith((".", ")", "…"))
        assert 0 <= line.time_ns <= spans.end_ns(history)
