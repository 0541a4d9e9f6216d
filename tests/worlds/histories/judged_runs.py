"""A judged run's folder made from a history written by hand."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from harness import run
from harness.common.run_folder import RunFolder
from harness.scenario import loading, plan
from worlds.histories.by_hand import drained, ended_run, events, note, op

SCENARIO = """\
description: A run written by hand.
seed: 7
workload: [{put-all: {count: 3}}]
checkers: [total-queue, availability]
expect: valid
"""
MS = 1_000_000


def modes(at_ms: int, leader: int, *, down: int = 0) -> list[dict[str, Any]]:
    """Return one look of the monitor at three servers."""
    seen = {str(id): "leader" if id == leader else "follower" for id in (1, 2, 3)}
    return note("status", at_ms * MS, **seen | ({str(down): "down"} if down else {}))


def killed(id: int, node: int, at_ms: int, heal_ms: int | None) -> list[dict[str, Any]]:
    """Return a kill and its heal."""
    told = {"id": id, "name": "kill", "target": "leader", "nodes": [node], "outcome": "installed"}
    moments = [("inject", at_ms)] + ([("heal", heal_ms)] if heal_ms is not None else [])
    return [
        event
        for phase, moment in moments
        for event in note("kill", moment * MS, process="nemesis", phase=phase, evidence={}, **told)
    ]


def lives(*, lost: Iterable[int] = (2,), items: int = 3) -> list[dict[str, Any]]:
    """Return items put by process 0 and taken by process 1, but for the lost ones."""
    gone = set(lost)
    parts = []
    for n in range(1, items + 1):
        parts.append(op("put", n, 10 * n * MS, (10 * n + 4) * MS, session="0x300000000000001"))
        at_ms = 10 * (items + n) + 5
        if n not in gone:
            parts.append(op("reserve", n, at_ms * MS, (at_ms + 2) * MS, process=1, zxid=n))
            parts.append(op("done", n, (at_ms + 3) * MS, (at_ms + 4) * MS, process=1))
    return events(*parts, drained((20 * items + 50) * MS, (20 * items + 60) * MS))


def tree(node: int, at_ms: int, **places: list[Any]) -> list[dict[str, Any]]:
    """Return a server's end state; servers with the same places have the same digest."""
    digest = hashlib.sha256(repr(sorted(places.items())).encode()).hexdigest()
    value = {"node": node, "reachable": True, "zxid": 7, "digest": digest, "places": places}
    return note("tree", at_ms * MS, **value)


def judged(
    place: Path,
    *parts: Iterable[Mapping[str, Any]],
    scenario_text: str = SCENARIO,
    came_to_its_end: bool = False,
) -> RunFolder:
    """Write a run with these events, and judge it; one that did not end is never valid."""
    folder = RunFolder(place)
    folder.logs.mkdir()
    folder.scenario.write_text(scenario_text)
    told = ended_run(*parts) if came_to_its_end else events(*parts)
    lines = [{"index": index} | event for index, event in enumerate(told)]
    folder.history.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    loaded = loading.load(folder.scenario)
    plan.write(plan.make(loaded), folder.plan)
    run.check(loaded, "by-hand", folder)
    return folder
