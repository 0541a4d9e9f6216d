"""The worst case of a plan, in n log n, against the same question asked of every pair."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

from harness.common.harness_errors import ScenarioError
from harness.scenario import budget, loading
from harness.scenario.consistency import in_force, worst_case
from harness.scenario.consistency.in_force import Span
from harness.scenario.schema import Scenario

CASES = 400
TARGETS = ("leader", "any", "minority", {"node": 1}, {"node": 2}, "l", "f")
KINDS = ("kill", "pause", "isolate", "loss", "latency", "start", "partition-ring")


def drawn(rng: Random) -> Scenario:
    """Return a scenario of a few faults in two phases, whatever they come to at worst."""
    phases: list[dict[str, Any]] = []
    for number in range(2):
        faults = [entry(rng, f"f{number}{place}") for place in range(rng.randint(1, 6))]
        phases.append({"faults": faults, "limit_s": 60})
    phases[0]["workload"] = [{"put-all": {"count": 1}}]
    data = {"description": "d", "bind": {"l": "leader", "f": "a follower"}, "phases": phases}
    return loading.of(data | {"budget": "majority"})


def entry(rng: Random, name: str) -> dict[str, Any]:
    """Return a fault with a time, one that follows the one before it, or a heal."""
    if rng.random() < 0.1:
        return {"heal": "all"} | ({} if rng.random() < 0.5 else {"first_s": rng.randint(0, 50)})
    kind = rng.choice(KINDS)
    settings = {} if kind == "partition-ring" else {"target": rng.choice(TARGETS)}
    if kind == "loss":
        settings["percent"] = 100
    when: dict[str, Any] = {"first_s": rng.randint(0, 50)} if rng.random() < 0.8 else {}
    if kind != "start" and rng.random() < 0.6:
        when["for_s"] = rng.randint(1, 9)
    if when.get("for_s") and "first_s" in when and rng.random() < 0.3:
        when |= {"every_s": when["for_s"] + rng.randint(1, 9), "times": rng.randint(1, 3)}
    return {"name": name, kind: settings, **when}


def scenarios() -> Iterator[Scenario]:
    """Give scenarios that load, with a budget of a minority, though they may be over it."""
    rng = Random(1)
    while True:
        try:
            yield drawn(rng).model_copy(update={"budget": "minority"})
        except ScenarioError:
            continue  # two of them exclude each other


def hurt(loaded: Scenario, spans: Sequence[Span]) -> int:
    """Return how many nodes these hurt together, each role another node."""
    known, roles = set[int](), 0
    for span in spans:
        target = span.fault.target
        hits = span.fault.hurts(worst_case.placeholders(target, loaded), range(1, 6))
        if isinstance(target, dict) or target in loaded.bind:
            known |= set(hits)
        else:
            roles += len(hits)
    return len(known) + roles


def test_over_budget_is_found_as_by_trying_every_pair() -> None:
    """What is over the budget is exactly what is so with all that is in force at its begin."""
    found, checked = 0, scenarios()
    for _ in range(CASES):
        loaded = next(checked)
        spans = sorted(in_force.spans(loaded), key=lambda span: span.begin)
        limit = budget.allowed("minority", 5)
        over = next(
            (
                (span, min(together, 5))
                for span in spans
                if (together := hurt(loaded, [s for s in spans if s.begin <= span.begin <= s.end]))
                > limit
            ),
            None,
        )
        assert worst_case.over_budget(loaded) == over
        found += over is not None
    assert CASES / 10 < found < CASES * 9 / 10


def excludes(loaded: Scenario, earlier: Span, later: Span) -> bool:
    """Tell whether both are surely in one slot, by the rule that the nemesis goes by."""
    pair = (earlier, later)
    fixed = all(isinstance(s.fault.target, dict) or s.fault.target in loaded.bind for s in pair)
    nodes = [worst_case.placeholders(s.fault.target, loaded) if fixed else [] for s in pair]
    held = budget.Held(name=earlier.label, slot=earlier.fault.slot, nodes=nodes[0])
    meet = earlier.begin < later.begin <= earlier.end and earlier.certain and later.certain
    return meet and budget.excluder(later.fault, nodes[1], [held]) is not None


def test_what_excludes_each_other_is_found_as_by_trying_every_pair() -> None:
    """A scenario that was loaded has no pair that surely meets in one slot; others are refused."""
    rng, refused, loaded_ones = Random(2), 0, 0
    while loaded_ones < CASES / 4:
        try:
            loaded = drawn(rng)
        except ScenarioError as error:
            refused += "fault in force" in str(error)
            continue
        loaded_ones += 1
        spans = list(in_force.spans(loaded))
        assert not [(a, b) for a in spans for b in spans if excludes(loaded, a, b)]
    assert refused > CASES / 40
