"""Real clients on real sockets: whatever happens to them, nothing is lost, and nothing hangs."""

from types import SimpleNamespace

import pytest

from worlds.wire import judge
from worlds.wire.fuzz import Report, at_once, fuzz
from worlds.wire.plan import EVERYTHING, Plan, Trouble
from zkmq import Item


@pytest.fixture(scope="module")
def reports() -> list[Report]:
    """What some rounds showed: each kind of trouble alone, or several, or all."""
    some = [Plan.drawn(seed) for seed in range(7)]
    return at_once([*some, *(Plan(seed=seed) for seed in (7, 8))])


def test_nothing_is_lost_and_nothing_hangs(reports: list[Report]) -> None:
    """Threads that share queues, in processes that die, under every mix of troubles."""
    print("the latest call:", max(report.late[0] for report in reports))
    print("the latest duty:", max(report.duties_s for report in reports))
    assert {report.seed: report.wrong for report in reports if report.wrong} == {}


def test_the_rounds_are_not_idle(reports: list[Report]) -> None:
    """Every kind of trouble comes and strikes, and most puts succeed all the same."""
    assert set().union(*(report.struck for report in reports)) == {each.value for each in Trouble}
    assert sum(report.puts for report in reports) > 500
    ok = sum(report.outcomes["ok"] for report in reports)
    assert ok > sum(report.outcomes.total() for report in reports) / 2


def test_a_thread_takes_back_only_its_own_word() -> None:
    """Two threads of a process may end the same claim; one knows of its own call, not of both."""
    item, heard = Item(b"x", "name", "consumer", 1, 1, 1, header={}), judge.Testimony()
    for thread in ("0-1", "0-0"):
        heard.hear(0, ("doubted", thread, {"/claim": item}))
    heard.hear(0, ("undone", "0-0", ["/claim"]))
    told = heard.told(SimpleNamespace(owners={}), ())  # type: ignore[arg-type]
    assert told.doubted == [(item, "/claim")]
    heard.hear(0, ("undone", "0-1", ["/claim"]))
    assert heard.told(SimpleNamespace(owners={}), ()).doubted == []  # type: ignore[arg-type]


# The first two once closed too late, the third connected too late. Threads run as they like, so
# they may pass with the defect.
@pytest.mark.parametrize("seed", [1_000_438, 1_000_443, 1_000_551])
def test_a_round_that_found_a_defect(seed: int) -> None:
    """It finds none now."""
    assert fuzz(Plan.drawn(seed, EVERYTHING - {Trouble.ANYWHERE})).wrong == []


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_many_rounds(part: int) -> None:
    """The same for a hundred rounds."""
    reports = at_once([Plan.drawn(1000 + 25 * part + seed) for seed in range(25)])
    assert {report.seed: report.wrong for report in reports if report.wrong} == {}
