"""Whether a failure shows again, and where a replay differed: pure functions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.recorded import Recorded
from harness.words import GRAVEST, nodes


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a run failed. Two runs with a common reason have the same cause.

    Attributes:
        reasons: of the checks that were invalid; of a control only the one it expects.
    """

    reasons: frozenset[str]

    @classmethod
    def of(cls, results: Mapping[str, Any]) -> "Cause":
        """Return what these results failed of; no reasons for a run that did not fail."""
        found: set[str] = {
            reason
            for check in results["checks"]
            if check["verdict"] == "invalid"
            for reason in check["reasons"]
        }
        wanted = found & {results["because"]}
        return cls(frozenset(wanted or found))

    @property
    def gravest(self) -> "Cause":
        """The gravest reason alone; a smaller scenario must fail of that one."""
        ranked = (*GRAVEST, *sorted(self.reasons))
        return Cause(frozenset([reason for reason in ranked if reason in self.reasons][:1]))

    def shows_in(self, results: Mapping[str, Any]) -> bool:
        """Tell whether another run failed of the same."""
        return bool(self.reasons & Cause.of(dict(results) | {"because": None}).reasons)


def differences(recorded: Recorded, again: Recorded) -> Iterator[str]:
    """Yield a sentence for each name and each role that came to mean another node this time."""
    for name, node in recorded.bound.items():
        if (now := again.bound.get(name)) not in {None, node}:
            yield f"{name} is node {now}, and was node {node}"
    for planned in recorded.planned:
        was, now_hit = recorded.nodes.get(planned.id), again.nodes.get(planned.id)
        what = f"{planned.name} ({planned.id})"
        if was is None and now_hit is not None:
            yield f"{what} hit {nodes(now_hit)}, and was not injected"
        elif was is not None and now_hit is None:
            yield f"{what} was not injected, and hit {nodes(was)}"
        elif was is not None and now_hit is not None and list(was) != list(now_hit):
            yield f"{what} hit {nodes(now_hit)}, and hit {nodes(was)} when it was recorded"
