"""What a wire fuzz is given: how many processes, what they do, and what meets them. One seed."""

from dataclasses import dataclass, field
from enum import Enum
from random import Random

from worlds.proxy.faults import Fault


class Trouble(Enum):
    """What a round can be given; the value is what a report calls it.

    LOST      requests and replies are lost, connections break, sessions end
    OUTAGE    no server can be reached, for longer than any deadline
    SILENT    servers accept connections and say nothing
    SIGNALS   a signal's handler raises out of the waits of calls
    ANYWHERE  the same between any two steps of the interpreter
    FORKS     the process forks, and the child uses the queue
    KILLS     a process is killed
    REOPENS   a thread closes the queue that others are using, and opens another
    FOREIGN   nodes that are no queue's appear anywhere in its tree
    REFUSALS  the servers refuse writes: a quota, throttling
    """

    LOST = "lost"
    OUTAGE = "outage"
    SILENT = "silent"
    SIGNALS = "signals"
    ANYWHERE = "signals-anywhere"
    FORKS = "forks"
    KILLS = "kills"
    REOPENS = "reopens"
    FOREIGN = "foreign"
    REFUSALS = "refusals"


EVERYTHING = frozenset(Trouble)
SIGNALLED = frozenset({Trouble.SIGNALS, Trouble.ANYWHERE})
# Troubles that come at a moment and last for a while.
TIMED = (Trouble.OUTAGE, Trouble.SILENT, Trouble.KILLS, Trouble.FOREIGN, Trouble.REFUSALS)
LOSSES = (
    Fault.LOSE_REQUEST,
    Fault.LOSE_REPLY,
    Fault.CUT_BEFORE,
    Fault.CUT_AFTER,
    Fault.CUT_BEFORE,
    Fault.CUT_AFTER,
    Fault.EXPIRE_BEFORE,
    Fault.EXPIRE_AFTER,
)
LOSS_RATE = 0.05
# Parts of a round's calls.
FIRST_STRIKE, LAST_STRIKE = 0.05, 0.6


@dataclass(frozen=True, slots=True)
class Role:
    """What one process is told: several threads share one queue.

    Attributes:
        hosts: where its servers seem to be: a proxy of its own.
        threads: beside the main one, which alone meets signals.
        steps: of each thread.
        stays: it keeps its queue open until told to close, so that a janitor remains.
    """

    hosts: str
    index: int
    seed: int
    threads: int
    steps: int
    deadline_s: float
    session_timeout_s: float
    order: str
    troubles: frozenset[Trouble]
    stays: bool
    mutant: str


@dataclass(frozen=True, slots=True)
class Strike:
    """One trouble of some length, after so many calls of the round; `process` is whom it meets."""

    after_calls: int
    trouble: Trouble
    process: int
    length_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One round: as many steps, and troubles at the same calls, on a fast machine or a slow one.

    Attributes:
        steps: of each thread.
        deadline_s: of every call.
        mutant: the name of one of `worlds.wire.mutants`, for controls.
    """

    seed: int
    troubles: frozenset[Trouble] = EVERYTHING
    processes: int = 2
    threads: int = 2
    steps: int = 40
    deadline_s: float = 0.8
    session_timeout_s: float = 2.0
    mutant: str = ""

    @classmethod
    def drawn(cls, seed: int, among: frozenset[Trouble] = EVERYTHING) -> "Plan":
        """One kind of trouble alone, or some, or all."""
        rng = Random(f"{seed}-troubles")
        kinds = sorted(among, key=lambda trouble: trouble.value)
        return cls(
            seed=seed,
            troubles=frozenset(rng.sample(kinds, min(rng.choice([1, 2, 4, 99]), len(kinds)))),
        )

    @property
    def order(self) -> str:
        """Which order the consumers keep: most rounds are strict, which says more."""
        return Random(f"{self.seed}-order").choice(["strict", "strict", "relaxed"])

    @property
    def calls(self) -> int:
        """How many calls there are, at least, if no process is killed."""
        return self.processes * (self.threads + 1) * self.steps

    def role(self, index: int, hosts: str) -> Role:
        """What a process is told."""
        return Role(
            hosts=hosts,
            index=index,
            seed=self.seed,
            threads=self.threads,
            steps=self.steps,
            deadline_s=self.deadline_s,
            session_timeout_s=self.session_timeout_s,
            order=self.order,
            troubles=self.troubles,
            stays=index == 0,
            mutant=self.mutant,
        )

    def strikes(self) -> list[Strike]:
        """What happens when, in order; a kill spares the process that stays."""
        rng = Random(f"{self.seed}-strikes")
        drawn: list[Strike] = []
        for trouble in (each for each in TIMED if each in self.troubles):
            for _ in range(
                rng.randint(0, 2) if trouble is not Trouble.KILLS else rng.randint(0, 1)
            ):
                process = rng.randrange(int(trouble is Trouble.KILLS), self.processes)
                after_calls = int(rng.uniform(FIRST_STRIKE, LAST_STRIKE) * self.calls)
                drawn.append(Strike(after_calls, trouble, process, self._length_s(rng, trouble)))
        return sorted(drawn, key=lambda strike: strike.after_calls)

    def _length_s(self, rng: Random, trouble: Trouble) -> float:
        if trouble is Trouble.REFUSALS:
            return rng.uniform(0.05, 0.4)
        deadline_s = self.deadline_s
        return rng.choice([deadline_s / 4, deadline_s * 1.5, self.session_timeout_s * 1.2])


@dataclass
class Drawn(dict[int, Fault]):
    """A proxy's plan that is drawn request by request."""

    rng: Random
    rate: float = LOSS_RATE
    counts: dict[Fault, int] = field(default_factory=dict)

    def get(self, number: int, default: Fault | None = None) -> Fault | None:  # type: ignore[override]
        """Draw what meets a request."""
        if self.rng.random() >= self.rate:
            return default
        fault = self.rng.choice(LOSSES)
        self.counts[fault] = self.counts.get(fault, 0) + 1
        return fault
