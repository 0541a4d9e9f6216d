"""What a scenario may not ask for, although each of its keys is right."""

from pathlib import Path

import pytest

from harness.common.harness_errors import ScenarioError
from harness.scenario import loading

WORK = "workload: [{put-all: {count: 5}}]\n"
GOOD = "description: d\n" + WORK
BOUND = "bind: {l: leader, a: a follower, b: a follower}\n"

REFUSED = {
    "a-majority-killed": (
        "faults: [{kill: {target: majority}, first_s: 1, down_s: 1}]\n",
        "x.yaml:3: faults[0]: expected at most a minority hurt at once, got up to 3 of 5 nodes",
    ),
    "three-kills-at-once": (
        (
            "faults:\n"
            "  - {name: a, kill: {target: any}, first_s: 1, down_s: 9}\n"
            "  - {name: b, kill: {target: any}, first_s: 2, down_s: 9}\n"
            "  - {name: c, kill: {target: any}, first_s: 3, down_s: 9}\n"
        ),
        "x.yaml:6: faults[2]: expected at most a minority hurt at once, got up to 3 of 5 nodes",
    ),
    "two-of-three-voters-beside-observers": (
        (
            "cluster: {nodes: [{}, {}, {}, {role: observer}, {role: observer}]}\n"
            "faults:\n"
            "  - {name: a, kill: {target: follower}, first_s: 1, down_s: 9}\n"
            "  - {name: b, kill: {target: follower}, first_s: 2, down_s: 9}\n"
        ),
        "x.yaml:6: faults[1]: expected at most a minority hurt at once, got up to 2 of 3 nodes",
    ),
    "an-observer-where-there-is-none": (
        "faults: [{pause: {target: observer}, first_s: 1, for_s: 1}]\n",
        "x.yaml:3: faults[0].pause.target: expected an observer among the nodes",
    ),
    "a-cut-and-a-kill": (
        BOUND + "faults:\n"
        "  - {partition-minority: {}, first_s: 1, for_s: 9}\n"
        "  - {kill: {target: leader}, first_s: 2, down_s: 1}\n",
        "x.yaml:6: faults[1]: expected at most a minority hurt at once, got up to 3 of 5 nodes",
    ),
    "kills-that-nobody-heals": (
        "faults: [{kill: {}, every_s: 20}]\n",
        "x.yaml:3: faults[0]: expected at most a minority hurt at once",
    ),
    "http-for-a-queue-that-has-none": (
        "transport: rest\nsubject: kazoo-queue\n",
        "x.yaml:3: transport: expected 'kazoo' for subject kazoo-queue, got 'rest'",
    ),
    "relaxed-order-of-a-queue-that-has-none": (
        "order: relaxed\nsubject: kazoo-queue\n",
        "x.yaml:3: order: expected 'strict' for subject kazoo-queue, got 'relaxed'",
    ),
    "segments-of-a-queue-that-has-none": (
        "segment_items: 5\nsubject: kazoo-queue\n",
        (
            "x.yaml:3: segment_items: expected `subject: zkmq` and `transport: kazoo` beside it, "
            "got kazoo-queue over kazoo"
        ),
    ),
    "segments-of-a-tree-that-the-gateway-makes": (
        "segment_items: 5\ntransport: rest\n",
        (
            "x.yaml:3: segment_items: expected `subject: zkmq` and `transport: kazoo` beside it, "
            "got zkmq over rest"
        ),
    ),
    "an-order-of-items-that-wait-for-their-groups": (
        "workload: [{put-all: {count: 5, groups: 2}}]\nclaim: stale\n",
        "x.yaml:3: claim: expected 'unordered' beside `groups`, whose items wait for each other",
    ),
    "windows-of-strict-order": (
        "claim: window\n",
        (
            "x.yaml:3: claim: expected `order: relaxed` and `transport: kazoo` beside 'window', "
            "got strict over kazoo"
        ),
    ),
    "a-gateway-to-kill-where-there-is-none": (
        "faults: [{gateway-kill: {}, first_s: 1, down_s: 1}]\n",
        "x.yaml:3: faults[0].gateway-kill: expected `transport: rest` for this fault, got none",
    ),
    "http-for-clients-to-be-cut-off": (
        "transport: rest\nfaults: [{client-cut: {}, first_s: 1, for_s: 9}]\n",
        "x.yaml:3: transport: expected 'kazoo' for a fault that cuts clients off, got 'rest'",
    ),
    "two-cuts": (
        (
            "faults:\n"
            "  - {isolate: {}, first_s: 1, for_s: 9}\n"
            "  - {partition-ring: {}, first_s: 5, for_s: 1}\n"
        ),
        "x.yaml:5: faults[1]: expected no other 'cut' fault in force, got 'isolate'",
    ),
    "a-pause-of-the-dead": (
        BOUND + "faults: [{kill: {target: l}}, {pause: {target: l}}]\n",
        "x.yaml:4: faults[1]: expected no other 'process' fault in force, got 'kill'",
    ),
    "a-clock-of-nobody's-own": (
        "faults: [{clock: {}, first_s: 1, for_s: 1}]\n",
        "x.yaml:3: faults[0].clock: expected `cluster: {faketime: ...}` for this fault, got none",
    ),
    "a-strobe-that-no-server-sees": (
        (
            "cluster: {faketime: true}\n"
            "faults: [{clock-strobe: {period_s: 0.2}, first_s: 1, for_s: 1}]\n"
        ),
        (
            "x.yaml:4: faults[0].clock-strobe.period_s: expected at least 4 s, since a server "
            "rereads its clock each 2 s, got 0.2"
        ),
    ),
    "a-jump-that-no-one-can-see": (
        "cluster: {faketime: true}\nfaults: [{clock: {offset_s: -1}, first_s: 1, for_s: 1}]\n",
        (
            "x.yaml:4: faults[0].clock.offset_s: expected at least 5 s either way, since less "
            "cannot be seen for certain, got -1"
        ),
    ),
    "a-disk-without-a-size": (
        "faults: [{disk-full: {}, first_s: 1, for_s: 1}]\n",
        "x.yaml:3: faults[0].disk-full: expected `cluster: {data_mb: ...}` for this fault",
    ),
    "a-group-of-a-role": (
        "faults: [{partition: {groups: [[minority], [1]]}, first_s: 1, for_s: 1}]\n",
        "x.yaml:3: faults[0].partition.groups: expected a number or one of leader, got 'minority'",
    ),
    "a-node-in-two-groups": (
        "faults: [{partition: {groups: [[1, 2], [2, 3]]}, first_s: 1, for_s: 1}]\n",
        "x.yaml:3: faults[0].partition.groups: expected each node once, got {'node': 2} twice",
    ),
    "a-weight-without-a-mix": (
        "faults: [{kill: {}, weight: 2, down_s: 1}]\n",
        "x.yaml:3: faults[0].weight: expected mix_s beside it in the phase, got none",
    ),
    "a-weight-without-an-end": (
        "mix_s: 5\nfaults: [{kill: {}, weight: 2}]\n",
        "x.yaml:4: faults[0].weight: expected down_s or for_s beside it, got none",
    ),
    "two-of-one-name-in-a-mix": (
        "mix_s: 5\nfaults: [{kill: {}, weight: 2, down_s: 1}, {kill: {}, weight: 1, down_s: 1}]\n",
        "x.yaml:4: faults[0].name: expected a name of its own beside weight, got 'kill'",
    ),
    "a-bound-on-no-fault": (
        "faults: [{kill: {}, first_s: 1}]\navailability: {during: cut, max_fraction: 0}\n",
        "x.yaml:4: availability.during: expected one of kill, got 'cut'",
    ),
    "a-bound-that-nothing-meets": (
        "availability: {during: kill, max_fraction: 0.1, min_fraction: 0.2}\n",
        "x.yaml:3: availability: expected min_fraction not above max_fraction",
    ),
    "replaces-nothing": (
        "faults: [{kill: {}}, {isolate: {}, replaces: cut}]\n",
        "x.yaml:3: faults[1].replaces: expected one of kill, got 'cut'",
    ),
    "a-log-of-nobody": (
        "faults: [{kill: {}, at: {log: {node: 9, pattern: x}}}]\n",
        "x.yaml:3: faults[0].at.log.node: expected one of leader, 1..5, got 9",
    ),
    "values-of-two-producers": (
        "workload: [{put-all: {count: 5}}, {put-list: {items: [{value: 5}]}}]\n",
        ("x.yaml:2: workload[1].put-list: expected values of its own, got 5 again; set `first`"),
    ),
    "an-unknown-reason": (
        "expect: invalid\nbecause: lots\n",
        "x.yaml:4: because: expected one of those that `harness explain because` lists",
    ),
    "a-reason-of-another-checker": (
        "checkers: [recovery]\nexpect: invalid\nbecause: lost\n",
        "x.yaml:5: because: expected one of server-lost, got 'lost'",
    ),
    "no-groups": (
        "faults: [{partition: {groups: []}, first_s: 1, for_s: 1}]\n",
        "x.yaml:3: faults[0].partition.groups: expected List should have at least 2 items",
    ),
    "one-group": (
        "faults: [{partition: {groups: [[1, 2]]}, first_s: 1, for_s: 1}]\n",
        "x.yaml:3: faults[0].partition.groups: expected List should have at least 2 items",
    ),
    "an-empty-group": (
        "faults: [{partition: {groups: [[1, 2], []]}, first_s: 1, for_s: 1}]\n",
        "x.yaml:3: faults[0].partition.groups[1]: expected List should have at least 1 item",
    ),
    "a-client-before-the-first": (
        "faults: [{client-crash: {number: -1}, first_s: 1}]\n",
        "x.yaml:3: faults[0].client-crash.number: expected a value greater than or equal to 0, got",
    ),
    "clients-of-no-workload": (
        "faults: [{client-crash: {workload: check-al}, first_s: 1}]\n",
        "x.yaml:3: faults[0].client-crash.workload: expected one of any, put-all, got 'check-al'",
    ),
    "a-delay-back-in-time": (
        "faults: [{latency: {jitter_ms: -1}, first_s: 1, for_s: 1}]\n",
        "x.yaml:3: faults[0].latency.jitter_ms: expected a value greater than or equal to 0, got",
    ),
    "a-mix-back-in-time": ("mix_s: -1\n", "x.yaml:3: mix_s: expected a value greater than 0"),
    "everything-lost": (
        "faults: [{loss: {target: all, percent: 100}, first_s: 1, for_s: 1}]\n",
        "x.yaml:3: faults[0]: expected at most a minority hurt at once, got up to 5 of 5 nodes",
    ),
    "the-leader-of-one": (
        "cluster: {nodes: 1}\nfaults: [{pause: {target: leader}, first_s: 1, for_s: 1}]\n",
        (
            "x.yaml:4: faults[0].pause.target: expected any or node 1, since a single node has no "
            "role, got 'leader'"
        ),
    ),
    "a-minority-of-two": (
        "cluster: {nodes: 2}\nfaults: [{pause: {target: minority}, first_s: 1, for_s: 1}]\n",
        "x.yaml:4: faults[0].pause.target: expected a target that means a node among 2 nodes",
    ),
    "an-election-of-one": (
        "cluster: {nodes: 1}\nfaults: [{client-crash: {}, at: {event: leader-elected}}]\n",
        "x.yaml:4: faults[0].at.event: expected several nodes for an election, got one",
    ),
    "two-names-for-the-leader": (
        "bind: {a: leader, b: leader}\n",
        "x.yaml:3: bind.b: expected one name for 'leader', got a second",
    ),
    "a-name-for-nobody": ("bind: {a: node 9}\n", "x.yaml:3: bind.a: expected a node of 1..5"),
    "more-names-than-nodes": (
        "cluster: {nodes: 1}\nbind: {a: any, b: any}\n",
        "x.yaml:4: bind.b: expected at most 1 names, one a node, got more",
    ),
    "more-injections-than-anybody-can-do": (
        "faults: [{client-crash: {}, every_s: 1.0e-300}]\n",
        "x.yaml:3: faults[0]: expected at most 10000 planned injections in all phases, got 3e+302",
    ),
    "a-mix-of-more-injections": (
        "mix_s: 0.001\nfaults: [{client-crash: {}, weight: 1}]\n",
        "x.yaml:4: faults[0]: expected at most 10000 planned injections in all phases, got 300000",
    ),
    "a-pattern-that-is-none": (
        "faults: [{kill: {}, at: {log: {node: 1, pattern: '('}}}]\n",
        "x.yaml:3: faults[0].at.log.pattern: expected a regular expression, got '('",
    ),
}
ACCEPTED = {
    "all-observers-and-a-minority": (
        "cluster: {nodes: [{}, {}, {role: observer}, {}, {role: observer}]}\n"
        "bind: {o: an observer, f: a follower}\n"
        "faults:\n  - {name: a, kill: {target: observers}}\n  - {name: b, pause: {target: f}}\n"
        "  - {name: c, heal: all}\n  - {name: d, kill: {target: o}}\n"
        "  - {name: e, isolate: {target: minority}}\n"
    ),
    "one-after-the-other": (
        "faults:\n"
        "  - {name: a, kill: {target: minority}, first_s: 1, down_s: 2}\n"
        "  - {name: b, kill: {target: minority}, first_s: 4, down_s: 2}\n"
    ),
    "leave-given": (
        "budget: majority\nfaults: [{kill: {target: majority}, first_s: 1, down_s: 1}]\n"
    ),
    "the-same-node-twice": (
        BOUND + "faults:\n  - {kill: {target: l}}\n  - {isolate: {target: l}}\n"
        "  - {name: more, loss: {target: l}}\n"
    ),
    "everybody-has-a-majority": "faults: [{partition-ring: {}}, {kill: {target: minority}}]\n",
    "started-again": (
        BOUND
        + "faults:\n  - {name: first, kill: {target: l}}\n"
        + "  - {start: {target: l}}\n  - {kill: {target: minority}}\n"
    ),
    "a-chain": (
        "faults:\n  - {kill: {target: minority}, first_s: 1, down_s: 2}\n"
        "  - {rolling-restart: {}, after: kill}\n"
        "  - {rolling-upgrade: {to: '3.9.6'}, after: rolling-restart}\n"
    ),
    "bounds": (
        "faults: [{name: cut, isolate: {}, first_s: 1, for_s: 1}]\n"
        "recovery_s: 10\navailability: {during: cut, max_fraction: 0}\n"
    ),
    "a-mix-that-must-skip": (
        "mix_s: 5\nfaults:\n  - {kill: {target: minority}, weight: 2, down_s: 3}\n"
        "  - {pause: {target: minority}, weight: 1, for_s: 3}\n"
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_at_load(tmp_path: Path, case: str) -> None:
    """What cannot be, or hurts too many without leave, is refused with file, line and key."""
    text, told = REFUSED[case]
    path = tmp_path / "x.yaml"
    own = text.startswith("workload:")
    path.write_text(GOOD.replace(WORK, "") + text if own else GOOD + text)
    with pytest.raises(ScenarioError) as caught:
        loading.load(path)
    assert told in str(caught.value)


@pytest.mark.parametrize("case", ACCEPTED)
def test_accepted(tmp_path: Path, case: str) -> None:
    """What keeps within the budget, or has leave, is loaded."""
    path = tmp_path / "x.yaml"
    path.write_text(GOOD + ACCEPTED[case])
    assert loading.load(path).phases


@pytest.mark.parametrize("path", sorted(Path("scenarios").rglob("*.yaml")), ids=str)
def test_every_scenario_keeps_its_budget(path: Path) -> None:
    """Each scenario of the library loads, so its worst case is within what it asks leave for."""
    assert loading.load(path).description
