"""A quorum over several Docker hosts: engines in network namespaces of this machine."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from docker import DockerClient

from cluster.cluster_errors import ClusterError
from cluster.engine import engine, fleet, labels, leftovers, networks, run_engines, swarm
from cluster.engine.hosts import Host
from cluster.software import image
from harness.common.quorum_config import QuorumConfig
from worlds import docker_hosts
from worlds.command_line import harness
from worlds.docker_hosts import DockerHost

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(
        docker_hosts.why_not() is not None and os.environ.get("REQUIRE_ALL") != "1",
        reason=str(docker_hosts.why_not()),
    ),
]
NOBODY = "tcp://127.0.0.1:1"
SMALL = """
description: One server and a few items.
cluster: {nodes: 1}
workload: [{put-all: {count: 20}}, {check-all: {}}]
"""
LEADER_KILL = """
description: The leader is killed while items go through the queue.
seed: 2011
claim: snapshot
workload: [{put-all: {count: 150, rate_hz: 15}}, {check-all: {rate_hz: 30}}]
faults: [{kill: {target: leader, wipe: true}, first_s: 2, down_s: 3}]
"""
HOST_FAULTS = """
description: Each fault of a host, on the one that may hold a majority.
budget: majority
cluster: {engines: [host-1, host-2]}
claim: snapshot
workload: [{put-all: {count: 250, rate_hz: 15}}, {check-all: {rate_hz: 30}}]
faults:
  - {host-down: {target: {node: 1}, wipe: false}, first_s: 1, down_s: 2}
  - {host-partition: {target: leader}, first_s: 6, for_s: 3}
  - {host-pause: {target: {node: 2}}, first_s: 12, for_s: 2}
"""


@pytest.fixture(scope="module")
def hosts() -> Iterator[list[DockerHost]]:
    """Two hosts whose engines have no image yet."""
    with docker_hosts.started(2) as found:
        yield found


@pytest.fixture(scope="module")
def loaded(hosts: list[DockerHost]) -> list[DockerHost]:
    """The same, with the images of a pod on the first one."""
    with closing(engine.connect()) as client:
        names = [image.server(client, QuorumConfig(), print).name, image.sandbox_name()]
    hosts[0].load(names)
    return hosts


@pytest.fixture
def machines(hosts: list[DockerHost]) -> Iterator[list[Host]]:
    """The hosts as the cluster sees them; afterwards they are as new."""
    with ExitStack() as closed:
        yield [Host(host.url, closed.enter_context(closing(host.client()))) for host in hosts]
        for host in hosts:
            with closing(host.client()) as client:
                if client.info()["Swarm"]["LocalNodeState"] != "inactive":
                    client.swarm.leave(force=True)
                for bridge in client.networks.list(names=["docker_gwbridge"]):
                    bridge.remove()


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what runs note in a folder of the test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def tags(run: str) -> dict[str, str]:
    """Return the labels of a run of this process."""
    return labels.of_run(run, labels.Owner.me(), by_hand=False)


def left_on(client: DockerClient) -> tuple[Any, ...]:
    """Return what an engine has of ours, and its networks and swarm, which it has by itself."""
    names = sorted(str(network.name) for network in client.networks.list())
    swarm_state = client.info()["Swarm"]["LocalNodeState"]
    return client.containers.list(all=True), client.volumes.list(), names, swarm_state


NOTHING = ([], [], ["bridge", "host", "none"], "inactive")


def test_hosts_are_in_a_swarm_for_one_run_only(machines: list[Host]) -> None:
    """Another run is told whose it is; when it is removed nothing is left on any host."""
    clients = [host.client for host in machines]
    assert swarm.form(machines, "first", tags("first")) is machines[0]
    networks.create_overlay(clients[0], "zkmq-first", tags("first"))
    with pytest.raises(ClusterError, match=r"in no swarm, got active; it joined that for run firs"):
        swarm.form(machines, "second", tags("second"))
    leftovers.remove_run(clients, "second")
    assert all(client.info()["Swarm"]["LocalNodeState"] == "active" for client in clients)
    assert [held.run for held in leftovers.runs(clients)] == ["first"]
    leftovers.remove_run(clients, "first")
    assert [left_on(client) for client in clients] == [NOTHING, NOTHING]


def test_a_swarm_that_is_not_ours_is_used_with_leave_and_never_left(machines: list[Host]) -> None:
    """Without leave it is refused as it is; with leave only the quorum's network comes and goes."""
    first, second = machines
    address = first.name.removeprefix("tcp://").removesuffix(":2375")
    first.client.swarm.init(address, f"{address}:2377")
    with pytest.raises(ClusterError, match=r"`cluster: \{swarm: use-existing\}` gives leave"):
        swarm.form(machines, "run", tags("run"))
    assert swarm.existing([first]) is first
    with pytest.raises(ClusterError, match=f"{second.name}: expected it in a swarm, .* inactive"):
        swarm.existing(machines)
    networks.create_overlay(first.client, "zkmq-run", tags("run"))
    leftovers.remove_run([first.client, second.client], "run")
    assert "zkmq-run" not in {network.name for network in first.client.networks.list()}
    assert first.client.info()["Swarm"]["LocalNodeState"] == "active"


def test_one_engine_under_two_names_is_refused(
    machines: list[Host], hosts: list[DockerHost]
) -> None:
    """Nodes on the same machine would be no quorum over two; it leaves the swarm it had joined."""
    with closing(engine.connect(hosts[0].socket)) as same:
        twice = [machines[0], Host(hosts[0].socket, same)]
        with pytest.raises(ClusterError, match="expected another one, got the same again"):
            swarm.form(twice, "run", tags("run"))
    leftovers.remove_run([machines[0].client], "run")
    assert left_on(machines[0].client) == NOTHING


def test_an_engine_that_does_not_answer_is_told_and_the_rest_is_cleaned(
    machines: list[Host],
) -> None:
    """`clean` says what it could not look at, for as long as it cannot."""
    client = machines[0].client
    owner = "/".join([*str(labels.Owner.me()).split("/")[:3], "1"])  # another start of this pid
    client.volumes.create("zkmq-dead", labels=tags("dead") | {labels.OWNER: owner})
    run_engines.note("dead", [machines[0].name, NOBODY])
    note = run_engines.path_of("dead")
    note.write_text(note.read_text().replace(str(labels.Owner.me()), owner))
    for removed in (["dead"], []):
        said: list[str] = []
        assert leftovers.clean(fleet.find(), say=said.append) == removed
        assert f"run dead may have left something: Docker engine at {NOBODY}" in said[0]
    assert left_on(client) == NOTHING
    note.write_text(note.read_text().replace(f', "{NOBODY}"', ""))
    leftovers.clean(fleet.find())
    assert not note.exists()


def run(tmp_path: Path, text: str, *on: str) -> dict[str, Any]:
    """Run a scenario on these engines; return its results, with what was said."""
    file = tmp_path / "scenario.yaml"
    file.write_text(text)
    words = ["--engines", ",".join(on)] if on else []
    ran = harness("run", str(file), "--runs", str(tmp_path / "runs"), *words, within_s=300)
    print(ran.stdout, ran.stderr)
    folder = tmp_path / "runs/latest"
    results: dict[str, Any] = json.loads((folder / "results.json").read_text())
    versions = json.loads((folder / "versions.json").read_text())
    return {**results, "status": ran.returncode, "versions": versions, "said": ran.stdout}


def nothing_is_left(hosts: list[DockerHost]) -> bool:
    """Tell whether all engines are as they were."""
    for host in hosts:
        with closing(host.client()) as client:
            if left_on(client) != NOTHING:
                print(host.url, left_on(client))
                return False
    return True


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_an_engine_that_dies_in_a_run_ends_it_with_its_name(
    loaded: list[DockerHost], tmp_path: Path
) -> None:
    """With 255; the other host is clean at once, and this one by `clean` when it is back."""
    file = tmp_path / "long.yaml"
    file.write_text(LEADER_KILL.replace("count: 150", "count: 100_000"))
    command = [sys.executable, "-m", "harness.commands.harness_command", "run", str(file)]
    command += ["--engines", f"{loaded[0].url},{loaded[1].url}", "--runs", str(tmp_path / "runs")]
    said = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            said.append(line)
            if "start put-all" in line:
                loaded[1].kill()
    told = "".join(said)
    print(told)
    assert running.returncode == 255
    assert "Traceback" not in told
    assert f"Docker engine {loaded[1].url}: expected an answer, got none" in told
    assert nothing_is_left(loaded[:1])
    (gone,) = re.findall(r"quorum (\w+) could not be removed", told)
    assert f"run {gone} may have left something" in harness("clean").stdout
    loaded[1].start()
    assert harness("clean").returncode == 0
    assert nothing_is_left(loaded)
    assert run_engines.noted() == []


@pytest.mark.slow
def test_a_run_in_the_users_swarm_leaves_it_as_it_was(
    loaded: list[DockerHost], machines: list[Host], tmp_path: Path
) -> None:
    """Two servers on two hosts of a swarm that was there before, and is there afterwards."""
    addresses = [host.address for host in loaded]
    manager = machines[0].client.swarm
    manager.init(addresses[0], f"{addresses[0]}:2377")
    manager.reload()
    token = manager.attrs["JoinTokens"]["Worker"]
    machines[1].client.swarm.join([f"{addresses[0]}:2377"], token, f"{addresses[1]}:2377")
    text = SMALL.replace("nodes: 1", "nodes: 2, swarm: use-existing")
    assert run(tmp_path, text, *(host.url for host in loaded))["verdict"] == "valid"
    for host in machines:
        containers, volumes, names, swarm_state = left_on(host.client)
        assert (containers, volumes, swarm_state) == ([], [], "active")
        # The last two are the engine's own, made when its swarm first needs them.
        assert {*names} <= {*NOTHING[2], "docker_gwbridge", "ingress"}


@pytest.mark.slow
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
