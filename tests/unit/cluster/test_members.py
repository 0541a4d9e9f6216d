"""Reconfiguration: a member's line, and who votes by a configuration's text."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, get_args

import pytest

from cluster import members
from cluster.cluster_errors import ClusterError
from cluster.config import environment, files, zoo_cfg
from cluster.engine.containers import Executed
from cluster.software import debian
from cluster.software.server_image import CLASSPATH
from harness.common.settings.quorum_config import QuorumConfig, Release

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


LOST = (1, "KeeperErrorCode = ConnectionLoss")


def answers(monkeypatch: pytest.MonkeyPatch, *told: tuple[int, str]) -> list[str]:
    """Have ZooKeeper's client give these answers, the last for ever; return what it is asked."""
    asked: list[str] = []

    def execute(_server: object, command: Sequence[str], _env: object) -> Executed:
        asked.append(next(word for word in command if word in {"reconfig", "config"}))
        return Executed(*told[min(len(asked), len(told)) - 1])

    monkeypatch.setattr(members, "execute", execute)
    monkeypatch.setattr(members, "POLL_S", 0.0)
    return asked


def pod() -> Any:
    """Return what of a pod is used here."""
    return SimpleNamespace(id=1, server=SimpleNamespace(labels={CLASSPATH: "/any/*"}))


def test_a_leader_that_is_taken_out_may_hang_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a lost connection the configuration tells who votes, once somebody can answer."""
    asked = answers(monkeypatch, LOST, LOST, (0, TOLD))
    assert members.remove(pod(), 5) == {"node": 5, "voters": [1, 3]}
    assert asked == ["reconfig", "config", "config"]


def test_an_answer_that_the_engine_lost_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing was printed the configuration tells who votes: nothing is done twice."""
    asked = answers(monkeypatch, (0, "\n"), (0, ""), (0, TOLD))
    assert members.remove(pod(), 5) == {"node": 5, "voters": [1, 3]}
    assert asked == ["reconfig", "config", "config"]


def test_what_a_lost_answer_did_not_do_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration without the change shows that the request was lost, and not its answer."""
    added = TOLD.replace("observer", "participant")
    asked = answers(monkeypatch, LOST, (0, TOLD), (0, added))
    assert members.add(pod(), 4, "10.0.0.4") == {"node": 4, "voters": [1, 3, 4]}
    assert asked == ["reconfig", "config", "reconfig"]


def test_a_request_that_is_not_decided_yet_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one may take effect after the second was asked for."""
    busy = (1, "KeeperErrorCode = ReconfigInProgress")
    added = TOLD.replace("observer", "participant")
    asked = answers(monkeypatch, LOST, (0, TOLD), busy, (0, added))
    assert members.add(pod(), 4, "10.0.0.4")["voters"] == [1, 3, 4]
    assert asked == ["reconfig", "config", "reconfig", "config"]


def test_a_refused_reconfiguration_is_an_error_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a lost connection leaves the outcome open."""
    asked = answers(monkeypatch, (1, "KeeperErrorCode = NewConfigNoQuorum"))
    with pytest.raises(ClusterError, match="NewConfigNoQuorum"):
        members.remove(pod(), 5)
    assert asked == ["reconfig"]


def test_nobody_who_answers_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """What came of it stays unknown where no configuration can be read in time."""
    answers(monkeypatch, LOST)
    monkeypatch.setattr(members, "TOLD_WITHIN_S", 0.0)
    with pytest.raises(ClusterError, match="ConnectionLoss"):
        members.remove(pod(), 5)


def test_reconfig_names_the_client_port_in_the_member() -> None:
    """With `reconfig` the client port is part of each member's line, and nowhere else."""
    text = zoo_cfg(QuorumConfig(reconfig=True), {1: "10.0.0.1"})
    assert "server.1=10.0.0.1:2888:3888:participant;0.0.0.0:2181" in text
    assert "reconfigEnabled=true" in text
    assert "clientPort=" not in text


def test_no_leader_syncs_from_disk_unless_the_scenario_says_so() -> None:
    """The sync that loses transactions (ZOOKEEPER-2846) is off, and a finding can turn it on."""
    mended = zoo_cfg(QuorumConfig(), {1: "10.0.0.1"}).splitlines()
    apaches = zoo_cfg(QuorumConfig(zoo_cfg={"snapshotSizeFactor": "0.33"}), {1: "10.0.0.1"})
    assert "snapshotSizeFactor=-1" in mended
    assert "snapshotSizeFactor=0.33" in apaches.splitlines()
    assert "snapshotSizeFactor=-1" not in apaches


def test_faketime_is_only_where_it_is_asked_for() -> None:
    """No server runs under libfaketime unless the scenario says so."""
    assert "LD_PRELOAD" not in environment(QuorumConfig())
    assert environment(QuorumConfig(faketime=True))["LD_PRELOAD"].endswith("libfaketimeMT.so.1")


def test_without_autocreate_the_first_boot_has_leave() -> None:
    """A server that may not create its database finds the file `initialize` once."""
    assert "data/initialize" not in files(QuorumConfig(), {1: "10.0.0.1"})
    assert "data/initialize" in files(QuorumConfig(autocreate=False), {1: "10.0.0.1"})


def test_there_are_packages_for_each_release_that_a_scenario_may_name() -> None:
    """A release in one list only would be refused when its quorum starts, or could not be named."""
    assert tuple(debian.RELEASES) == get_args(Release)
