"""The workload put-all: which client puts what, into which group, and when it ends."""

from typing import Any
from unittest import mock

import pytest

from harness.clients.client import Client
from harness.workloads.put_all import PutAll


def put(workload: PutAll, number: int = 0, *, over_after: int = 0) -> list[tuple[int, Any]]:
    """Run one client, which hears of the end of the faults after so many puts.

    Return each value with its group.
    """
    client = mock.create_autospec(Client, instance=True)
    client.now_s.return_value = 0.0
    client.await_all_calls.return_value = 100.0
    client.faults_over = lambda: client.put.call_count >= over_after
    workload.run(client, number)
    return [(call.args[0], call.kwargs["group"]) for call in client.put.call_args_list]


@pytest.mark.parametrize("groups", [None, 3])
def test_values_go_into_groups_in_turn(groups: int | None) -> None:
    """Each value has one group, whichever client puts it; without `groups` it has none."""
    workload = PutAll(count=9, clients=2, groups=groups)
    both = sorted(put(workload, 0) + put(workload, 1))
    assert both == [(value, groups and f"g{value % 3}") for value in range(1, 10)]


@pytest.mark.parametrize(
    ("count", "while_faults", "most"), [(9, True, 3), (2, True, 2), (5, False, 5)]
)
def test_it_ends_with_the_faults_or_its_count(
    count: int,
    while_faults: bool,  # noqa: FBT001 - a case of the table
    most: int,
) -> None:
    """Whichever comes first; without `while_faults` the end of the faults is nothing to it."""
    values = [
        value for value, _ in put(PutAll(count=count, while_faults=while_faults), over_after=3)
    ]
    assert values == list(range(1, most + 1))


@pytest.mark.parametrize(
    ("rate_hz", "paced"), [(4, [(0, 0.0), (1, 100.0), (2, 100.0)]), (None, [])]
)
def test_its_rate_counts_from_when_all_clients_call(
    rate_hz: float | None, paced: list[tuple[int, float]]
) -> None:
    """The first put is its call; with a rate the others wait until faults can come."""
    client = mock.create_autospec(Client, instance=True)
    client.now_s.return_value, client.await_all_calls.return_value = 0.0, 100.0
    PutAll(count=3, rate_hz=rate_hz).run(client, 0)
    calls = client.pace.call_args_list
    assert [call.args[1:] for call in calls if call.args[0] is not None] == paced
    assert client.await_all_calls.called is bool(paced)
