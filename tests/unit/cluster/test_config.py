"""What a server finds in its files and its environment."""

from cluster.config import environment, zoo_cfg
from harness.common.settings.quorum_config import QuorumConfig

ADDRESSES = {1: "10.0.0.1", 2: "10.0.0.2", 3: "10.0.0.3"}
LISTED = QuorumConfig.model_validate(
    {
        "nodes": [
            {},
            {"jvm": {"zookeeper.b": False, "zookeeper.c": 3}, "heap_mb": 128},
            {"role": "observer", "zoo_cfg": {"tickTime": 700}},
        ],
        "jvm": {"zookeeper.a": "x", "zookeeper.c": 2},
        "zoo_cfg": {"tickTime": 600, "syncLimit": 5},
    }
)


def test_every_server_knows_who_observes() -> None:
    """The role stands in each server's configuration, in both of its forms."""
    for config, end in (
        (LISTED, ""),
        (LISTED.model_copy(update={"reconfig": True}), ";0.0.0.0:2181"),
    ):
        for node in config.each.values():
            lines = zoo_cfg(config, ADDRESSES, node).splitlines()
            assert f"server.2=10.0.0.2:2888:3888:participant{end}" in lines
            assert f"server.3=10.0.0.3:2888:3888:observer{end}" in lines


def test_a_node_has_its_own_lines_of_zoo_cfg() -> None:
    """What one server overrides is as before in the others, and there once."""
    of_all, of_one = (zoo_cfg(LISTED, ADDRESSES, LISTED.each[id]).splitlines() for id in (1, 3))
    assert [line for line in of_all if "tickTime" in line] == ["tickTime=600"]
    assert [line for line in of_one if "tickTime" in line] == ["tickTime=700"]
    assert "syncLimit=5" in of_one


def test_a_node_has_its_own_system_properties() -> None:
    """Properties of one server override those of all; its heap is its own, too."""
    first, second = (environment(LISTED, LISTED.each[id]) for id in (1, 2))
    of_first, of_second = (set(told["SERVER_JVMFLAGS"].split()) for told in (first, second))
    assert {"-Dzookeeper.a=x", "-Dzookeeper.c=2"} <= of_first
    assert {"-Dzookeeper.a=x", "-Dzookeeper.c=3", "-Dzookeeper.b=false"} <= of_second
    assert "-Dzookeeper.c=2" not in of_second
    assert (first["ZK_SERVER_HEAP"], second["ZK_SERVER_HEAP"]) == ("256", "128")
