"""A package of somebody else's as pip would have installed it, with our entry points."""

from pathlib import Path

MODULE = '''\
"""A plugin of each kind."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.checkers import Checker
from harness.clients.subject import Applied, Reserved, Subject
from harness.common.verdict import CheckResult, Verdict
from harness.faults import Fault
from harness.workloads import Workload


class Void(Subject):
    """A queue that forgets."""

    takes = True

    def __init__(self, config, note):
        self.path = config.path

    def put(self, value, priority):
        return Applied()

    def reserve(self, n, timeout_s, *, sync):
        return Reserved()

    def close(self):
        pass


@dataclass(frozen=True, slots=True, kw_only=True)
class PutOne(Workload):
    """Put one value."""

    value: int
    after: str | None = None
    clients: ClassVar[int] = 1

    def values(self) -> Sequence[range]:
        return [range(self.value, self.value + 1)]

    def run(self, client, number):
        client.put(self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing(Fault):
    """Do nothing."""

    target: ClassVar[list] = []
    lasting: ClassVar[bool] = False
    for_fun: bool = True

    def inject(self, system, nodes):
        return {}

    def bit(self, evidence):
        return True


class Suspicious(Checker):
    """Suspect everything."""

    finds: ClassVar[frozenset[str]] = frozenset({"suspicious"})

    def unmet(self, history, claim):
        return None

    def check(self, history, claim):
        return CheckResult(name="suspicious", verdict=Verdict.INVALID, reasons=("suspicious",))


class Half:
    """Half a workload."""

    clients = 1


class Bare(Workload):
    """A workload whose settings nothing can read."""

    clients = 1
    after = None

    def run(self, client, number):
        pass


def half():
    pass
'''
GOOD = {
    "zkmq.subjects": ["void = somebodys:Void"],
    "zkmq.workloads": ["put-one = somebodys:PutOne"],
    "zkmq.faults": ["nothing = somebodys:Nothing"],
    "zkmq.checkers": ["suspicious = somebodys:Suspicious"],
}
BAD = {
    "zkmq.subjects": ["gone = no_such_module:Void", "half = somebodys:Half"],
    "zkmq.workloads": ["half = somebodys:Half", "bare = somebodys:Bare", "put-all = a:B"],
    "zkmq.faults": ["raises = somebodys_broken:X", "Not A Name = somebodys:Half"],
    "zkmq.checkers": ["no-class = somebodys:half", "exits = somebodys_exits:X"],
}


def install(folder: Path, groups: dict[str, list[str]], *, name: str) -> None:
    """Put the package, and the metadata of a distribution, into a folder that is on the path."""
    (folder / "somebodys.py").write_text(MODULE)
    (folder / "somebodys_broken.py").write_text("1 / 0\n")
    (folder / "somebodys_exits.py").write_text("raise SystemExit(4)\n")
    about = folder / f"{name}-1.2.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    lines = [line for group, entries in groups.items() for line in (f"[{group}]", *entries)]
    (about / "entry_points.txt").write_text("\n".join(lines) + "\n")
