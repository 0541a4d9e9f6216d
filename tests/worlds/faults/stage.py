"""A nemesis on a quorum in memory, and what it recorded: for tests of faults without Docker."""

import json
from pathlib import Path
from typing import Any

from harness.common.progress import Progress
from harness.common.run_clock import Clock
from harness.history.record import HistoryWriter
from harness.nemesis.injection import Injection
from harness.nemesis.nemesis import Nemesis
from harness.nemesis.phase_faults import PhaseOfFaults
from harness.scenario import loading, plan
from worlds.faults.fake_quorum import FakeClients, FakeQuorum

HEAD = "description: d\nworkload: [{put-all: {}}]\n"
CLUSTER = "cluster: {faketime: true, failpoints: true}\n"


class Stage:
    """A nemesis on a quorum in memory, and what it recorded."""

    def __init__(self, folder: Path, text: str, quorum: FakeQuorum) -> None:
        path = folder / "x.yaml"
        path.write_text(HEAD + ("" if "cluster:" in text else CLUSTER) + text)
        loaded = loading.load(path)
        self.quorum, self.clients = quorum, FakeClients()
        self._file = folder / "nemesis.jsonl"
        self._history = HistoryWriter(self._file)
        self._clock, self.progress = Clock(), Progress()
        self.said: list[str] = []
        self._had = 0
        self.nemesis = Nemesis(
            loaded,
            quorum,
            self.clients,
            self._history,
            clock=self._clock,
            progress=self.progress,
            say=self.said.append,
        )
        self.nemesis.bind()
        self.injections: list[Injection] = self.nemesis.injections(0, plan.make(loaded))

    def all(self) -> list[Injection]:
        """Inject everything, in order."""
        for injection in self.injections:
            self.nemesis.inject(injection)
        return self.injections

    def draws(self, name: str) -> list[Injection]:
        """Return the injections of an entry of a mix."""
        return [injection for injection in self.injections if injection.planned.name == name]

    def had(self, *names: str) -> None:
        """Inject and heal the first draw of each; nothing is told of them."""
        for name in names:
            self.nemesis.inject(self.draws(name)[0])
            self.nemesis.heal(self.draws(name)[0])
        self._had = len(self.events())

    def again(self, *names: str) -> None:
        """Inject the second draw of each."""
        for name in names:
            self.nemesis.inject(self.draws(name)[1])

    def told(self) -> list[tuple[str, str, str]]:
        """Return name, phase and outcome of each record."""
        values = [event["value"] for event in self.events()]
        return [(v["name"], v["phase"], v["outcome"]) for v in values]

    def events(self) -> list[dict[str, Any]]:
        """Return the records."""
        return [json.loads(line) for line in self._file.read_text().splitlines()[self._had :]]

    def phase(self) -> PhaseOfFaults:
        """Return the thread that injects what is due."""
        return PhaseOfFaults(
            self.nemesis, self.injections, clock=self._clock, progress=self.progress
        )

    def close(self) -> None:
        """Close the history."""
        self._history.close()
