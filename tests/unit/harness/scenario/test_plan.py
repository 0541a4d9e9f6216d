"""The plan: fixed by scenario and seed, each fault's times its own."""

import json
from pathlib import Path

import pytest

from harness.scenario import loading, plan
from harness.scenario.plan import Planned
from harness.scenario.schema import Scenario

MONKEY = loading.load(Path(__file__).parents[4] / "scenarios" / "long" / "monkey.yaml")
HEAD = "description: d\nworkload: [{put-all: {}}]\n"


@pytest.fixture
def planned(tmp_path: Path) -> "Plan":
    """Return a function from the text of `faults` to the plan."""
    return Plan(tmp_path)


class Plan:
    """Plans the faults of a text."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "x.yaml"

    def load(self, faults: str, seed: int = 1) -> Scenario:
        """Load a scenario with these faults."""
        self._path.write_text(f"{HEAD}seed: {seed}\nfaults: {faults}\n")
        return loading.load(self._path)

    def __call__(self, faults: str, seed: int = 1) -> list[Planned]:
        """Return the plan of a scenario with these faults."""
        return plan.make(self.load(faults, seed))


def times(planned: list[Planned], name: str) -> list[float | None]:
    """Return when the injections of one fault are to come."""
    return [p.at_s for p in planned if p.name == name]


def test_the_same_seed_gives_the_same_bytes(planned: Plan, tmp_path: Path) -> None:
    """Scenario and seed decide plan.jsonl byte for byte, and another seed another one."""
    faults = "[{kill: {}, down_s: 1, every_s: 9, jitter_s: 5}]"
    written = []
    for number, seed in enumerate((7, 7, 8)):
        plan.write(planned(faults, seed), tmp_path / f"{number}.jsonl")
        written.append((tmp_path / f"{number}.jsonl").read_bytes())
    assert written[0] == written[1]
    assert written[0] != written[2]


def test_taking_one_fault_out_leaves_the_others(planned: Plan) -> None:
    """A fault's times depend on the seed and its own name, not on the faults around it."""
    kill = "{kill: {}, down_s: 1, every_s: 9, jitter_s: 5}"
    pause = "{pause: {}, for_s: 1, every_s: 11, jitter_s: 5}"
    both = planned(f"[{pause}, {kill}]")
    assert times(both, "kill") == times(planned(f"[{kill}]"), "kill")
    assert times(both, "pause") == times(planned(f"[{pause}]"), "pause")
    assert times(both, "kill")[:3] != times(both, "pause")[:3]


@pytest.mark.parametrize("gone", range(len(MONKEY.phases[0].faults)))
def test_taking_one_out_of_a_mix_leaves_the_others(gone: int) -> None:
    """Each fault of the ten-minute mix keeps its drawn times whichever other one is taken out."""
    phase = MONKEY.phases[0]
    left = [entry for place, entry in enumerate(phase.faults) if place != gone]
    fewer = MONKEY.model_copy(update={"phases": [phase.model_copy(update={"faults": left})]})
    whole, rest = plan.make(MONKEY), plan.make(fewer)
    name = phase.faults[gone].label
    assert [(p.name, p.at_s) for p in whole if p.name != name] == [(p.name, p.at_s) for p in rest]


def test_repetitions_fill_the_phase(planned: Plan) -> None:
    """`first_s` and `every_s` give a time for each round up to the phase's limit, from round 0."""
    repeated = planned("[{kill: {}, first_s: 2, down_s: 5, every_s: 15}]")
    assert [p.at_s for p in repeated] == list(range(2, 301, 15))
    assert [p.round for p in repeated] == list(range(len(repeated)))
    assert {p.hold_s for p in repeated} == {5}


def test_times_bounds_the_repetitions(planned: Plan) -> None:
    """`times: 3` is three rounds."""
    assert times(planned("[{kill: {}, down_s: 5, every_s: 10, times: 3}]"), "kill") == [10, 20, 30]


def test_jitter_stays_within_its_bound(planned: Plan) -> None:
    """Each round is late by something between 0 and `jitter_s`, not always the same."""
    rounds = times(planned("[{kill: {}, first_s: 0, down_s: 5, every_s: 10, jitter_s: 4}]"), "kill")
    late = [at_s - 10 * n for n, at_s in enumerate(rounds) if at_s is not None]
    assert len(late) == len(rounds)
    assert all(0 <= s <= 4 for s in late)
    assert max(late) - min(late) > 1


def test_an_elapsed_trigger_is_a_time(planned: Plan) -> None:
    """`at: {elapsed_s}` is known beforehand."""
    (only,) = planned("[{kill: {}, at: {elapsed_s: 3}}]")
    assert (only.at_s, only.trigger) == (3, None)


@pytest.mark.parametrize(
    ("entry", "trigger"),
    [
        ("at: {acknowledged: 10}", {"acknowledged": 10}),
        ("at: {event: leader-elected}", {"event": "leader-elected"}),
        ("after: first", {"after": "first"}),
        ("down_s: 1", {"after": "the entry before"}),
    ],
)
def test_a_trigger_has_no_time(planned: Plan, entry: str, trigger: dict[str, object]) -> None:
    """What waits for something says for what, in the scenario's words."""
    second = planned(f"[{{name: first, kill: {{}}}}, {{pause: {{}}, {entry}}}]")[1]
    assert (second.at_s, second.trigger) == (None, trigger)


def test_ids_number_the_whole_plan(tmp_path: Path) -> None:
    """Injections are numbered through all phases, in the order of the file."""
    path = tmp_path / "x.yaml"
    path.write_text(
        "description: d\nphases:\n"
        "  - {workload: [{put-all: {}}], faults: [{kill: {}}, {heal: all}]}\n"
        "  - {faults: [{name: again, kill: {}}]}\n"
    )
    made = plan.make(loading.load(path))
    assert [(p.id, p.phase, p.entry, p.name, p.kind) for p in made] == [
        (0, 0, 0, "kill", "kill"),
        (1, 0, 1, "heal", "heal"),
        (2, 1, 0, "again", "kill"),
    ]


def test_it_is_written_one_injection_a_line(planned: Plan, tmp_path: Path) -> None:
    """plan.jsonl has a JSON object a line, with the fields of Planned."""
    made = planned("[{kill: {}, every_s: 100, times: 2}]")
    plan.write(made, tmp_path / "plan.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "plan.jsonl").read_text().splitlines()]
    assert [line["at_s"] for line in lines] == [100, 200]
    assert lines[0].items() >= {"id": 0, "kind": "kill", "round": 0, "trigger": None}.items()


def test_streams_of_different_users_differ() -> None:
    """Each user of the seed has a stream of its own, the same every time."""
    draws = {names: plan.stream(*names).random() for names in ((1, "a"), (1, "b"), (2, "a"))}
    assert len(set(draws.values())) == 3
    assert plan.stream(1, "a").random() == draws[1, "a"]


def test_what_a_mix_draws_nothing_for_is_told(tmp_path: Path) -> None:
    """At weight 0.2 each minute many seeds draw nothing in five, and `undrawn` says so."""
    path = tmp_path / "x.yaml"
    path.write_text(
        "description: d\nworkload: [{put-all: {}}]\nmix_s: 60\n"
        "faults: [{kill: {}, weight: 0.2, down_s: 1}]\n"
    )
    loaded = loading.load(path)
    seeds = [loaded.model_copy(update={"seed": seed}) for seed in range(200)]
    empty = [s for s in seeds if not plan.make(s)]
    assert 0 < len(empty) < 200
    assert [s for s in seeds if plan.undrawn(s, plan.make(s)) == ["kill"]] == empty


@pytest.mark.parametrize(
    ("when", "wanted"),
    [
        ("first_s: 1", 1),
        ("every_s: 50", 1),
        ("every_s: 50, times: 3", 3),
        ("every_s: 100, times: 9", 3),  # as many as there is time for
        ("at: {event: leader-elected}, times: 5", 5),
    ],
)
def test_how_often_a_fault_must_have_been(planned: Plan, when: str, wanted: int) -> None:
    """`times` is a number that was planned; other repetitions come as often as the phase lasts."""
    loaded = planned.load(f"[{{kill: {{}}, down_s: 1, {when}}}]")
    (kill,) = plan.expected(loaded, plan.make(loaded))
    assert (kill.name, kill.wanted, kill.lasting) == ("kill", wanted, True)
    assert kill.ids == tuple(p.id for p in plan.make(loaded))
    (cut,) = plan.expected(loaded, plan.make(loaded)[:1])
    assert (cut.ids, cut.wanted) == ((0,), wanted), "a plan with fewer lines asks for no less"
