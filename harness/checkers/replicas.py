"""Whether all servers hold the same tree. A client may never notice what one server lacks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from harness.checkers import checkers
from harness.checkers.evidence.violations import in_order
from harness.claim import Claim
from harness.common.verdict import CheckResult, Finding, Verdict, Witness
from harness.history.columns import History
from harness.history.record import Value

SHOWN = 5
_WHEN = {"healed": "After the last heal", "drained": "After the drain", "end": "At the end"}
SUSPICION = "; suspected: a leader's sync from its log on disk, see docs/adr/0006"

Tree = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Look:
    """All servers' trees at one moment of the run, such as `healed` or `drained`."""

    when: str
    trees: tuple[Tree, ...]

    @property
    def groups(self) -> tuple[tuple[Tree, ...], ...]:
        """Return the trees that could be read, equal ones together, the largest group first."""
        by_digest: dict[str, list[Tree]] = {}
        for tree in self.trees:
            if _was_read(tree):
                by_digest.setdefault(tree["digest"], []).append(tree)
        ranked = sorted(by_digest.values(), key=lambda group: (-len(group), group[0]["node"]))
        return tuple(map(tuple, ranked))

    @property
    def differs(self) -> bool:
        """Tell whether two servers held different trees."""
        return len(self.groups) > 1

    @property
    def settled(self) -> bool:
        """Tell whether each server was read twice and had not changed between."""
        return all(tree.get("settled") is True for tree in self.trees if _was_read(tree))


@checkers.register("replicas")
class Replicas:
    """All servers, each read by itself, hold the same paths, versions and data. O(items).

    Different trees that stood still while they were read again make the run INVALID
    (`replicas-differ`). Trees that still changed make it UNKNOWN (`replicas-unsettled`), and so
    does a server that could not be read (`replica-unread`).

    An item that all servers lack is not found here: total-queue reports it as `lost`.

    Details: for each look, the groups of nodes that agree. The witness names the sync from a
    leader's log on disk as suspect (ZOOKEEPER-2846) where the servers' logs point to it. That is a
    hint to people and changes no verdict.

    Source: ZOOKEEPER-4925, where a server serves half of the items for good, without an error.
    """

    finds: ClassVar[frozenset[str]] = frozenset({"replicas-differ"})

    def unmet(self, history: History, claim: Claim) -> str | None:
        """It needs the trees of two servers."""
        nodes = {tree["node"] for look in looks(history) for tree in look.trees}
        return None if len(nodes) > 1 else "the trees of two servers"

    def check(self, history: History, claim: Claim) -> CheckResult:
        """Compare the trees of each look."""
        seen = looks(history)
        differ = [look for look in seen if look.differs and look.settled]
        doubts = {"replicas-unsettled" for look in seen if look.differs and not look.settled}
        doubts |= {"replica-unread" for look in seen for t in look.trees if not _was_read(t)}
        suspects = _suspects(history)
        witnesses = [witness for look in differ for witness in _differences(look, suspects)]
        verdict = Verdict.INVALID if differ else Verdict.UNKNOWN if doubts else Verdict.VALID
        return CheckResult(
            name="replicas",
            verdict=verdict,
            reasons=tuple(sorted(doubts | ({"replicas-differ"} if differ else set()))),
            details={
                look.when: [[tree["node"] for tree in group] for group in look.groups]
                for look in seen
            },
            witnesses=tuple(witnesses),
            findings=tuple(_findings(differ)),
        )


def _findings(differ: Sequence[Look]) -> Iterator[Finding]:
    """Yield all that differs as one finding: the number of groups, and every item concerned."""
    pairs = [(group[0], look.groups[0][0]) for look in differ for group in look.groups[1:]]
    values = {value for pair in pairs for _, found in _places(*pair) for value in found}
    if pairs:
        yield Finding(reason="replicas-differ", count=len(pairs), values=tuple(in_order(values)))


def looks(history: History) -> tuple[Look, ...]:
    """Return the looks at all servers, in order of time; of each node its last tree in each."""
    found: dict[str, dict[int, Tree]] = {}
    for note in history.notes_named("tree"):
        if isinstance(note.value, dict) and (node := note.value.get("node")) is not None:
            found.setdefault(str(note.value.get("when") or "end"), {})[node] = note.value
    return tuple(
        Look(when, tuple(trees[node] for node in sorted(trees))) for when, trees in found.items()
    )


def _was_read(tree: Tree) -> bool:
    return tree.get("reachable") is True and tree.get("digest") is not None


def _suspects(history: History) -> frozenset[int]:
    """Return the nodes with digest mismatches, if a leader brought anyone up to date from disk."""
    logs = [
        note.value for note in history.notes_named("server-log") if isinstance(note.value, dict)
    ]
    if not any(log["patterns"].get("disk-sync") for log in logs):
        return frozenset()
    return frozenset(log["node"] for log in logs if log["patterns"].get("digest-mismatch"))


def _differences(look: Look, suspects: frozenset[int]) -> Iterator[Witness]:
    """Give a sentence for each group that differs from the largest."""
    first, *others = look.groups
    when = _WHEN.get(look.when, f"At the look {look.when!r}")
    for group in others:
        told = list(_places(group[0], first[0]))
        values = in_order({value for _, values in told for value in values})
        what = "; ".join(sentence for sentence, _ in told) or "has the same items in other znodes"
        differ = "differ" if len(group) > 1 else "differs"
        hint = SUSPICION if any(tree["node"] in suspects for tree in group) else ""
        yield Witness(
            sentence=f"{when}, {_nodes(group)} {differ} from {_nodes(first)}: {what}{hint}.",
            values=tuple(values[:SHOWN]),
        )


def _places(tree: Tree, other: Tree) -> Iterator[tuple[str, list[Value]]]:
    """Yield what a tree lacks, and has in excess, compared with another one, place by place."""
    mine, theirs = tree.get("places", {}), other.get("places", {})
    for place in sorted({*mine, *theirs}):
        have, should = set(mine.get(place, ())), set(theirs.get(place, ()))
        lacks, more = in_order(should - have), in_order(have - should)
        if lacks:
            yield f"lacks {len(lacks)} of {len(should)} in {place} ({_few(lacks)})", lacks
        if more:
            yield f"has {len(more)} more in {place} ({_few(more)})", more


def _few(values: Sequence[Value]) -> str:
    return ", ".join(map(str, values[:SHOWN])) + (", …" if len(values) > SHOWN else "")


def _nodes(group: Sequence[Tree]) -> str:
    return f"{'node' if len(group) == 1 else 'nodes'} {', '.join(str(t['node']) for t in group)}"
