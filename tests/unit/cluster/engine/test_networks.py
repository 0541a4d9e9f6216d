"""The quorum's network: where the engine's pools are used up, and who else may be on it."""

from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import APIError, NotFound

from cluster.cluster_errors import ClusterError
from cluster.engine import networks

USED_UP = "could not find an available, non-overlapping IPv4 address pool among the defaults"


class Engine:
    """An engine that refuses its first networks, each for a reason."""

    def __init__(self, *refusals: str) -> None:
        self.refusals = list(refusals)
        self.subnets: list[str | None] = []
        self.networks = SimpleNamespace(create=self.create)

    def create(self, name: str, *, ipam: Any = None, **_: Any) -> str:
        """Create a network, or refuse."""
        self.subnets.append(None if ipam is None else ipam["Config"][0]["Subnet"])
        if self.refusals:
            raise APIError(self.refusals.pop(0))
        return name


def create(engine: Engine) -> Any:
    """Ask an engine for a network."""
    return networks.create(engine, "zkmq-1", {})  # type: ignore[arg-type]


def test_the_engine_chooses_addresses_if_it_has_some() -> None:
    """Nothing is asked of an engine that has addresses left."""
    engine = Engine()
    assert create(engine) == "zkmq-1"
    assert engine.subnets == [None]


def test_used_up_pools_are_no_end() -> None:
    """A small subnet of the range for tests is asked for, another if that one is taken."""
    engine = Engine(USED_UP, "Pool overlaps with other one on this address space")
    assert create(engine) == "zkmq-1"
    assert engine.subnets[0] is None
    assert all(str(subnet).startswith(("198.18.", "198.19.")) for subnet in engine.subnets[1:])
    assert all(str(subnet).endswith("/28") for subnet in engine.subnets[1:])


def test_an_engine_that_refuses_all_is_an_error_with_a_way_out() -> None:
    """After some tries the error says what frees addresses."""
    with pytest.raises(ClusterError, match="docker network prune"):
        create(Engine(USED_UP, *["Pool overlaps"] * networks.TRIES))


def test_other_refusals_are_passed_on() -> None:
    """What has nothing to do with addresses is not tried again."""
    engine = Engine("permission denied")
    with pytest.raises(APIError, match="permission denied"):
        create(engine)
    assert engine.subnets == [None]


@pytest.mark.parametrize(
    "refusal",
    [
        NotFound("No such container: one"),
        APIError("Container one is marked for removal and cannot be connected or disconnected"),
        APIError("container one is not connected to network zkmq-1"),
    ],
)
def test_a_container_that_goes_by_itself_is_no_error(refusal: APIError) -> None:
    """Two cleans at once find the same containers, and the rest are taken off all the same."""
    taken = list[str]()

    def disconnect(id: str, *, force: bool) -> None:
        if id == "one":
            raise refusal
        taken.append(id)

    attrs = {"Containers": {"one": {}, "other": {}}}
    found: Any = SimpleNamespace(reload=lambda: None, attrs=attrs, disconnect=disconnect)
    networks.detach_strangers(found)
    assert taken == ["other"]
