"""Reconfiguration: a member's line, and who votes by a configuration's text."""

from cluster import members
from cluster.config import QuorumConfig, environment, files, zoo_cfg

TOLD = """Committed new configuration:
server.1=10.0.0.1:2888:3888:participant;0.0.0.0:2181
server.3=10.0.0.3:2888:3888:participant;0.0.0.0:2181
server.4=10.0.0.4:2888:3888:observer;0.0.0.0:2181
version=100000005
"""


def test_voters_are_the_participants() -> None:
    """Observers do not vote, and other lines are no members."""
    assert members.voters(TOLD) == [1, 3]
    assert members.voters("KeeperErrorCode = NoNode") == []


def test_reconfig_names_the_client_port_in_the_member() -> None:
    """With `reconfig` the client port is part of each member's line, and nowhere else."""
    text = zoo_cfg(QuorumConfig(reconfig=True), {1: "10.0.0.1"})
    assert "server.1=10.0.0.1:2888:3888:participant;0.0.0.0:2181" in text
    assert "reconfigEnabled=true" in text
    assert "clientPort=" not in text


def test_faketime_is_only_where_it_is_asked_for() -> None:
    """No server runs under libfaketime unless the scenario says so."""
    assert "LD_PRELOAD" not in environment(QuorumConfig())
    assert environment(QuorumConfig(faketime=True))["LD_PRELOAD"].endswith("libfaketimeMT.so.1")


def test_without_autocreate_the_first_boot_has_leave() -> None:
    """A server that may not create its database finds the file `initialize` once."""
    assert "data/initialize" not in files(QuorumConfig(), {1: "10.0.0.1"})
    assert "data/initialize" in files(QuorumConfig(autocreate=False), {1: "10.0.0.1"})
