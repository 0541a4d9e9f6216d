"""What entries are called: each by a name of its own, so that none hides behind another."""

from pathlib import Path

import pytest

from harness.common.harness_errors import ScenarioError
from harness.scenario import loading, plan

GOOD = "description: d\nworkload: [{put-all: {}}]\n"
KILL = "kill: {target: follower}, down_s: 1"


def load(folder: Path, text: str) -> loading.Scenario:
    """Load a scenario with these lines."""
    (folder / "x.yaml").write_text(GOOD + text)
    return loading.load(folder / "x.yaml")


def test_two_of_a_kind_are_told_apart(tmp_path: Path) -> None:
    """The second unnamed entry of a fault gets a number, through all phases; a name is kept."""
    text = (
        "description: d\nphases:\n"
        f"  - {{workload: [{{put-all: {{}}}}], faults: [{{{KILL}, first_s: 1}}, "
        f"{{name: kill-2, {KILL}, first_s: 4}}, {{{KILL}, first_s: 7}}]}}\n"
        f"  - {{faults: [{{{KILL}, first_s: 1}}, {{heal: all}}, {{heal: all}}]}}\n"
    )
    (tmp_path / "x.yaml").write_text(text)
    loaded = loading.load(tmp_path / "x.yaml")
    labels = [entry.label for phase in loaded.phases for entry in phase.faults]
    assert labels == ["kill", "kill-2", "kill-3", "kill-4", "heal", "heal-2"]
    assert [p.name for p in plan.make(loaded)] == labels


def test_two_of_a_kind_draw_each_their_own(tmp_path: Path) -> None:
    """What the second of two entries draws is not what the first one does."""
    repeated = "every_s: 20, jitter_s: 5}"
    loaded = load(
        tmp_path, f"faults: [{{{KILL}, first_s: 1, {repeated}, {{{KILL}, first_s: 9, {repeated}]"
    )
    late = {
        name: [round((p.at_s or 0) % 20, 3) for p in plan.make(loaded) if p.name == name]
        for name in ("kill", "kill-2")
    }
    assert [round(s - 8, 3) for s in late["kill-2"]] != late["kill"]


def test_a_number_is_a_name_too(tmp_path: Path) -> None:
    """Other entries, and bounds, can mean the second of a kind."""
    loaded = load(
        tmp_path,
        f"faults: [{{{KILL}}}, {{{KILL}}}, {{pause: {{}}, for_s: 1, after: kill-2}}]\n"
        "availability: {during: kill-2, max_fraction: 1}\n",
    )
    assert [entry.after for entry in loaded.phases[0].faults] == [None, None, "kill-2"]


REFUSED = {
    "a-name-twice": (
        f"faults: [{{name: a, {KILL}, first_s: 1}}, {{name: a, pause: {{}}, first_s: 5}}]",
        "x.yaml:3: faults[0].name: expected a name of its own, got 'a' again",
    ),
    "after-one-of-two": (
        f"faults: [{{{KILL}}}, {{{KILL}}}, {{pause: {{}}, for_s: 1, after: kill}}]",
        (
            "x.yaml:3: faults[2].after: expected a name that one fault has, got 'kill': "
            "2 have it; give each a name"
        ),
    ),
    "heal-one-of-two": (
        "faults: [{kill: {target: {node: 1}}}, {kill: {target: {node: 2}}}, {heal: kill}]",
        "x.yaml:3: faults[2].heal: expected a name that one fault has, got 'kill'",
    ),
    "replaces-one-of-two": (
        "faults: [{isolate: {}, for_s: 1}, {isolate: {}}, {partition-ring: {}, replaces: isolate}]",
        "x.yaml:3: faults[2].replaces: expected a name that one fault has, got 'isolate'",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_name_that_means_two_is_refused(tmp_path: Path, case: str) -> None:
    """No two entries share a name, and no entry refers to one of several by their kind."""
    text, told = REFUSED[case]
    with pytest.raises(ScenarioError) as caught:
        load(tmp_path, f"{text}\n")
    assert told in str(caught.value)
