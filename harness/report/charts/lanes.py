"""The rows of the timeline: the servers, then the clients."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.history.columns import NEVER_NS, PUT, History

MOST_CLIENTS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLane:
    """One client: its processes one after the other, each replaced after an unknown outcome."""

    label: str
    processes: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lanes:
    """The clients that are drawn, and how many are left out.

    Attributes:
        of_process: by process number, its lane's place; -1 for one that is not drawn.
    """

    lanes: tuple[ClientLane, ...]
    of_process: NDArray[np.int64]
    left_out: int


def of_clients(history: History, important: NDArray[np.bool_]) -> Lanes:
    """Put processes that follow each other in one lane; keep those with `important` rows first.

    Two processes share a lane if both put or both take, and the second began after the first's
    last operation. O(n + processes^2) in the worst case.
    """
    size = len(history.processes)
    begin_ns, end_ns = np.full(size, NEVER_NS, np.int64), np.zeros(size, np.int64)
    np.minimum.at(begin_ns, history.process, history.invoke_ns)
    np.maximum.at(end_ns, history.process, history.invoke_ns)
    puts = np.bincount(history.process, weights=history.f == PUT, minlength=size) > 0
    weight = np.bincount(history.process, minlength=size)
    weight += np.bincount(history.process, weights=important, minlength=size).astype(int) * len(
        history
    )
    packed = [
        *_packed(np.flatnonzero(puts), begin_ns, end_ns),
        *_packed(np.flatnonzero(~puts), begin_ns, end_ns),
    ]
    heaviest = sorted(packed, key=lambda lane: -int(weight[lane].sum()))[:MOST_CLIENTS]
    shown = [lane for lane in packed if any(lane is kept for kept in heaviest)]
    of_process = np.full(size, -1, np.int64)
    for place, lane in enumerate(shown):
        of_process[lane] = place
    lanes = tuple(
        ClientLane(label=_label(history, lane, puts), processes=tuple(lane)) for lane in shown
    )
    return Lanes(lanes=lanes, of_process=of_process, left_out=len(packed) - len(shown))


def _packed(
    numbers: NDArray[np.int64], begin_ns: NDArray[np.int64], end_ns: NDArray[np.int64]
) -> list[list[int]]:
    """Give each process the first lane that is free when it begins."""
    lanes: list[list[int]] = []
    for number in numbers[np.argsort(begin_ns[numbers], kind="stable")].tolist():
        free = (lane for lane in lanes if end_ns[lane[-1]] < begin_ns[number])
        if (lane := next(free, None)) is None:
            lanes.append([number])
        else:
            lane.append(number)
    return lanes


def _label(history: History, lane: list[int], puts: NDArray[np.bool_]) -> str:
    first = history.processes[lane[0]]
    return f"{'put' if puts[lane[0]] else 'take'} {first}{'…' if len(lane) > 1 else ''}"
