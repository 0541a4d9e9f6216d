"""Draw random scenarios from the registered faults, and tell which failures have one cause.

Pure: the same seed and number give the same scenario, whatever was drawn before.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from random import Random
from typing import Any

from harness.common.harness_errors import ScenarioError
from harness.common.settings.quorum_config import QuorumConfig
from harness.faults import Fault, faults
from harness.scenario import loading, plan, roles
from harness.search.replay import Cause
from harness.search.shrink import Data
from harness.workloads import workloads

PHASES = (1, 1, 2, 3)
FAULTS = (1, 2, 3, 4)  # in a phase; one that does not go with those before it is left out
DATA_MB = 64
LASTS_S = (5.0, 12.0)  # a phase without faults
# What a fault may take beside its own time: to wait for room, for an election, for evidence.
SPARE_S = 6.0
ROLLING_S = 45.0  # five servers, each synced before the next
# Clients on a machine that others keep busy are slower; after this a phase is stuck.
STUCK_S = 300.0
NEEDS_NFQUEUE = frozenset({"latency"})
_OF_CLIENTS = frozenset({"client-crash", "client-pause"})
# A client that was killed never comes back, so it can be neither frozen nor killed again.
_ONCE = frozenset({"client-crash"})
_CUTS = frozenset(
    {
        "isolate",
        "one-way",
        "partition-bridge",
        "partition-halves",
        "partition-minority",
        "partition-ring",
    }
)
# The leader brings a member that is added up to date, which these prevent: the heal would fail.
_NO_NEW_MEMBER = _CUTS | {"loss", "bandwidth"}
# A rolling restart goes on when every server is synced, and nothing is healed while it waits.
_NEVER_SYNCED = _CUTS | {"disk-full", "disk-stall", "remove-voter", "replace"}
IMPOSSIBLE = (
    frozenset({"client-crash", "client-pause"}),
    *(frozenset({kind, other}) for kind in ("remove-voter", "replace") for other in _NO_NEW_MEMBER),
    *(frozenset({"rolling-restart", other}) for other in _NEVER_SYNCED),
)
"""Pairs of faults of which one cannot take effect in a phase with the other."""
_ROLES = ("leader", "follower", "any")
# How a setting is drawn, by its name; what is not here keeps its default.
_DRAWN: Mapping[str, Callable[[Random], Any]] = {
    "wipe": lambda rng: rng.random() < 0.5,
    "deaf": lambda rng: rng.random() < 0.5,
    "percent": lambda rng: rng.choice((5.0, 20.0, 50.0)),
    "rate_kbit": lambda rng: rng.choice((16, 64)),  # more holds nothing back on a quiet link
    "offset_s": lambda rng: rng.choice((-600.0, 600.0, 3600.0)),
    "delay_ms": lambda rng: rng.choice((20, 100)),
}


# What a fault needs of the cluster.
_NEEDED: Mapping[str, Any] = {
    "faketime": True,
    "reconfig": True,
    "data_mb": DATA_MB,
    "disk_shim": True,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What tells one failure from another.

    Attributes:
        reason: the gravest of all that was found.
        checks: the checkers that found it.
        faults: kinds of faults in force since the first operation that proves it began.
    """

    reason: str
    checks: frozenset[str]
    faults: frozenset[str]

    @classmethod
    def of(cls, results: Mapping[str, Any]) -> "Failure | None":
        """Return what a judged run failed of; None if it did not."""
        if not (reasons := Cause.of(results).gravest.reasons):
            return None
        (reason,) = reasons
        failing = [check for check in results["checks"] if reason in check["reasons"]]
        since_ns = min(_first_ns(failing), default=0)
        in_force = {
            fault["fault"]
            for fault in results["faults"]
            if fault["outcome"] == "installed" and (fault["heal_ns"] or since_ns) >= since_ns
        }
        names = frozenset(check["name"] for check in failing)
        return cls(reason=reason, checks=names, faults=frozenset(in_force))

    def explains(self, other: "Failure") -> bool:
        """Tell whether another failure is one more case of this one, which was shrunk.

        It is if the same checkers found the same with all the faults in force that this one
        needs. Another cause that needs more faults beside these stays hidden behind it.
        """
        same = (self.reason, self.checks) == (other.reason, other.checks)
        return same and self.faults <= other.faults

    def __str__(self) -> str:
        during = ", ".join(sorted(self.faults)) or "no fault"
        return f"{self.reason} ({', '.join(sorted(self.checks))}) during {during}"


def generate(
    seed: int,
    number: int,
    *,
    producer: str = "put-all",
    subject: str = "zkmq",
    without: Collection[str] = (),
) -> Data:
    """Return a scenario that loads, is within the budget of a minority, and should be valid.

    Faults that this machine is `without` are left out, and all else is as it would be with them.
    """
    rng = plan.stream(seed, "fuzz", number)
    kinds = drawable()
    data: Data = {
        "description": f"Drawn by `harness fuzz`: number {number} of seed {seed}.",
        "seed": rng.randrange(1, 1_000_000),
        "cluster": {"nodes": 5},
        "claim": "stale",
        "subject": subject,
        "phases": [],
        "expect": "valid",
    }
    first = 1
    for _ in range(rng.choice(PHASES)):
        begun_s, rate_hz = rng.uniform(*LASTS_S), rng.choice((20, 30, 50))
        drawn = [_drawn_fault(rng, kinds, lasts_s=begun_s) for _ in range(rng.choice(FAULTS))]
        lasts_s = _lasts_s(begun_s, drawn)
        count = round(lasts_s * rate_hz)
        workload = _workload(rng, producer, first, count, rate_hz)
        limit_s = round(STUCK_S + 2 * lasts_s)
        data["phases"].append({"limit_s": limit_s, "workload": workload})
        first += count
        for kind, entry in drawn:
            if kind not in without:
                data = _with_fault(data, kind, entry)
    return data


def _lasts_s(begun_s: float, drawn: Sequence[tuple[str, Data]]) -> float:
    """Return how long clients must go on so that every fault is over before they are.

    Faults that do not fit beside each other wait, so their times add up at worst.
    """
    needed_s = [
        float(entry.get("for_s", 0)) + (ROLLING_S if kind.startswith("rolling") else SPARE_S)
        for kind, entry in drawn
    ]
    latest_s = max(float(entry["first_s"]) for _, entry in drawn)
    return max(begun_s, latest_s + sum(needed_s))


def drawable() -> list[str]:
    """Return the faults that can be drawn: every setting has a default, every node votes."""
    missing = (MISSING, MISSING)
    needy = {
        name
        for name in faults.builtin
        if any((f.default, f.default_factory) == missing for f in _fields(faults[name]))
    }
    needy |= {name for name in faults.builtin if faults[name].of_gateway or faults[name].of_host}
    drawn = [name for name in faults.builtin if name not in needy]
    everyone = QuorumConfig()
    return [
        name
        for name in drawn
        if roles.complaint_of_target(faults[name]().target, everyone, {}) is None
    ]


def producers() -> list[str]:
    """Return the workloads that have `count`, `rate_hz` and `first`."""
    wanted = {"count", "rate_hz", "first"}
    return [name for name in workloads.builtin if wanted <= _names(workloads[name])]


def _workload(rng: Random, producer: str, first: int, count: int, rate_hz: int) -> list[Data]:
    drawn = {"clients": rng.choice((1, 2, 4))}
    clients = drawn if "clients" in _names(workloads[producer]) else {}
    takers = {"clients": rng.choice((1, 2, 4)), "batch": rng.choice((1, 1, 10))}
    return [
        {producer: {"count": count, "rate_hz": rate_hz, "first": first, **clients}},
        {"check-all": {"rate_hz": 2 * rate_hz, **takers}},
    ]


def _drawn_fault(rng: Random, kinds: Sequence[str], *, lasts_s: float) -> tuple[str, Data]:
    kind = rng.choice(kinds)
    fault = faults[kind]
    settings, when = _settings(rng, fault), _when(rng, fault, lasts_s)
    if kind in _OF_CLIENTS:
        settings["workload"] = "check-all"  # puts go on, so the phase lasts
        settings["number"] = 0
    return kind, {kind: settings, **when}


def _with_fault(data: Data, kind: str, entry: Data) -> Data:
    """Return a scenario with one more fault in its last phase; unchanged if that is not valid."""
    *earlier, phase = data["phases"]
    others = phase.get("faults", [])
    if _excluded(kind, others):
        return data
    named = {"name": f"{kind}-{len(others) + 1}", **entry}
    needed = {need: _NEEDED[need] for need in faults[kind].needs}
    more = data | {
        "cluster": data["cluster"] | needed,
        "phases": [*earlier, phase | {"faults": [*others, named]}],
    }
    try:
        loading.of(more)
    except ScenarioError:
        return data
    return more


def _excluded(kind: str, others: Sequence[Data]) -> bool:
    """Tell whether a fault cannot take effect beside others of its phase, whenever they come."""
    present = {key for other in others for key in other}
    return any(kind in pair and present & (pair - {kind}) for pair in IMPOSSIBLE) or (
        kind in _ONCE and kind in present
    )


def _settings(rng: Random, fault: type[Fault]) -> Data:
    drawn: Data = {}
    for field in _fields(fault):
        if field.name == "target" and field.default in _ROLES:
            drawn["target"] = rng.choice(_ROLES)
        elif field.name in _DRAWN:
            drawn[field.name] = _DRAWN[field.name](rng)
    return drawn


def _when(rng: Random, fault: type[Fault], lasts_s: float) -> Data:
    """Draw when a fault begins, how long it lasts, and whether it comes again.

    It begins in the phase's first half: faults are injected one after the other, so some are late.
    """
    when: Data = {"first_s": round(rng.uniform(0.2, 0.5 * lasts_s), 1)}
    hold_s = round(rng.uniform(0.5, 5.0), 1)
    if fault.lasting:
        when["for_s"] = hold_s
    if rng.random() < 0.3 and fault not in map(faults.__getitem__, _ONCE):
        when["every_s"] = round(hold_s + rng.uniform(2.0, 6.0), 1)
    return when


def _fields(registered: type[Any]) -> tuple[Field[Any], ...]:
    """Return the settings of a fault or workload: each registered class is a dataclass."""
    return fields(registered)


def _names(registered: type[Any]) -> set[str]:
    return {field.name for field in _fields(registered)}


def _first_ns(checks: Iterable[Mapping[str, Any]]) -> Iterable[int]:
    """Give when the operations that prove a failure began."""
    for check in checks:
        for witness in check["witnesses"]:
            yield from (op["invoke_ns"] for op in witness["operations"])
