"""Find and remove what runs left in the engine and on this machine.

Nothing here relies on the process that made a thing. Labels in the engine and the environment of
worker processes name its owner, and `labels.Owner.alive` tells whether the owner still runs.
"""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import docker
from docker.errors import DockerException, NotFound
from docker.models.containers import Container

from cluster.cluster_errors import ClusterError
from cluster.engine import labels, ledger, networks, processes
from cluster.engine.containers import remove
from cluster.engine.ledger import LedgerFile
from harness.common.polling import wait_until

REMOVE_TIMEOUT_S = 20.0
POLL_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRun:
    """A run that has things in the engine.

    Attributes:
        left: its owner is gone, and it was not started by hand.
        checkout: the folder that the code that started it was in; empty for an older release.
    """

    run: str
    by_hand: bool
    left: bool
    checkout: str = ""


def runs(client: docker.DockerClient) -> list[HeldRun]:
    """Return every run that has a container, network or volume in the engine, by id."""
    found: dict[str, dict[str, str]] = {}
    for tags in _all_labels(client):
        found.setdefault(tags.get(labels.RUN, ""), tags)
    return [_held(run, tags) for run, tags in sorted(found.items())]


def containers(client: docker.DockerClient, run: str) -> list[Container]:
    """Return a run's containers, running or not, except those that are just being removed."""
    mine: dict[str, str | list[str] | bool] = {"label": f"{labels.RUN}={run}"}
    return client.containers.list(all=True, filters=mine, ignore_removed=True)


def remove_run(client: docker.DockerClient, run: str) -> None:
    """Remove a run's containers, network, volumes, ledger, and the processes beside it.

    What is gone already is fine.

    Raises:
        ClusterError: something could not be removed within REMOVE_TIMEOUT_S.
    """
    processes.end(processes.beside(run))  # first: it closes its sessions while there is a quorum
    with ThreadPoolExecutor(max_workers=16) as pool:
        list(pool.map(remove, containers(client, run)))
    mine: dict[str, str | list[str] | bool] = {"label": f"{labels.RUN}={run}"}
    networks_left = client.networks.list(filters=mine)
    for network in networks_left:
        networks.detach_strangers(network)
    for thing in [*networks_left, *client.volumes.list(filters=mine)]:
        _remove(thing)
    LedgerFile(run).remove()


def clean(client: docker.DockerClient, *, everything: bool = False) -> list[str]:
    """Remove the runs whose owner is gone (`everything`: all); return their ids.

    Also ends orphaned workers and the gateways of quorums that are gone, and deletes the ledgers of
    runs that are gone and have nothing to undo.
    """
    ledgers = ledger.known()
    standing = processes.beside()  # before the runs: a quorum is there before what stands beside it
    held = runs(client)
    up = {one.run for one in held}
    removed = [one.run for one in held if everything or one.left]
    for run in removed:
        remove_run(client, run)
    for pid in processes.orphans():
        os.kill(pid, signal.SIGKILL)
    for run in ledgers - up:
        if not LedgerFile(run).open():
            LedgerFile(run).remove()
    strays = [one for one in standing if one.run not in up]
    processes.end(strays)
    return removed + [one.run for one in strays]


def _all_labels(client: docker.DockerClient) -> Iterator[dict[str, str]]:
    ours: dict[str, str | list[str] | bool] = {"label": labels.PROJECT}
    for container in client.containers.list(all=True, filters=ours, ignore_removed=True):
        yield container.labels
    for thing in [*client.networks.list(filters=ours), *client.volumes.list(filters=ours)]:
        yield (thing.attrs or {}).get("Labels") or {}


def _held(run: str, tags: dict[str, str]) -> HeldRun:
    by_hand = labels.BY_HAND in tags
    try:
        alive = labels.Owner.parse(tags.get(labels.OWNER, "")).alive()
    except ValueError:
        alive = False  # not our labels: no process can own it
    return HeldRun(
        run=run,
        by_hand=by_hand,
        left=not by_hand and not alive,
        checkout=tags.get(labels.CHECKOUT, ""),
    )


def _remove(thing: Any) -> None:
    """Remove a network or volume; the engine may need a moment after its containers went."""

    def refusal() -> DockerException | None:
        try:
            thing.remove()
        except NotFound:
            return None
        except DockerException as error:
            return error
        return None

    wait_until(
        refusal,
        lambda error: error is None,
        within_s=REMOVE_TIMEOUT_S,
        every_s=POLL_S,
        late=lambda error: ClusterError(f"{thing}: could not be removed: {error}"),
    )
