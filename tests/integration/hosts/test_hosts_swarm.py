"""Hosts in a swarm: ours for one run, or the user's; and what is left on their engines."""

from contextlib import closing
from pathlib import Path

import pytest

from cluster.cluster_errors import ClusterError
from cluster.engine import engine, fleet, labels, leftovers, networks, run_engines, swarm
from cluster.engine.hosts import Host
from worlds.docker_hosts import DockerHost
from worlds.host_runs import NEEDS_HOSTS, NOTHING, SMALL, left_on, run

pytestmark = NEEDS_HOSTS
NOBODY = "tcp://127.0.0.1:1"


def tags(run: str) -> dict[str, str]:
    """Return the labels of a run of this process."""
    return labels.of_run(run, labels.Owner.me(), by_hand=False)


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
