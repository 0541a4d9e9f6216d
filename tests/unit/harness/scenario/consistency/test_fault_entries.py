"""No key of a schedule is silently without effect: it changes the plan, or it is refused."""

from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from harness.common.harness_errors import ScenarioError, TargetError
from harness.faults import faults
from harness.scenario import loading, plan
from harness.scenario.consistency import fault_entries
from worlds.faults.fake_quorum import FakeQuorum
from worlds.faults.required import REQUIRED
from worlds.faults.stage import Stage

TRIGGERS: dict[str, dict[str, Any]] = {
    "first": {"first_s": 1},
    "elapsed": {"at": {"elapsed_s": 1}},
    "acknowledged": {"at": {"acknowledged": 2}},
    "invoked": {"at": {"invoked": 2}},
    "event": {"at": {"event": "leader-elected"}},
    "log": {"at": {"log": {"node": 1, "pattern": "x"}}},
    "failpoint": {"at": {"failpoint": {"node": 1, "point": "Leader.shutdown:enter"}}},
    "after": {"after": "first"},
    "order": {},
    "weight": {"weight": 2},
}
KEYS: dict[str, Any] = {
    "every_s": 40,
    "times": 2,
    "jitter_s": 3,
    "down_s": 1.5,
    "for_s": 1.5,
    "first_s": 2,
    "after": "first",
    "weight": 3,
}


def planned(entry: dict[str, Any]) -> list[plan.Planned]:
    """Return what is planned of an entry behind one that it may follow."""
    kind = next(iter(entry))
    return plan.make(
        loading.of(
            {
                "description": "d",
                "budget": "majority",
                "cluster": {
                    "nodes": [{}, {}, {}, {}, {"role": "observer"}],
                    "engines": ["a", "b", "c"],
                    "faketime": True,
                    "data_mb": 64,
                    "reconfig": True,
                    "disk_shim": True,
                    "failpoints": True,
                },
                "transport": "rest" if kind == "gateway-kill" else "kazoo",
                "mix_s": 20,
                "workload": [{"put-all": {"count": 50}}],
                "faults": [
                    # Lets a mix be, whatever the entry is, and is in nobody's way.
                    {"name": "mix", "client-crash": {}, "weight": 1},
                    {"name": "first", "client-crash": {}, "first_s": 1},
                    entry,
                ],
            }
        )
    )


def entry_of(kind: str, trigger: str) -> dict[str, Any]:
    """Return an entry of a fault that waits for that; in a mix it needs an end."""
    entry = {kind: REQUIRED.get(kind, {}), "name": "it", **TRIGGERS[trigger]}
    ends = trigger == "weight" and faults[kind].lasting
    return entry | ({"for_s": 1} if ends else {})


@cache
def without_more(kind: str, trigger: str) -> list[plan.Planned]:
    """Return the plan of a fault that waits for something, which is one that can be made."""
    return planned(entry_of(kind, trigger))


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("trigger", TRIGGERS)
def test_a_key_changes_the_plan_or_is_refused(trigger: str, key: str) -> None:
    """For each fault, beside each trigger: with the key the plan is another one, or refused."""
    for kind in faults:
        more = entry_of(kind, trigger) | {key: KEYS[key]}
        if more == entry_of(kind, trigger):
            continue
        before, after = without_more(kind, trigger), None
        with suppress(ScenarioError):
            after = planned(more)
        assert after != before, (kind, trigger, key)


@pytest.mark.parametrize(
    ("entry", "rounds"),
    [
        ({"at": {"event": "leader-elected"}, "times": 5}, [{"event": "leader-elected"}] * 5),
        (
            {"at": {"acknowledged": 10}, "times": 3},
            [{"acknowledged": n} for n in (10, 20, 30)],
        ),
        ({"at": {"invoked": 7}, "times": 2}, [{"invoked": 7}, {"invoked": 14}]),
    ],
)
def test_times_repeats_a_trigger(entry: dict[str, Any], rounds: list[dict[str, Any]]) -> None:
    """Each round has a number and, of a count, the sum at which it comes; the seed decides all."""
    made = [p for p in planned({"kill": {}, "down_s": 1, **entry}) if p.kind == "kill"]
    assert [p.round for p in made] == list(range(len(rounds)))
    assert [p.trigger for p in made] == rounds
    assert made == [p for p in planned({"kill": {}, "down_s": 1, **entry}) if p.kind == "kill"]


def test_jitter_makes_a_trigger_late() -> None:
    """What waits for something comes up to `jitter_s` after it, each round by a time of its own."""
    entry = {"kill": {}, "down_s": 1, "at": {"event": "leader-elected"}, "times": 9, "jitter_s": 2}
    late = [p.late_s for p in planned(entry) if p.kind == "kill"]
    assert all(0 <= s <= 2 for s in late)
    assert len(set(late)) > 1


REFUSED = {
    "every_s-beside-an-event": (
        {"kill": {}, "down_s": 1, "at": {"event": "leader-elected"}, "every_s": 9},
        "every_s: expected it beside a time, got it beside event; `times` repeats it",
    ),
    "every_s-beside-after": (
        {"kill": {}, "down_s": 1, "after": "first", "every_s": 9},
        "every_s: expected it beside a time, got it beside after",
    ),
    "times-in-order": (
        {"kill": {}, "down_s": 1, "times": 2},
        (
            "times: expected it beside every_s or `at` (acknowledged, event, invoked), "
            "got it beside nothing else"
        ),
    ),
    "times-of-a-log": (
        {"kill": {}, "down_s": 1, "at": {"log": {"node": 1, "pattern": "x"}}, "times": 2},
        "got it beside log",
    ),
    "times-that-stay": (
        {"kill": {}, "at": {"event": "leader-elected"}, "times": 2},
        "times: expected down_s or for_s beside it, got none",
    ),
    "times-out-of-reach": (
        {"kill": {}, "down_s": 1, "at": {"acknowledged": 20}, "times": 3},
        "at.acknowledged: expected at most 50, the phase's puts, got 3 times 20",
    ),
    "jitter-of-a-mix": (
        {"kill": {}, "down_s": 1, "weight": 1, "jitter_s": 1},
        "jitter_s: expected none beside weight, whose times are random",
    ),
    "down_s-of-a-restart": (
        {"restart": {}, "first_s": 1, "down_s": 5},
        "down_s: expected none, since 'restart' is over at once and leaves nothing to heal",
    ),
    "for_s-of-a-crash": (
        {"client-crash": {}, "first_s": 1, "for_s": 5},
        "for_s: expected none, since 'client-crash' is over at once and leaves nothing to heal",
    ),
    "heal-of-a-restart": (
        {"restart": {}, "first_s": 1, "heal": "never"},
        "heal: expected none, since 'restart' is over at once",
    ),
    "replaces-by-a-kill": (
        {"kill": {}, "first_s": 1, "replaces": "first"},
        "replaces: expected it beside a cut or loss fault, got 'kill'",
    ),
    "replaces-of-something-else": (
        {"isolate": {}, "first_s": 1, "replaces": "first"},
        "replaces: expected another 'cut' fault, got 'client-crash'",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_the_key_and_what_to_do(case: str) -> None:
    """A key that would change nothing is refused at its place."""
    entry, told = REFUSED[case]
    with pytest.raises(ScenarioError) as caught:
        planned(entry)
    assert f"faults[2].{told}" in str(caught.value) or told in str(caught.value)


def test_once_needs_no_end() -> None:
    """`times: 1` says what is so anyway, also of a fault that stays."""
    once = {"kill": {}, "at": {"event": "leader-elected"}, "times": 1}
    assert [p.round for p in planned(once) if p.kind == "kill"] == [0]


def test_a_mix_of_nothing_is_refused() -> None:
    """`mix_s` is about entries with a weight."""
    data = {"description": "d", "workload": [{"put-all": {}}], "mix_s": 20}
    with pytest.raises(ScenarioError, match="mix_s: expected a fault with `weight` beside it"):
        loading.of(data)


@pytest.mark.parametrize("entry", ["kill: {}", "heal: all"])
def test_until_is_waited_for(tmp_path: Path, entry: str, request: pytest.FixtureRequest) -> None:
    """An entry holds the next one back until the node is what it names, a heal too."""
    until = "until: {node: 1, mode: looking, within_s: 0}"
    stage = Stage(tmp_path, f"faults: [{{{entry}, {until}}}]\n", FakeQuorum())
    request.addfinalizer(stage.close)
    with pytest.raises(TargetError, match="expected node 1 looking within 0 s, got follower"):
        stage.all()


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_each_trigger_has_a_name(trigger: str) -> None:
    """Whatever an entry waits for, one word says so."""
    entry = (
        loading.of(
            {
                "description": "d",
                "mix_s": 9,
                "cluster": {"failpoints": True},
                "workload": [{"put-all": {}}],
                "faults": [
                    {"name": "first", "client-crash": {}, "weight": 1},
                    {"restart": {}, **TRIGGERS[trigger]},
                ],
            }
        )
        .phases[0]
        .faults[1]
    )
    same = {"first": "time", "elapsed": "time"}
    assert fault_entries.trigger_of(entry) == same.get(trigger, trigger)
