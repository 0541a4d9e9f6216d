"""The put of the item that a finding is about, and which servers had no part in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.history.columns import INFO, NEVER_NS, OK, PUT, History, Operation
from harness.history.record import Value
from harness.report.charts import spans
from harness.report.story import absence
from harness.report.story.absence import Absence, Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemPut:
    """The first put of an item; an acknowledged one, if there is one.

    Attributes:
        absent: servers that cannot have seen the put when it was acknowledged.
    """

    item: Value
    call: Operation
    absent: Sequence[Absence]

    @property
    def known(self) -> bool:
        """Whether it was acknowledged; else its outcome is unknown."""
        return self.call.complete_ns is not None

    @property
    def written_ns(self) -> tuple[int, int]:
        """The interval of the call; of one of unknown outcome, only its beginning."""
        end_ns = self.call.complete_ns
        return self.call.invoke_ns, self.call.invoke_ns if end_ns is None else end_ns


def of_witness(
    history: History, witness: Mapping[str, Any], hit: Sequence[Fault]
) -> ItemPut | None:
    """Return the put of the first item of a witness that was put; None if it names none."""
    told = [*witness["values"], *(row["value"] for row in witness["operations"])]
    numbers = [history.number_of[v] for v in told if v is not None and v in history.number_of]
    for outcome in (OK, INFO):
        for number in numbers:
            rows = np.flatnonzero(history.is_(PUT, outcome) & (history.value == number))
            if len(rows):
                return _of_row(history, int(rows[0]), hit)
    return None


def _of_row(history: History, row: int, hit: Sequence[Fault]) -> ItemPut:
    end_ns = int(history.complete_ns[row])
    absent: Sequence[Absence] = ()
    if end_ns < NEVER_NS:
        nodes = {mode.node for mode in spans.modes(history)}
        written_ns = (int(history.invoke_ns[row]), end_ns)
        absent = absence.of_members(history, hit, nodes, written_ns=written_ns, until_ns=end_ns)
    item = history.values[history.value[row]]
    return ItemPut(item=item, call=history.operation(row), absent=absent)
