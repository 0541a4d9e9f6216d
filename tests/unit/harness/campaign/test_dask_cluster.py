"""Whether the workers of a scheduler can do a campaign, by what they say of themselves."""

import platform
from importlib import metadata
from typing import Any

import pytest

from harness.campaign import code_identity, dask_cluster
from harness.common.harness_errors import RunError, ScenarioError

ADDRESS = "tcp://10.0.0.5:8786"
SLOT = {"resources": {"quorum": 1.0}, "nthreads": 1}


class Client:
    """A scheduler with workers that answer as they are told; one is `w1`."""

    def __init__(self, **answers: Any) -> None:
        self.answers = {"python": platform.python_version(), "zkmq": "0.1.0"} | answers
        self.workers: dict[str, Any] = {"w1": SLOT}

    def scheduler_info(self, *, n_workers: int) -> dict[str, Any]:
        return {"workers": self.workers}

    def run(self, what: Any, *_: Any, on_error: str) -> dict[str, Any]:
        asked = {platform.python_version: "python", metadata.version: "zkmq"}.get(what, "code")
        return {"w1": self.answers.get(asked, code_identity.digest())}


def slots(client: Client, *, quorum: bool = True) -> int:
    """Return how many slots the workers have, if they can do the work."""
    return dask_cluster._workers(client, ADDRESS, lambda _: None, quorum=quorum)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ({"python": "3.99.0"}, r"w1: expected Python 3\.\d+, got 3\.99\.0"),
        ({"zkmq": metadata.PackageNotFoundError("zkmq")}, r"w1: expected zkmq, got none: pip"),
        ({"code": "0123456789ab"}, r"w1: expected zkmq .* as it is here .* other code \(0123"),
        ({"code": ModuleNotFoundError("no campaign")}, r"w1: .*ModuleNotFoundError: no campaign"),
    ],
)
def test_a_worker_that_would_judge_otherwise_is_refused(answers: dict[str, Any], told: str) -> None:
    """Another Python, no package of ours, or other code: each is said, with the worker."""
    with pytest.raises(RunError, match=f"a worker cannot do this campaign: {told}"):
        slots(Client(**answers))


def test_a_worker_with_our_code_is_taken() -> None:
    """The control: one with the same Python, package and code is fine."""
    assert slots(Client()) == 1


def test_a_scheduler_without_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while it is an error that says how to start one."""
    monkeypatch.setattr(dask_cluster, "WORKER_WITHIN_S", 0.0)
    client = Client()
    client.workers = {}
    with pytest.raises(RunError, match=f"got none within 0 s; start some: dask worker {ADDRESS}"):
        slots(client)


def test_workers_without_slots() -> None:
    """Workers that offer no slot would never begin; for work without a quorum threads do."""
    client = Client()
    client.workers = {"w1": {"resources": {}, "nthreads": 4}}
    with pytest.raises(RunError, match=r'slots for a quorum, got 1 without; .* "quorum=1"'):
        slots(client)
    assert slots(client, quorum=False) == 4


@pytest.mark.parametrize("address", ["10.0.0.5:8786", "http://x", ""])
def test_what_is_no_address(address: str) -> None:
    """A word without Dask's scheme is bad input, before anything is connected."""
    with pytest.raises(ScenarioError, match=r"--scheduler: expected an address such as tcp://"):
        dask_cluster.of_scheduler(address, lambda _: None).__enter__()


@pytest.mark.parametrize("error", [RuntimeError("Nanny failed to start."), OSError("no port")])
def test_workers_that_cannot_be_started(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """It is an error of this machine, told in one line."""

    def fails(**_: object) -> None:
        raise error

    monkeypatch.setattr(dask_cluster, "LocalCluster", fails)
    with pytest.raises(RunError, match=f"--workers: the workers could not be started: .*{error}"):
        dask_cluster.embedded(2, lambda _: None).__enter__()


def test_the_code_is_what_is_in_the_files() -> None:
    """The digest is of this checkout's own files: short, and the same each time."""
    assert len(code_identity.digest()) == 12
    first = code_identity.digest()
    code_identity.digest.cache_clear()
    assert code_identity.digest() == first
