"""Taking over a quorum that another process is removing just now."""

from types import SimpleNamespace
from typing import Any, cast

import docker
import pytest

from cluster import starting
from cluster.cluster_errors import ContainerGoneError
from cluster.engine import labels, leftovers
from cluster.engine.hosts import Host


@pytest.mark.parametrize(
    "left", [[], ["server"], [None]], ids=["all gone", "sandbox gone", "a stranger with our label"]
)
def test_a_quorum_that_is_being_removed_is_gone(
    left: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of a node's containers goes first."""
    parts = [
        SimpleNamespace(
            labels={labels.RUN: "r"} | ({labels.NODE: "1", labels.PART: part} if part else {})
        )
        for part in left
    ]
    monkeypatch.setattr(leftovers, "containers", lambda *_: cast(Any, parts))
    with pytest.raises(ContainerGoneError, match="quorum r: expected containers of it, got"):
        starting.attach([Host("", cast(docker.DockerClient, None))], "r")
