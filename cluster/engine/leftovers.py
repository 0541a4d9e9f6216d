"""Find and remove what runs left in the engine and on this machine.

Nothing here relies on the process that made a thing. Labels in the engine and the environment of
worker processes name its owner, and `labels.Owner.alive` tells whether the owner still runs.
"""

import contextlib
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import docker
from docker.errors import DockerException, NotFound
from docker.models.containers import Container

from cluster.cluster_errors import ClusterError
from cluster.engine import engine, labels, ledger, networks, processes, run_engines, swarm, turns
from cluster.engine.containers import remove
from cluster.engine.each import each
from cluster.engine.fleet import Fleet
from cluster.engine.ledger import LedgerFile
from harness.common.polling import wait_until

REMOVE_TIMEOUT_S = 20.0  # an engine needs a moment for a network whose containers it has removed
STUCK_TIMEOUT_S = 0.5  # for one that had none any more: the engine will not let go of it
POLL_S = 0.1
OURS: Mapping[str, str | list[str] | bool] = {"label": labels.PROJECT}


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRun:
    """A run that has things in an engine.

    Attributes:
        left: its owner is gone, and it was not started by hand.
        contained: whether it has a container.
        checkout: the folder that the code that started it was in; empty for an older release.
    """

    run: str
    by_hand: bool
    left: bool
    contained: bool = True
    checkout: str = ""


def runs(clients: Iterable[docker.DockerClient]) -> list[HeldRun]:
    """Return every run that has a container, network or volume in one of the engines, by id."""
    contained, others = dict[str, Mapping[str, str]](), dict[str, Mapping[str, str]]()
    for client in clients:
        contained |= _by_run(_of_containers(client))
        others |= _by_run(_of_things(client))
    everything = sorted((others | contained).items())
    return [_held(run, tags, contained=run in contained) for run, tags in everything]


def containers(client: docker.DockerClient, run: str) -> list[Container]:
    """Return a run's containers, running or not, except those that are just being removed."""
    mine: dict[str, str | list[str] | bool] = {"label": f"{labels.RUN}={run}"}
    return client.containers.list(all=True, filters=mine, ignore_removed=True)


def remove_run(
    clients: Sequence[docker.DockerClient], run: str, *, within_s: float = REMOVE_TIMEOUT_S
) -> None:
    """Remove a run's containers, network, volumes, ledger, and the processes beside it.

    Its engines leave the swarm that they joined for it. What is gone already is fine. An engine
    that is gone, or refuses, does not keep the others from being cleaned. If another process is at
    it, that one ends first; `within_s` begins then.

    Raises:
        ClusterError: something could not be removed within `within_s`, or the other did not end.
    """
    with turns.turn(run):
        processes.end(processes.beside(run))  # first: it closes its sessions with the quorum there
        left, refusals = list(clients), list[ClusterError]()
        # Each step on all engines before the next: a network goes when no engine has a container.
        remove_things = partial(_remove_things, within_s=within_s)
        leave_last = partial(swarm.leave, last=True)
        for step in (_remove_containers, remove_things, swarm.leave, leave_last):
            ended = each(left, partial(_refusal, step, run))
            refusals += [refusal for refusal in ended if refusal is not None]
            left = [client for client, refusal in zip(left, ended, strict=True) if refusal is None]
        if refusals:
            raise refusals[0]
        LedgerFile(run).remove()


def clean(
    fleet: Fleet, *, everything: bool = False, say: Callable[[str], None] = lambda _: None
) -> list[str]:
    """Remove the runs whose owner is gone (`everything`: all); return their ids.

    Also ends orphaned workers and the gateways of quorums that are gone, and deletes the ledgers of
    runs that are gone and have nothing to undo. `say` gets what stays, on an engine that does not
    answer.

    Raises:
        ClusterError: a run could not be removed in time; the others are.
    """
    ledgers = ledger.known()
    standing = processes.beside()  # before the runs: a quorum is there before what stands beside it
    held = runs(fleet.clients)
    up = {one.run for one in held}
    removed, refusals = list[str](), list[ClusterError]()
    for one in held:
        if everything or one.left:
            try:
                within_s = REMOVE_TIMEOUT_S if one.contained else STUCK_TIMEOUT_S
                remove_run(fleet.clients, one.run, within_s=within_s)
                removed.append(one.run)
            except ClusterError as error:
                refusals.append(error)
    for pid in processes.orphans():
        with contextlib.suppress(ProcessLookupError):  # it has ended by itself
            os.kill(pid, signal.SIGKILL)
    for run in ledgers - up:
        if not LedgerFile(run).open():
            LedgerFile(run).remove()
    for noted in run_engines.noted():
        if not noted.alive and noted.run not in up.difference(removed):
            forget_engines(fleet, noted.run, say)
    strays = [one for one in standing if one.run not in up]
    known = {engine.identity(client) for client in fleet.clients} if strays else set[str]()
    # The quorum of one of another engine may well stand.
    strays = [one for one in strays if one.engine in known]
    processes.end(strays)
    if refusals:
        raise refusals[0]
    return removed + [one.run for one in strays]


def forget_engines(fleet: Fleet, run: str, say: Callable[[str], None]) -> None:
    """Forget which engines a run had that was removed; if one does not answer, `say` why."""
    if (why := fleet.lost(run)) is None:
        run_engines.forget(run)
    else:
        say(
            f"run {run} may have left something: {why}. `harness clean` removes it once that "
            f"answers; delete {run_engines.path_of(run)} if it never will"
        )


def _refusal(
    step: Callable[[docker.DockerClient, str], None], run: str, client: docker.DockerClient
) -> ClusterError | None:
    try:
        step(client, run)
    except ClusterError as error:
        return error
    except DockerException as error:
        return ClusterError(f"run {run} could not be removed: {error}")
    return None


def _remove_containers(client: docker.DockerClient, run: str) -> None:
    each(containers(client, run), remove)


def _remove_things(client: docker.DockerClient, run: str, *, within_s: float) -> None:
    """Remove networks and volumes, but the one by which `swarm.leave` knows what it joined.

    An overlay goes with a swarm of ours; from the user's swarm its manager removes it.
    """
    mine: dict[str, str | list[str] | bool] = {"label": f"{labels.RUN}={run}"}
    volumes = client.volumes.list(filters=mine)
    marks = [volume for volume in volumes if swarm.is_mark(volume)]
    for network in client.networks.list(filters=mine):
        networks.detach_strangers(network)
        if network.attrs.get("Scope") != "swarm" or (not marks and swarm.manages(client)):
            _remove(network, within_s)
    for volume in volumes:
        if volume not in marks:
            _remove(volume, within_s)


def _of_containers(client: docker.DockerClient) -> Iterator[Mapping[str, str]]:
    for container in client.containers.list(all=True, filters=dict(OURS), ignore_removed=True):
        yield container.labels


def _of_things(client: docker.DockerClient) -> Iterator[Mapping[str, str]]:
    found = client.networks.list(filters=dict(OURS)), client.volumes.list(filters=dict(OURS))
    for thing in chain(*found):
        yield (thing.attrs or {}).get("Labels") or {}


def _by_run(found: Iterable[Mapping[str, str]]) -> dict[str, Mapping[str, str]]:
    """Return labels by their run; what has none is a stranger's."""
    return {tags[labels.RUN]: tags for tags in found if tags.get(labels.RUN)}


def _held(run: str, tags: Mapping[str, str], *, contained: bool = True) -> HeldRun:
    by_hand = labels.BY_HAND in tags
    try:
        alive = labels.Owner.parse(tags.get(labels.OWNER, "")).alive()
    except ValueError:
        alive = False  # not our labels: no process can own it
    return HeldRun(
        run=run,
        by_hand=by_hand,
        left=not by_hand and not alive,
        contained=contained,
        checkout=tags.get(labels.CHECKOUT, ""),
    )


def _told(error: DockerException | None) -> str:
    """Return an engine's words, and what helps if it counts containers of a network that are gone.

    Source: https://github.com/moby/moby/issues/17217
    """
    helps = "; restarting the engine helps" if "active endpoints" in str(error) else ""
    return f"{error}{helps}"


def _remove(thing: Any, within_s: float) -> None:
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
        within_s=within_s,
        every_s=POLL_S,
        late=lambda error: ClusterError(f"{thing.name} could not be removed: {_told(error)}"),
    )
