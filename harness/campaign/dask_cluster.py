"""Workers for a campaign: processes of this machine, or those of a scheduler that runs already."""

import logging
import platform
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from importlib import metadata
from importlib.util import find_spec
from typing import Any

import dask
from distributed import Client, LocalCluster, Security

import zkmq
from harness.campaign import code_identity
from harness.campaign.dask_executor import SLOT, DaskExecutor, slots
from harness.common.harness_errors import RunError, ScenarioError, told
from harness.common.polling import wait_until
from harness.words import counted

LOOPBACK = "127.0.0.1"
CONNECT_WITHIN_S = 5.0
WORKER_WITHIN_S = 30.0
ASK_WITHIN_S = 30.0
DEATHS_FORGIVEN = 2  # of a task's workers; with the third one the task is given up
SCHEMES = ("tcp://", "tls://", "ws://", "wss://")
SETTINGS = {
    "distributed.scheduler.allowed-failures": DEATHS_FORGIVEN,
    "distributed.comm.timeouts.connect": f"{WORKER_WITHIN_S:.0f}s",
    "distributed.scheduler.worker-saturation": "inf",  # short tasks wait at the worker, not here
    # What Dask measures of its own loops every few milliseconds is of no use here.
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.tick.cycle": "1s",
}
Say = Callable[[str], None]


@contextmanager
def embedded(workers: int, say: Say, *, quorum: bool = True) -> Iterator[DaskExecutor]:
    """Start a scheduler and so many workers here, and end them with the context.

    They speak TLS on loopback, with a certificate made for this cluster, since whoever can speak to
    a worker can have it do anything.

    Raises:
        RunError: they could not be started.
    """
    with dask.config.set(SETTINGS):
        try:
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                host=LOOPBACK,
                dashboard_address=f"{LOOPBACK}:0",
                security=Security.temporary(),
                memory_limit=0,  # a history may need all there is; Dask would kill its judge
                resources={SLOT: 1},
                silence_logs=logging.CRITICAL,  # a worker that dies is told by the campaign
            )
        except (OSError, RuntimeError, ImportError) as error:
            raise RunError(f"--workers: the workers could not be started: {told(error)}") from error
        with closing(cluster), Client(cluster) as client:
            say(f"{counted(workers, 'worker')} on this machine; {_dashboard(client)}")
            yield from _serving(client, quorum=quorum)


@contextmanager
def of_scheduler(address: str, say: Say, *, quorum: bool = True) -> Iterator[DaskExecutor]:
    """Use the workers of a scheduler, after a look whether they can do the work.

    Raises:
        ScenarioError: it is no address of a scheduler.
        RunError: it does not answer, has no worker, or one that has other code than this.
    """
    if not address.startswith(SCHEMES):
        raise ScenarioError(
            f"--scheduler: expected an address such as tcp://10.0.0.5:8786, got {address!r}"
        )
    try:
        client = Client(address, timeout=CONNECT_WITHIN_S)
    except (OSError, ValueError) as error:
        raise RunError(
            f"--scheduler: expected a Dask scheduler at {address}, got no answer within "
            f"{CONNECT_WITHIN_S:.0f} s ({told(error)}); `dask scheduler` starts one"
        ) from error
    with client:
        found = _workers(client, address, say, quorum=quorum)
        say(f"{counted(found, 'slot')} on the workers of {address}; {_dashboard(client)}")
        yield from _serving(client, quorum=quorum)


def _serving(client: Client, *, quorum: bool) -> Iterator[DaskExecutor]:
    with closing(DaskExecutor(client, uuid.uuid4().hex[:12], quorum=quorum)) as executor:
        yield executor


def _dashboard(client: Client) -> str:
    """Return where Dask shows what its workers do; it needs bokeh where the scheduler runs."""
    link = client.dashboard_link
    if find_spec("bokeh") is None:
        link += " (needs bokeh: pip install bokeh)"
    return f"Dask's dashboard: {link}"


def _workers(client: Client, address: str, say: Say, *, quorum: bool) -> int:
    """Wait for a first worker, require our code on all of them; return the number of slots.

    Raises:
        RunError: see of_scheduler.
    """

    def seen() -> Mapping[str, Any]:
        workers: Mapping[str, Any] = client.scheduler_info(n_workers=-1)["workers"]
        return workers

    if not (workers := seen()):
        say(f"{address} has no worker yet; waiting for one, {WORKER_WITHIN_S:.0f} s at most")
        workers = wait_until(seen, bool, within_s=WORKER_WITHIN_S, every_s=0.2)
    if not workers:
        raise RunError(
            f"--scheduler: expected at least one worker at {address}, got none within "
            f"{WORKER_WITHIN_S:.0f} s; start some: {_how_to_start(address)}"
        )
    require_our_code(client)
    if (found := slots(workers.values(), quorum=quorum)) < 1:
        raise RunError(
            f"--scheduler: expected workers with slots for a quorum, got {len(workers)} without; "
            f"start them so: {_how_to_start(address)}"
        )
    return found


def _how_to_start(address: str) -> str:
    return f'dask worker {address} --nthreads 1 --resources "{SLOT}=1"'


def require_our_code(client: Client) -> None:
    """Refuse workers that would judge by other code than this.

    Raises:
        RunError: a worker has none of ours, another release, another Python, or changed files.
    """
    ours = f"Python {'.'.join(platform.python_version_tuple()[:2])}"
    wrong: dict[str, str] = {}
    for worker, python in _asked(client, platform.python_version).items():
        if f"Python {'.'.join(str(python).split('.')[:2])}" != ours:
            wrong[worker] = f"expected {ours}, got {python}"
    for worker, release in _asked(client, metadata.version, "zkmq").items():
        if isinstance(release, BaseException):
            wrong.setdefault(worker, "expected zkmq, got none: pip install 'zkmq[campaign]' there")
    if not wrong:
        for worker, code in _asked(client, code_identity.digest).items():
            if code != code_identity.digest():
                got = told(code) if isinstance(code, BaseException) else f"other code ({code})"
                here = f"zkmq {zkmq.__version__} as it is here ({code_identity.digest()})"
                wrong[worker] = f"expected {here}, got {got}"
    if wrong:
        each = "; ".join(f"{worker}: {what}" for worker, what in sorted(wrong.items())[:8])
        raise RunError(f"--scheduler: a worker cannot do this campaign: {each}")


def _asked(client: Client, what: Callable[..., Any], *arguments: Any) -> Mapping[str, Any]:
    """Return what a function returns on each worker, or what it raises there."""
    try:
        answers: Mapping[str, Any] = client.run(what, *arguments, on_error="return")
    except (OSError, RuntimeError, ValueError) as error:
        raise RunError(f"--scheduler: the workers do not answer: {told(error)}") from error
    return answers
