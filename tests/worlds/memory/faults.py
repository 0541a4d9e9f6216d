"""Faults for a `World`, aimed at one write or drawn at random."""

from dataclasses import dataclass
from random import Random

from worlds.memory.network import Fault, Request
from zkmq.zookeeper.store import SetData


@dataclass
class Strike:
    """Strike the next `times` writes of one kind: the label that the ticket is written with.

    `skip` of them pass unharmed before.
    """

    label: str
    fault: Fault
    times: int = 1
    skip: int = 0

    def __call__(self, number: int, request: Request) -> Fault | None:
        """Tell what happens to a request."""
        first = request.ops[0] if request.ops else None
        if not isinstance(first, SetData) or first.data.split()[:1] != [self.label.encode()]:
            return None
        if self.skip:
            self.skip -= 1
            return None
        self.times -= 1
        return self.fault if self.times >= 0 else None


@dataclass
class Drawn:
    """Strike one request in `1 / rate`, each with a fault drawn from `faults`."""

    rng: Random
    rate: float
    faults: tuple[Fault, ...] = tuple(Fault)

    def __call__(self, number: int, request: Request) -> Fault | None:
        """Tell what happens to a request."""
        return self.rng.choice(self.faults) if self.rng.random() < self.rate else None
