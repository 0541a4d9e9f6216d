"""Loading a scenario: what is refused, and what the refusal says."""

from pathlib import Path

import pytest

from harness.common.harness_errors import ScenarioError
from harness.common.settings.quorum_config import OwnBuild
from harness.scenario import loading
from harness.scenario.schema import Scenario

HEAD = "description: d\n"
WORK = "workload: [{put-all: {count: 5}}, {check-all: {after: put-all}}]\n"
GOOD = HEAD + WORK


def load(tmp_path: Path, text: str) -> Scenario:
    """Load a scenario from its text."""
    path = tmp_path / "x.yaml"
    path.write_text(text)
    return loading.load(path)


def complaint(tmp_path: Path, text: str) -> str:
    """Return what is said of a bad scenario, from the file's name on."""
    with pytest.raises(ScenarioError) as caught:
        load(tmp_path, text)
    assert caught.value.exit_status == 254
    return str(caught.value).removeprefix(f"{tmp_path}/")


# Each: text, the complaint's beginning, words that must be in the rest of it.
REFUSED = {
    "unknown-key": (
        GOOD + "clusster: {}\n",
        "x.yaml:3: clusster: expected a known key (",
        ["harness explain scenario", "got 'clusster': did you mean 'cluster'?"],
    ),
    "unknown-capital-key": (
        GOOD + "Seed: 3\n",
        "x.yaml:3: Seed: expected a known key (",
        ["harness explain scenario", "got 'Seed': did you mean 'seed'?"],
    ),
    "unknown-number-key": (
        GOOD + "1: 3\n",
        "x.yaml:3: 1: expected a known key (",
        ["got '1'"],
    ),
    "unknown-key-below": (
        GOOD + "cluster: {Nodes: 3}\n",
        "x.yaml:3: cluster.Nodes: expected a known key (",
        ["harness explain cluster", "got 'Nodes': did you mean 'nodes'?"],
    ),
    "unknown-setting-of-a-workload": (
        HEAD + "workload:\n  - put-all:\n      cuont: 5\n",
        "x.yaml:4: workload[0].put-all.cuont: expected a known key (",
        ["harness explain put-all", "got 'cuont': did you mean 'count'?"],
    ),
    "unknown-workload": (
        HEAD + "workload: [{put-al: {count: 5}}]\n",
        "x.yaml:2: workload[0].put-al: expected a known key (",
        ["harness explain workload", "got 'put-al': did you mean 'put-all'?"],
    ),
    "internal-name-of-a-workload": (
        HEAD + "workload: [{put_all_: {count: 5}}]\n",
        "x.yaml:2: workload[0].put_all_: expected a known key (",
        ["got 'put_all_'"],
    ),
    "wrong-type": (
        GOOD + "cluster: {nodes: five}\n",
        "x.yaml:3: cluster.nodes: expected a valid integer, got 'five'",
        [],
    ),
    "a-number-in-quotes": (
        GOOD + "seed: '7'\n",
        "x.yaml:3: seed: expected a valid integer, got '7'",
        [],
    ),
    "a-truth-for-a-number": (
        GOOD + "seed: true\n",
        "x.yaml:3: seed: expected a valid integer, got True",
        [],
    ),
    "wrong-type-in-a-union": (
        GOOD + "cluster: {zoo_cfg: {tickTime: [1]}}\n",
        "x.yaml:3: cluster.zoo_cfg.tickTime: expected a valid ",
        ["got [1]"],
    ),
    "a-count-below-one": (
        HEAD + "workload:\n  - put-all: {count: -1}\n",
        "x.yaml:3: workload[0].put-all.count: expected a value greater than or equal to 1, got -1",
        [],
    ),
    "in-a-phase": (
        HEAD + "phases:\n  - name: a\n    workload: [{put-all: {}}]\n  - workload:\n"
        "      - put-all: {count: x}\n",
        "x.yaml:6: phases[1].workload[0].put-all.count: expected a valid integer, got 'x'",
        [],
    ),
    "unknown-release": (
        GOOD + "cluster: {zookeeper: 3.9.9}\n",
        "x.yaml:3: cluster.zookeeper: expected '3.9.6', '3.9.3' or '3.8.0', got '3.9.9'",
        [],
    ),
    "too-many-nodes": (
        GOOD + "cluster: {nodes: 10}\n",
        "x.yaml:3: cluster.nodes: expected a value less than or equal to 9, got 10",
        [],
    ),
    "a-time-without-end": (
        GOOD + "faults: [{kill: {}, first_s: .inf}]\n",
        "x.yaml:3: faults[0].first_s: expected ",
        ["got inf"],
    ),
    "a-time-that-is-no-number": (
        GOOD + "faults: [{kill: {}, first_s: .nan}]\n",
        "x.yaml:3: faults[0].first_s: expected ",
        ["got nan"],
    ),
    "no-description": (WORK, "x.yaml:1: description: expected this key, got none", []),
    "no-workload": (
        HEAD + "faults: [{kill: {}, first_s: 1}]\n",
        "x.yaml:1: workload: expected at least one workload, got none",
        [],
    ),
    "an-entry-of-nothing": (
        HEAD + "workload: [{}]\n",
        "x.yaml:2: workload[0]: expected exactly one of ",
        ["put-all", "got none"],
    ),
    "an-entry-of-two": (
        HEAD + "workload: [{put-all: {}, check-all: {}}]\n",
        "x.yaml:2: workload[0]: expected exactly one of ",
        ["got check-all and put-all"],
    ),
    "a-mapping-for-a-list": (
        HEAD + "workload: {put-all: {}}\n",
        "x.yaml:2: workload: expected a valid array, got {'put-all': {}}",
        [],
    ),
    "phases-and-workload": (
        GOOD + "phases: [{}]\n",
        "x.yaml:2: workload: expected it inside a phase, got it beside `phases`",
        [],
    ),
    "a-key-twice": (
        GOOD + "seed: 1\nseed: 2\n",
        "x.yaml:4: seed: expected each key once, got it twice",
        [],
    ),
    "not-yaml": (
        HEAD + "workload: [1\n",
        "x.yaml:3: expected YAML, got: did not find expected ',' or ']'",
        [],
    ),
    "a-control-character": (HEAD + "seed: \x07\n", "x.yaml:2: expected YAML, got: ", []),
    "a-list": ("- 1\n", "x.yaml:1: expected a mapping of keys, got a list", []),
    "an-empty-file": ("", "x.yaml:1: expected a mapping of keys, got an empty file", []),
    "after-an-unknown-workload": (
        HEAD + "workload: [{put-all: {after: put-lst}}]\n",
        (
            "x.yaml:2: workload[0].put-all.after: expected a workload of this phase (put-all), "
            "got 'put-lst'"
        ),
        [],
    ),
    "after-oneself": (
        HEAD + "workload: [{put-all: {after: put-all}}]\n",
        "x.yaml:2: workload[0].put-all.after: expected no circle, got 'put-all' waiting for itself",
        [],
    ),
    "after-in-a-circle": (
        HEAD + "workload:\n  - put-all: {after: check-all}\n  - check-all: {after: put-all}\n",
        "x.yaml:3: workload[0].put-all.after: expected no circle, got 'put-all' waiting for itself",
        [],
    ),
    "after-an-unknown-fault": (
        GOOD + "faults: [{name: cut, kill: {}, first_s: 1}, {pause: {}, after: kill}]\n",
        "x.yaml:3: faults[1].after: expected a fault above it (cut), got 'kill'",
        [],
    ),
    "unknown-target": (
        GOOD + "faults: [{kill: {target: leadr}, first_s: 1}]\n",
        "x.yaml:3: faults[0].kill.target: expected one of leader, follower, ",
        ["got 'leadr'"],
    ),
    "unknown-binding": (
        GOOD + "bind: {l: leeder}\n",
        "x.yaml:3: bind.l: expected one of leader, a follower, ",
        ["node N, got 'leeder'"],
    ),
    "unknown-checker": (
        GOOD + "checkers: [total-queue, totl-queue]\n",
        "x.yaml:3: checkers[1]: expected one of ",
        ["total-queue", "got 'totl-queue'"],
    ),
    "faults-that-overlap-themselves": (
        GOOD + "faults: [{kill: {}, down_s: 5, jitter_s: 1, every_s: 6}]\n",
        (
            "x.yaml:3: faults[0].every_s: expected more than the time the fault lasts and its "
            "jitter (6 s), got 6"
        ),
        [],
    ),
    "a-trigger-out-of-reach": (
        GOOD + "faults: [{kill: {}, at: {acknowledged: 6}}]\n",
        "x.yaml:3: faults[0].at.acknowledged: expected at most 5, the phase's puts, got 6",
        [],
    ),
    "two-triggers": (
        GOOD + "faults: [{kill: {}, at: {elapsed_s: 1, invoked: 3}}]\n",
        "x.yaml:3: faults[0].at: expected exactly one of ",
        ["got elapsed_s and invoked"],
    ),
    "trigger-and-time": (
        GOOD + "faults: [{kill: {}, at: {elapsed_s: 1}, first_s: 3}]\n",
        "x.yaml:3: faults[0]: expected one of at, after, first_s, weight, got at and first_s",
        [],
    ),
    "times-of-nothing": (
        GOOD + "faults: [{kill: {}, first_s: 1, times: 3}]\n",
        "x.yaml:3: faults[0].times: expected every_s beside it, got none",
        [],
    ),
    "two-durations": (
        GOOD + "faults: [{kill: {}, down_s: 1, for_s: 1}]\n",
        "x.yaml:3: faults[0]: expected one of down_s and for_s",
        [],
    ),
    "after-the-phase": (
        GOOD + "faults: [{kill: {}, first_s: 301}]\n",
        "x.yaml:3: faults[0].first_s: expected at most 300, the phase's limit_s, got 301",
        [],
    ),
    "heals-an-unknown-fault": (
        GOOD + "faults: [{name: cut, kill: {}, first_s: 1}, {heal: cot}]\n",
        "x.yaml:3: faults[1].heal: expected ",
        ["cut", "got 'cot'"],
    ),
    "waits-for-an-unknown-node": (
        GOOD + "faults: [{kill: {}, first_s: 1, until: {node: 6, mode: down}}]\n",
        "x.yaml:3: faults[0].until.node: expected ",
        ["got 6"],
    ),
    "because-of-nothing-invalid": (
        GOOD + "because: lost\n",
        "x.yaml:3: because: expected `expect: invalid` beside it, got 'valid'",
        [],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_the_place_and_the_reason(tmp_path: Path, case: str) -> None:
    """A bad scenario is refused with file, line, key, what was expected and what was there."""
    text, beginning, words = REFUSED[case]
    told = complaint(tmp_path, text)
    assert told.startswith(beginning)
    for word in words:
        assert word in told
    assert "\n" not in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            HEAD + "seeed: 1\nworkload: [{put-all: {count: x}}]\nfaults: [{kill: {targt: any}}]\n",
            ["2: seeed:", "3: workload[0].put-all.count:", "4: faults[0].kill.targt:"],
        ),
        (
            GOOD + "checkers: [nobody]\nfaults:\n"
            "  - {kill: {target: lead}}\n  - {pause: {}, after: nothing}\n",
            ["3: checkers[0]:", "5: faults[0].kill.target:", "6: faults[1].after:"],
        ),
        (
            (
                "seeed: 1\nbind: {a: leader}\nsubject: zkmqq\nworkload: [{put-all: {cout: 3}}]\n"
                "faults:\n"
                "  - {kill: {target: laeder, foo: 1}, first_s: 2, down_s: 5}\n"
                "  - {kil: {target: nobody}, first_s: 2, down_s: 5}\n"
                "  - {pause: {target: b}, first_s: x, for_s: 5}\n"
                "  - {link-latency: {delay_ms: 3}, first_s: 1}\n"
                "  - {pause: {target: a}, first_s: 1, until: {mode: down, node: 9}}\n"
                "checkers: [fiffo]\n"
            ),
            [
                "11: checkers[0]:",
                "1: description:",
                "1: seeed:",
                "3: subject:",
                "4: workload[0].put-all.cout:",
                "6: faults[0].kill.foo:",
                "6: faults[0].kill.target:",
                "7: faults[1].kil:",
                "8: faults[2].first_s:",
                "8: faults[2].pause.target:",
                "9: faults[3].link-latency.pairs:",
                "10: faults[4].until.node:",
            ],
        ),
        (
            HEAD + "workload: [{put-all: {count: 1}}, 7]\nfaults: [{kill: {target: lead}}]\n",
            ["2: workload[1]:", "3: faults[0].kill.target:"],
        ),
        (
            HEAD + "phases:\n  - {name: a b, faults: [{kill: {target: lead}}]}\n  - {faults: 7}\n",
            ["3: phases[0].faults[0].kill.target:", "3: phases[0].name:", "4: phases[1].faults:"],
        ),
    ],
    ids=["of-keys", "of-names", "of-both", "of-an-entry", "of-phases"],
)
def test_every_mistake_is_told(tmp_path: Path, text: str, told: list[str]) -> None:
    """A file with several mistakes is answered with a line for each, in one go."""
    lines = complaint(tmp_path, text).replace(f"{tmp_path}/", "").splitlines()
    assert sorted(" ".join(line.split()[:2]).removeprefix("x.yaml:") for line in lines) == sorted(
        told
    )


@pytest.mark.parametrize(
    "wrong",
    ["bind: {a: 3}", "bind: {a: leader, b: 3}", "cluster: {node: 7}", "cluster: {nodes: x}"],
)
def test_a_mistake_makes_no_other_name_wrong(tmp_path: Path, wrong: str) -> None:
    """Where the nodes or the bound names are not known, nothing is said of a target."""
    text = f"{GOOD}faults: [{{kill: {{target: a}}}}, {{pause: {{target: {{node: 7}}}}}}]\n{wrong}\n"
    told = complaint(tmp_path, text)
    assert told.count("\n") == 0
    assert "x.yaml:4: " in told


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A scenario that does not exist is named, and where to look for those that do."""
    with pytest.raises(ScenarioError, match=r"none\.yaml: expected a readable YAML file, got no "):
        loading.load(tmp_path / "none.yaml")


def test_a_directory_is_named(tmp_path: Path) -> None:
    """A folder is not a scenario."""
    with pytest.raises(ScenarioError, match="expected a readable YAML file, got a directory"):
        loading.load(tmp_path)


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    """A binary file is not a scenario."""
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ScenarioError, match="got bytes that are not UTF-8"):
        loading.load(path)


def test_a_short_scenario_is_one_phase(tmp_path: Path) -> None:
    """Workload and faults without `phases` are the only phase, with every default spelled out."""
    loaded = load(
        tmp_path, GOOD + "faults: [{kill: {wipe: true}, first_s: 2, down_s: 5, every_s: 15}]\n"
    )
    (phase,) = loaded.phases
    assert [entry.kind for entry in phase.workload] == ["put-all", "check-all"]
    assert phase.workload[0].workload.count == 5
    assert phase.workload[0].workload.priority == 100
    assert phase.workload[1].workload.after == "put-all"
    (fault,) = phase.faults
    assert (fault.kind, fault.fault.target, fault.fault.wipe) == ("kill", "leader", True)
    assert (fault.first_s, fault.every_s, fault.hold_s) == (2, 15, 5)
    assert (loaded.seed, loaded.expect, loaded.level) == (1, "valid", None)


def test_phases_keep_their_order(tmp_path: Path) -> None:
    """With `phases` each has its own workload and faults, in the order of the file."""
    text = HEAD + (
        "phases:\n"
        "  - {name: in, workload: [{put-all: {}}]}\n"
        "  - {faults: [{kill: {}}, {heal: all}]}\n"
    )
    loaded = load(tmp_path, text)
    assert [phase.name for phase in loaded.phases] == ["in", None]
    assert [entry.kind for entry in loaded.phases[1].faults] == ["kill", "heal"]
    assert all(entry.sequential for entry in loaded.phases[1].faults)
    assert [entry.kind for entry in loaded.workloads] == ["put-all"]


def test_what_refers_to_something_is_accepted(tmp_path: Path) -> None:
    """Bound names, names of faults above and triggers within reach are not complained of."""
    text = GOOD + (
        "bind: {l: leader, a: a follower, n: node 2}\n"
        "faults:\n"
        "  - {name: first, kill: {target: l}, at: {acknowledged: 5}, down_s: 1}\n"
        "  - {pause: {target: a}, after: first, for_s: 1, until: {node: n, mode: serving}}\n"
        "  - {heal: first}\n"
    )
    loaded = load(tmp_path, text)
    assert loaded.bind == {"l": "leader", "a": "a follower", "n": "node 2"}


def test_loading_does_not_change_with_the_order_of_keys(tmp_path: Path) -> None:
    """The same keys in another order are the same scenario."""
    one, other = load(tmp_path, HEAD + WORK), load(tmp_path, WORK + HEAD)
    assert one.model_dump() == other.model_dump()


def test_a_build_of_ones_own_may_stand_for_a_release(tmp_path: Path) -> None:
    """`zookeeper` and `to` take a tarball or a folder of jars, and exactly one of them."""
    text = GOOD + (
        "cluster: {zookeeper: {tarball: a.tar.gz}}\n"
        "faults:\n"
        "  - {rolling-upgrade: {to: {jars: target}}, first_s: 1}\n"
        "  - {name: b, rolling-upgrade: {to: {jars: target}}, after: rolling-upgrade}\n"
    )
    loaded = load(tmp_path, text)
    assert loaded.cluster.zookeeper == OwnBuild(tarball="a.tar.gz")
    assert loaded.upgrades == [OwnBuild(jars="target")]
    both = text.replace("{jars: target}", "{jars: target, tarball: b}", 1)
    assert "x.yaml:5: " in (told := complaint(tmp_path, both)), told
    assert "expected one of tarball and jars" in told


def test_only_a_release_that_is_named_is_exact(tmp_path: Path) -> None:
    """A scenario that names its release needs it; one that does not takes what is shipped."""
    named = load(tmp_path, GOOD + 'cluster: {zookeeper: "3.9.6"}\n').cluster
    unnamed = load(tmp_path, GOOD + "cluster: {nodes: 5}\n").cluster
    assert (named.exact, unnamed.exact) == (True, False)
