"""By which order a run is judged whose scenario does not say: one that a right queue keeps."""

from pathlib import Path

import pytest

from harness.checkers.ordering.priority_fifo import PriorityFifo
from harness.claim import Claim
from harness.common.verdict import Verdict
from harness.faults import faults
from harness.scenario import loading
from harness.scenario.claimed_order import order_claimed
from harness.scenario.schema import Scenario
from worlds.histories.by_hand import history, op

STRICTEST_FIRST = ("linearizable", "snapshot", "stale", "window", "unordered")
SYNCED = "workload: [put-all: {count: 9}, check-all: {sync: true}]\n"


def loaded(folder: Path, text: str) -> Scenario:
    """Return a scenario of this text."""
    path = folder / "x.yaml"
    path.write_text("description: d\n" + text)
    return loading.load(path)


@pytest.mark.parametrize(
    ("text", "level"),
    [
        (SYNCED, "snapshot"),
        (SYNCED + "faults: [{kill: {wipe: true}, first_s: 1, down_s: 1}]\n", "snapshot"),
        (SYNCED + "faults: [{client-cut: {}, first_s: 1, for_s: 1}]\n", "snapshot"),
        ("workload: [put-all: {count: 9}, consumer-crash: {}]\n", "snapshot"),
        ("workload: [put-all: {count: 9}, check-all: {}]\n", "stale"),
        ("workload: [put-all: {count: 9}, work: {}]\n", "stale"),
        (SYNCED + "faults: [{isolate: {}, first_s: 1, for_s: 1}]\n", "stale"),
        (SYNCED + "faults: [{pause: {}, first_s: 1, for_s: 1}]\n", "stale"),
        (SYNCED + "order: relaxed\n", "window"),
        (SYNCED + "order: relaxed\ntransport: rest\n", "unordered"),
        (SYNCED.replace("count: 9", "count: 9, groups: 2"), "unordered"),
        (SYNCED + "subject: celery\n", "unordered"),
        ("claim: snapshot\nworkload: [put-all: {count: 9}, check-all: {}]\n", "snapshot"),
        (SYNCED + "claim: unordered\n", "unordered"),
    ],
)
def test_the_strictest_order_that_zkmq_keeps(tmp_path: Path, text: str, level: str) -> None:
    """Without `claim` it depends on how clients read, and on what faults let servers show."""
    assert order_claimed(loaded(tmp_path, text)) == level


@pytest.mark.parametrize("path", sorted(Path("scenarios").rglob("*.yaml")), ids=str)
def test_a_scenario_that_expects_valid_claims_what_zkmq_keeps(path: Path) -> None:
    """Else a queue that keeps its promises may be found invalid."""
    scenario = loading.load(path)
    kept = order_claimed(scenario.model_copy(update={"level": None}))
    if scenario.expect == "valid" and scenario.subject == "zkmq":
        assert STRICTEST_FIRST.index(order_claimed(scenario)) >= STRICTEST_FIRST.index(kept)


def test_what_a_lagging_server_shows_is_no_violation(tmp_path: Path) -> None:
    """An acknowledged put may be missing on the reader's server, unless the reserve synced."""
    seen = history(
        op("put", 1, 0, 5),
        op("reserve", None, 10, 20, process=1),
        op("reserve", 1, 30, 40, process=1),
    )
    unsynced = loaded(tmp_path, "workload: [put-all: {count: 9}, check-all: {}]\n")
    synced = loaded(tmp_path, SYNCED)
    verdicts = [
        PriorityFifo().check(seen, Claim(level=order_claimed(scenario))).verdict
        for scenario in (unsynced, synced)
    ]
    assert verdicts == [Verdict.VALID, Verdict.INVALID]


def test_a_fault_that_is_not_known_to_stop_servers_may_let_them_lag() -> None:
    """The claim is strict only beside faults that say so; a new fault does not by itself."""
    stopping = {name for name in faults if faults[name].fail_stop}
    assert stopping == {
        "client-crash", "client-cut", "client-pause", "gateway-kill", "host-down", "kill",
        "power-loss", "replace", "restart", "rolling-restart", "rolling-upgrade", "start",
    }  # fmt: skip
