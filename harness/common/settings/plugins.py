"""Parts that other packages add through entry points, each imported when something asks for it.

A package names its class in one of the groups `zkmq.subjects`, `zkmq.workloads`, `zkmq.faults` and
`zkmq.checkers`. One that cannot be imported is an error only for a scenario that uses it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from harness.common.harness_errors import ScenarioError, told

NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,99}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """One entry point.

    Attributes:
        origin: the distribution that has it, and its version.
        rivals: the origins of other entry points of the same name.
    """

    kind: str
    origin: str
    entry: EntryPoint
    rivals: tuple[str, ...] = ()

    def load(self) -> Any:
        """Import it.

        Raises:
            ScenarioError: it cannot be imported, or two packages have the name; says which.
        """
        if self.rivals:
            both = " and ".join([self.origin, *self.rivals])
            raise ScenarioError(
                f"{self.kind} {self.entry.name!r}: expected it from one package, got it from {both}"
            )
        try:
            return self.entry.load()
        except (Exception, SystemExit) as error:
            raise ScenarioError(
                f"{self.kind} {self.entry.name!r} of {self.origin}: expected {self.entry.value} to "
                f"be there, got {told(error)}"
            ) from error


@cache
def of(group: str) -> Mapping[str, Plugin]:
    """Return the plugins of a group by name; names that a scenario could not hold are left out."""
    found: dict[str, Plugin] = {}
    for entry in entry_points(group=group):
        if NAME.fullmatch(entry.name) is None:
            continue
        known = found.get(entry.name)
        new = Plugin(
            kind=group.rpartition(".")[2].removesuffix("s"), origin=_of(entry), entry=entry
        )
        if known is not None:
            new = replace(known, rivals=(*known.rivals, new.origin))
        found[entry.name] = new
    return found


def require(what: str, found: Any, shape: type) -> None:
    """Refuse what is no class, or lacks something that `shape`, a protocol, has.

    Raises:
        ScenarioError: says what is missing.
    """
    if not isinstance(found, type):
        raise ScenarioError(f"{what}: expected a class, got {found!r:.200}")
    there = {*dir(found), *_annotated(found.__mro__)}
    wanted = {*vars(shape), *_annotated([shape])}
    if missing := sorted(name for name in wanted - there if not name.startswith("_")):
        raise ScenarioError(f"{what}: expected {', '.join(missing)} in {found.__name__}, got none")


def _annotated(classes: Iterable[type]) -> set[str]:
    return {name for one in classes for name in vars(one).get("__annotations__", ())}


def _of(entry: EntryPoint) -> str:
    return "an unknown package" if entry.dist is None else f"{entry.dist.name} {entry.dist.version}"
