"""The engines of runs that have named some, on disk before anything is put into them.

So `clean` finds what a killed harness left on an engine that the environment does not mean. A file
stays until its run is gone from all of its engines.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.engine import ledger
from cluster.engine.labels import Owner

_SUFFIX = ".engines"


@dataclass(frozen=True, slots=True)
class Noted:
    """The engines of a run, by name, and whether the process that started it lives."""

    run: str
    engines: Sequence[str]
    alive: bool


def note(run: str, engines: Sequence[str]) -> None:
    """Note the engines of a run of this process, by name."""
    path = path_of(run)
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {"owner": str(Owner.me()), "engines": list(engines)}
    path.write_text(json.dumps(told), encoding="utf-8")


def forget(run: str) -> None:
    """Forget a run that is gone from all its engines; one that noted none is fine."""
    path_of(run).unlink(missing_ok=True)


def noted() -> list[Noted]:
    """Return what runs have noted."""
    found = []
    for path in sorted(ledger.folder().glob(f"*{_SUFFIX}")):
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            engines = [str(name) for name in told["engines"]]
            found.append(Noted(path.stem, engines, Owner.parse(told["owner"]).alive()))
        except (OSError, ValueError, LookupError, TypeError):
            continue  # removed since, or cut off before anything was put into an engine
    return found


def path_of(run: str) -> Path:
    """Return the file that names a run's engines."""
    return ledger.folder() / f"{run}{_SUFFIX}"
