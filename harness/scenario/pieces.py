"""A long scenario in pieces: each is a scenario with a share of its phases, and a verdict."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.common.harness_errors import ScenarioError


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The i-th of n shares, from 1."""

    number: int
    count: int

    @classmethod
    def parse(cls, word: str, option: str) -> "Share":
        """Read `i/n`.

        Raises:
            ScenarioError: no such word, or i is not in 1..n.
        """
        told = re.fullmatch(r"(\d{1,9})/(\d{1,9})", word)
        number, count = (int(told[1]), int(told[2])) if told else (0, 0)
        if not 1 <= number <= count:
            raise ScenarioError(f"{option}: expected I/N with I in 1..N, such as 2/5, got {word!r}")
        return cls(number=number, count=count)

    @property
    def before(self) -> "Share | None":
        """Return the share before this one; None for the first."""
        return None if self.number == 1 else Share(number=self.number - 1, count=self.count)

    def __str__(self) -> str:
        """Return it as a person writes it: 2/5."""
        return f"{self.number}/{self.count}"


def name(scenario: str, piece: Share) -> str:
    """Return what a piece of a scenario is called."""
    return f"{scenario}-{piece.number}-of-{piece.count}"


def cut(data: Mapping[str, Any], piece: Share, *, disks: Path | None) -> dict[str, Any]:
    """Return a scenario's data with its share of the phases, on the disks of the piece before.

    Raises:
        ScenarioError: there are fewer phases than pieces.
    """
    phases = data.get("phases") or []
    if len(phases) < piece.count:
        raise ScenarioError(
            f"--piece: expected at most as many pieces as phases, {len(phases) or 1}, got {piece}"
        )
    begin, end = (len(phases) * n // piece.count for n in (piece.number - 1, piece.number))
    cluster = dict(data.get("cluster") or {}) | _release(phases[:begin])
    if disks is not None:
        cluster["disks"] = str(disks)
    return {**data, "cluster": cluster, "phases": phases[begin:end]}


def _release(phases: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the release that the servers have after these phases, if they were upgraded."""
    entries = [entry for phase in phases for entry in phase.get("faults") or []]
    to = [entry["rolling-upgrade"]["to"] for entry in entries if "rolling-upgrade" in entry]
    return {"zookeeper": to[-1]} if to else {}
