"""Find and remove what runs left in the engine and on this machine.

Nothing here trusts the process that made a thing: labels in the engine and the environment of
worker processes say whose it is, and `labels.Owner.alive` whether that process still holds it.
"""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
from docker.errors import DockerException, NotFound
from docker.models.containers import Container

from cluster import labels
from cluster.containers import remove
from cluster.errors import ClusterError
from cluster.ledger import Ledger

REMOVE_TIMEOUT_S = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A run that has things in the engine.

    Attributes:
        left: nobody holds it: its owner is gone and it was not started by hand.
    """

    run: str
    by_hand: bool
    left: bool


def runs(client: docker.DockerClient) -> list[Held]:
    """Return every run that has a container, network or volume in the engine, by id."""
    found: dict[str, dict[str, str]] = {}
    for tags in _all_labels(client):
        found.setdefault(tags.get(labels.RUN, ""), tags)
    return [_held(run, tags) for run, tags in sorted(found.items())]


def containers(client: docker.DockerClient, run: str) -> list[Container]:
    """Return a run's containers, running or not."""
    return client.containers.list(all=True, filters={"label": f"{labels.RUN}={run}"})


def remove_run(client: docker.DockerClient, run: str) -> None:
    """Remove a run's containers, network, volumes and ledger; what is gone already is fine.

    Raises:
        ClusterError: something could not be removed within REMOVE_TIMEOUT_S.
    """
    with ThreadPoolExecutor(max_workers=16) as pool:
        list(pool.map(remove, containers(client, run)))
    mine: dict[str, str | list[str] | bool] = {"label": f"{labels.RUN}={run}"}
    deadline = time.monotonic() + REMOVE_TIMEOUT_S
    for thing in [*client.networks.list(filters=mine), *client.volumes.list(filters=mine)]:
        _remove(thing, deadline)
    Ledger(run).remove()


def clean(client: docker.DockerClient, *, everything: bool = False) -> list[str]:
    """Remove the runs that nobody holds (`everything`: all) and orphaned workers; return ids."""
    removed = [held.run for held in runs(client) if everything or held.left]
    for run in removed:
        remove_run(client, run)
    for pid in orphans():
        os.kill(pid, signal.SIGKILL)
    return removed


def orphans() -> Iterator[int]:
    """Give the pids of worker processes whose harness is gone.

    A worker ends by itself when its pipe closes; a stopped (SIGSTOP) one cannot.
    """
    mark = f"{labels.OWNER_VARIABLE}=".encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            variables = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue  # ended meanwhile, or another user's
        owners = [v.removeprefix(mark).decode() for v in variables if v.startswith(mark)]
        if owners and int(entry.name) != os.getpid() and not labels.Owner.parse(owners[0]).alive():
            yield int(entry.name)


def _all_labels(client: docker.DockerClient) -> Iterator[dict[str, str]]:
    ours: dict[str, str | list[str] | bool] = {"label": labels.PROJECT}
    for container in client.containers.list(all=True, filters=ours, ignore_removed=True):
        yield container.labels
    for thing in [*client.networks.list(filters=ours), *client.volumes.list(filters=ours)]:
        yield (thing.attrs or {}).get("Labels") or {}


def _held(run: str, tags: dict[str, str]) -> Held:
    by_hand = labels.BY_HAND in tags
    try:
        alive = labels.Owner.parse(tags.get(labels.OWNER, "")).alive()
    except ValueError:
        alive = False  # labels of another make: nobody can hold it
    return Held(run=run, by_hand=by_hand, left=not by_hand and not alive)


def _remove(thing: Any, deadline: float) -> None:
    """Remove a network or volume; the engine may need a moment after its containers went."""
    while True:
        try:
            thing.remove()
        except NotFound:
            return
        except DockerException as error:
            if time.monotonic() > deadline:
                raise ClusterError(f"{thing}: could not be removed: {error}") from error
            time.sleep(0.1)
        else:
            return
