"""Scenarios on two Docker hosts: the same verdict as on one, and faults of a host."""

import json
from hashlib import sha256
from pathlib import Path

import pytest

from worlds.docker_hosts import DockerHost
from worlds.host_runs import LEADER_KILL, NEEDS_HOSTS, SMALL, nothing_is_left, run

pytestmark = [*NEEDS_HOSTS, pytest.mark.slow]
HOST_FAULTS = """
description: Each fault of a host, on the one that may hold a majority.
budget: majority
cluster: {engines: [host-1, host-2]}
claim: stale
workload: [{put-all: {count: 250, rate_hz: 15}}, {check-all: {rate_hz: 30}}]
faults:
  - {host-down: {target: {node: 1}, wipe: false}, first_s: 1, down_s: 2}
  - {host-partition: {target: leader}, first_s: 6, for_s: 3}
  - {host-pause: {target: {node: 2}}, first_s: 12, for_s: 2}
"""


def test_a_scenario_has_the_same_verdict_on_one_host_and_on_two(
    loaded: list[DockerHost], tmp_path: Path
) -> None:
    """The leader, on whichever host, is killed and wiped; the images come from the first host."""
    for on in (loaded[:1], loaded):
        ended = run(tmp_path, LEADER_KILL, *(host.url for host in on))
        assert (ended["status"], ended["verdict"]) == (0, "valid")
        assert [fault["outcome"] for fault in ended["faults"]] == ["installed"]
        assert nothing_is_left(loaded)
    places = ended["versions"]["hosts"]
    assert [places[str(id)] for id in range(1, 6)] == [loaded[i].url for i in (0, 1, 0, 1, 0)]
    assert f"{loaded[1].url}: copying the image" in ended["said"]


def test_a_host_goes_down_is_cut_off_and_freezes(loaded: list[DockerHost], tmp_path: Path) -> None:
    """All of its nodes, no other, and the queue goes on after each."""
    ended = run(tmp_path, HOST_FAULTS, *(host.url for host in loaded))
    assert (ended["status"], ended["verdict"]) == (0, "valid")
    down, cut, paused = ended["faults"]
    assert {fault["outcome"] for fault in ended["faults"]} == {"installed"}
    assert down["nodes"] == [1, 3, 5]
    assert paused["nodes"] == [2, 4]
    assert cut["nodes"] in ([1, 3, 5], [2, 4])
    assert nothing_is_left(loaded)


def test_another_engine_is_reached_by_its_address_and_by_a_context(
    loaded: list[DockerHost], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole scenario on an engine that is not this machine's, by DOCKER_HOST and by `engines`."""
    folder = tmp_path / "contexts/meta" / sha256(b"host-1").hexdigest()
    folder.mkdir(parents=True)
    endpoints = {"docker": {"Host": loaded[0].url, "SkipTLSVerify": False}}
    (folder / "meta.json").write_text(
        json.dumps({"Name": "host-1", "Metadata": {}, "Endpoints": endpoints})
    )
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert run(tmp_path, SMALL, "host-1")["verdict"] == "valid"
    monkeypatch.setenv("DOCKER_HOST", loaded[0].url)
    assert run(tmp_path, SMALL)["verdict"] == "valid"
    assert nothing_is_left(loaded)
