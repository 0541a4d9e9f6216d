"""An engine on a machine that has control groups of version 2 alone."""

import json
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cluster.engine import engine
from cluster.software import image
from harness.common.settings.quorum_config import QuorumConfig
from worlds import docker_hosts
from worlds.command_line import harness
from worlds.docker_hosts import DockerHost
from worlds.host_runs import A_FAULT_OF_EACH_FAMILY, nothing_is_left, run

pytestmark = [
    pytest.mark.docker,
    pytest.mark.slow,
    pytest.mark.skipif(
        docker_hosts.why_not() is not None and os.environ.get("REQUIRE_ALL") != "1",
        reason=str(docker_hosts.why_not()),
    ),
]
WITH_A_PAUSE = (
    f"{A_FAULT_OF_EACH_FAMILY}  - {{pause: {{target: leader}}, after: power-loss, for_s: 1}}\n"
)


@pytest.fixture(scope="module")
def host() -> Iterator[DockerHost]:
    """Lend one that has the images of a pod."""
    with closing(engine.connect()) as client:
        image.sandbox(client, print)
        names = [image.server(client, QuorumConfig(), print).name, image.sandbox_name()]
    with docker_hosts.started(1, cgroup_v2=True) as (found,):
        found.load(names)
        yield found


@pytest.fixture(autouse=True)
def chosen(host: DockerHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands find its engine."""
    monkeypatch.setenv("DOCKER_HOST", host.url)


def test_the_doctor_finds_nothing_missing() -> None:
    """The engine says that it has version 2, and all that faults need works, freezing too."""
    told = harness("doctor", "--json", within_s=300)
    print(told.stdout, told.stderr)
    found = {one["name"]: one for one in json.loads(told.stdout)["findings"]}
    assert "cgroup v2" in found["engine"]["told"]
    assert [name for name, one in found.items() if not one["works"]] == []
    assert told.returncode == 0


def test_a_fault_of_each_family_takes_effect(host: DockerHost, tmp_path: Path) -> None:
    """Also a pause; the run is valid, and nothing is left in the engine."""
    results = run(tmp_path, WITH_A_PAUSE)
    assert (results["verdict"], results["status"]) == ("valid", 0)
    assert len(results["faults"]) == 7
    assert {each["outcome"] for each in results["faults"]} == {"installed"}
    assert nothing_is_left([host])
