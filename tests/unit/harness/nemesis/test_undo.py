"""Entries of the ledger, which any checkout of this user may have written."""

from typing import Any, cast

import pytest

from harness.common.harness_errors import TargetError
from harness.nemesis import undo
from harness.target import Ledger, Quorum

EVERYONE = [1, 2, 3]


def entry(kind: str, **settings: Any) -> dict[str, Any]:
    """Return an entry of a fault that hits node 2."""
    return {"id": 7, "name": kind, "fault": kind, "settings": settings, "nodes": [2]}


@pytest.mark.parametrize(
    "foreign",
    [entry("quake"), entry("pause", richter=7)],
    ids=["no-such-fault", "no-such-setting"],
)
def test_a_fault_of_another_checkout_is_told_and_no_wrong_argument(foreign: dict[str, Any]) -> None:
    """A newer one, or one with a plugin: a run beside it begins, and `harness status` shows it."""
    with pytest.raises(TargetError, match=r"expected a fault that this checkout knows.*heal"):
        undo.heal(cast(Quorum, None), cast(Ledger, None), [foreign])
    told = undo.told(foreign | {"due_s": 12.0}, EVERYONE, 9.0)
    assert told == f"{foreign['name']} node 2, ends in 3 s"
