"""A rootless Docker engine: what it can, and what it says of the one thing that it cannot."""

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from cluster.engine import engine, leftovers
from cluster.software import image
from harness.common.settings.quorum_config import QuorumConfig
from worlds import rootless_engine
from worlds.command_line import harness
from worlds.host_runs import A_FAULT_OF_EACH_FAMILY
from worlds.rootless_engine import RootlessEngine

pytestmark = [
    pytest.mark.docker,
    pytest.mark.slow,
    pytest.mark.skipif(
        rootless_engine.why_not() is not None, reason=str(rootless_engine.why_not())
    ),
]
PAUSE = """
description: A fault that needs control groups.
cluster: {nodes: 3}
workload:
  - put-all: {count: 6000, rate_hz: 10, while_faults: true}
  - check-all: {}
faults:
  - {pause: {target: leader}, first_s: 0.5, for_s: 1}
"""


@pytest.fixture(scope="module")
def rootless() -> Iterator[RootlessEngine]:
    """Lend a rootless engine that has the images of a pod."""
    with closing(engine.connect()) as client:
        image.sandbox(client, print)
        names = [image.server(client, QuorumConfig(), print).name, image.sandbox_name()]
    with rootless_engine.started() as found:
        found.load(names)
        yield found


def test_the_doctor_names_what_a_rootless_engine_lacks(
    rootless: RootlessEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without control groups, servers cannot be frozen; all else that faults need works."""
    monkeypatch.setenv("DOCKER_HOST", rootless.url)
    told = harness("doctor", "--json", within_s=300)
    print(told.stdout, told.stderr)
    found = {one["name"]: one for one in json.loads(told.stdout)["findings"]}
    assert "rootless" in found["engine"]["told"]
    assert [name for name, one in found.items() if not one["works"]] == ["freezer"]
    assert "no control groups" in found["freezer"]["told"]
    assert told.returncode == 1


def test_a_user_without_root_runs_scenarios(rootless: RootlessEngine) -> None:
    """The engine is found by itself, each fault takes effect, and nothing is left in it."""
    rootless.write("rough.yaml", A_FAULT_OF_EACH_FAMILY)
    status, told = rootless.harness("run", "rough.yaml")
    print(told)
    assert status == 0
    assert {each["outcome"] for each in faults_of(rootless)} == {"installed"}
    with closing(engine.connect(rootless.url)) as client:
        assert leftovers.runs([client]) == []


def test_a_pause_is_skipped_with_its_reason(rootless: RootlessEngine) -> None:
    """A run whose fault could not be done is no pass: nobody knows how it would have ended."""
    rootless.write("pause.yaml", PAUSE)
    status, told = rootless.harness("run", "pause.yaml")
    print(told)
    assert status == 2
    (fault,) = faults_of(rootless)
    assert fault["outcome"] == "skipped"
    assert "this Docker engine has no control groups" in fault["evidence"]["why"]


def faults_of(rootless: RootlessEngine) -> list[dict[str, Any]]:
    """Return what became of the faults of the newest run."""
    found: list[dict[str, Any]] = json.loads(rootless.read("runs/latest/results.json"))["faults"]
    return found
