"""What people read of a fault: its settings that matter, and whom it hit."""

from dataclasses import fields
from typing import Any, get_args, get_type_hints

import pytest

from harness.faults import faults
from harness.nemesis import undo
from worlds.faults.required import REQUIRED

MODES = {"1": "follower", "2": "follower", "3": "follower", "4": "follower", "5": "leader"}
EVERYONE = [1, 2, 3, 4, 5]


# Without which a setting is refused.
BESIDE: dict[str, dict[str, Any]] = {
    "failpoint.sleep_ms": {"do": "sleep"},
    "failpoint.error": {"do": "throw", "error": "IOException"},
}

# What a setting may be instead, if it is no simple value.
OTHERS: dict[str, Any] = {
    "link-latency.pairs": [[2, 1]],
    "regions.groups": {"eu": [1, 2], "us": [3, 5]},
}


@pytest.mark.parametrize(
    ("kind", "settings", "nodes", "told"),
    [
        (
            "latency",
            {"clients": True, "duplicate_percent": 3},
            [4],
            ", 3 % twice, clients too, node",
        ),
        ("link-latency", {"pairs": [[1, "b"], ["b", 2]]}, [1, 4, 2], "100 ms 1 to 4, 4 to 2"),
        (
            "regions",
            {"groups": {"eu": ["l"], "us": [2, 3]}},
            [5, 2, 3],
            "80 ms between eu {5} | us {2,3}",
        ),
        ("regions", {"groups": {"eu": ["l"], "us": [2, 3]}}, [], "80 ms between eu {l} | us {2,3}"),
        ("kill", {"wipe": True}, [5], "kill+wipe node 5 (leader)"),
        ("kill", {}, [1, 5], "kill nodes 1, 5 (leader 5)"),
        ("kill", {"wipe": True}, [], "kill+wipe the leader"),
        ("kill", {"target": "old"}, [], "kill old"),
        ("start", {"target": {"node": 2}}, [2], "start node 2 (follower)"),
        ("start", {"target": {"node": 2}}, [], "start node 2"),
        ("pause", {}, [3], "pause node 3 (follower)"),
        ("restart", {}, EVERYONE, "restart all 5 nodes"),
        ("partition", {"groups": [[5, 4, 3], [2, 1]]}, [5, 4, 3, 2, 1], "{5,4,3} | {2,1}"),
        ("partition", {"groups": [["leader"], [2, 1]]}, [], "partition {leader} | {2,1}"),
        ("partition", {"groups": [[1, 2], [3, 4]]}, [1, 2, 3, 4], "{1,2} | {3,4}, joined by 5"),
        ("partition-halves", {}, [2, 4], "partition-halves {2,4} | {1,3,5} (leader 5)"),
        ("partition-minority", {}, [1, 2], "partition-minority {1,2} | {3,4,5} (leader 5)"),
        ("partition-ring", {}, [3, 1, 5, 2, 4], "partition-ring 3-1-5-2-4 (leader 5)"),
        ("partition-bridge", {}, [3], "partition-bridge {1,2} | {4,5}, joined by 3 (leader 5)"),
        ("isolate", {}, [5], "isolate {5} | {1,2,3,4} (leader 5)"),
        ("one-way", {}, [5], "one-way deaf node 5 (leader)"),
        ("one-way", {"deaf": False}, [5], "one-way mute node 5 (leader)"),
        ("loss", {"percent": 2.5}, [5], "loss 2.5 % node 5 (leader)"),
        ("bandwidth", {"rate_kbit": 8}, [5], "bandwidth 8 kbit/s node 5 (leader)"),
        ("latency", {"delay_ms": 80, "jitter_ms": 20}, [4], "latency 80 ms ±20 node 4 (follower)"),
        ("latency", {"reorder_percent": 5}, [4], "latency 100 ms, 5 % reordered, node 4"),
        ("clock", {"offset_s": -60.0}, [5], "clock -60 s node 5 (leader)"),
        ("clock-strobe", {}, [5], "clock-strobe +3600 s every 4 s node 5 (leader)"),
        ("disk-full", {}, [5], "disk-full node 5 (leader)"),
        ("power-loss", {"model": "strict"}, [5], "power-loss model strict node 5 (leader)"),
        ("torn-write", {"keep_bytes": 9}, [5], "torn-write keep_bytes 9 node 5 (leader)"),
        ("io-error", {"error": "ENOSPC", "nth": 2}, [5], "ENOSPC on write 2 of log node 5"),
        ("slow-disk", {"jitter_ms": 30}, [5], "slow-disk fsync of any 200 ms ±30 node 5"),
        ("corrupt", {"how": "truncate", "file": "snapshot"}, [5], "corrupt truncate of snapshot"),
        ("disk-stall", {}, [5], "disk-stall node 5 (leader)"),
        (
            "failpoint",
            {"point": "FileTxnLog.rollLog:enter", "do": "sleep", "nth": 3},
            [5],
            "failpoint sleep 1000 ms at FileTxnLog.rollLog:enter of thread 3 node 5 (leader)",
        ),
        ("gateway-kill", {}, [], "gateway-kill"),
        ("rolling-upgrade", {"to": "3.9.6"}, EVERYONE, "rolling-upgrade to 3.9.6 all 5 nodes"),
        ("client-crash", {}, [], "client-crash all clients"),
        ("client-pause", {"workload": "put-all", "number": 1}, [], "number 1 of put-all clients"),
        ("client-cut", {"workload": "check-all"}, EVERYONE, "check-all clients from all 5 nodes"),
    ],
)
def test_a_fault_is_told_with_its_settings_and_its_nodes(
    kind: str, settings: dict[str, Any], nodes: list[int], told: str
) -> None:
    """Each family puts in words what a reader of a red run looks for first."""
    assert told in undo.fault_of(kind, settings).describe(kind, nodes, MODES)


@pytest.mark.parametrize("kind", list(faults))
def test_every_setting_of_every_fault_is_told(kind: str) -> None:
    """Two injections that differ in one setting never read the same."""
    for field in fields(faults[kind]):  # type: ignore[arg-type]
        settings = REQUIRED.get(kind, {}) | BESIDE.get(f"{kind}.{field.name}", {})
        fault = undo.fault_of(kind, settings)
        plain = fault.describe(kind, [], {})
        assert plain.startswith(kind)
        now = getattr(fault, field.name)
        allowed = _words(get_type_hints(type(fault))[field.name])
        word = next((word for word in allowed if word != now), None)
        another = OTHERS.get(f"{kind}.{field.name}", word)
        other = undo.fault_of(kind, {**settings, field.name: another or _another(now)})
        assert other.describe(kind, [], {}) != plain, field.name


def test_nodes_without_known_roles_are_told_by_number() -> None:
    """A ledger's entry has no modes of its time, and is described all the same."""
    for kind in faults:
        fault = undo.fault_of(kind, REQUIRED.get(kind, {}))
        told = fault.describe(kind, [] if fault.target == [] else [5], {})
        assert told.startswith(kind)
        assert fault.target == [] or told.endswith(("node 5", "5")), told


def _words(hint: Any) -> list[str]:
    """Return the words that a setting may be."""
    return [
        word
        for one in get_args(hint)
        for word in ([one] if isinstance(one, str) else _words(one))
        if word != "all"
    ]


def _another(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case float():
            return value / 2 if value > 100 else value + 2
        case None:
            return 3
        case list():
            return [[1], [2, 3, 4, 5]]
        case dict():
            return {"node": 4}
    others = {
        "3.9.6": "3.9.3",
        "any": "put-all",
        "Leader.shutdown:enter": "FileTxnLog.rollLog:enter",
    }
    return others.get(value, "any")
