"""server-logs: what servers say of themselves that no fault explains."""

from pathlib import Path
from typing import Any

import pytest

from harness.checkers.evidence.server_defects import DEFECTS, ServerDefect
from harness.checkers.server_logs import ServerLogs
from harness.claim import Claim
from harness.common.verdict import CheckResult, Verdict
from worlds.histories.by_hand import history, note

ROOT = Path(__file__).parents[4]


def log(node: int = 1, mismatches: int | None = 0, **patterns: int) -> list[dict[str, Any]]:
    """Return what one server's log and counter say; `_` stands for `-` in a pattern's name."""
    found = {name.replace("_", "-"): count for name, count in patterns.items()}
    samples = [f"WARN {name}" for name in found]
    value: dict[str, Any] = {"patterns": found, "samples": samples}
    return note("server-log", 9, node=node, digest_mismatches=mismatches, **value)


def cut(log: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a log whose beginning may be gone."""
    return [event | {"value": {**event["value"], "cut": True}} for event in log]


def judged(*logs: list[dict[str, Any]]) -> CheckResult:
    """Judge a history of these logs."""
    return ServerLogs().check(history(*logs), Claim())


@pytest.mark.parametrize(
    ("logs", "verdict", "reasons"),
    [
        pytest.param([log(1), log(2)], Verdict.VALID, (), id="nothing-unusual"),
        pytest.param(
            [log(1), log(2, null_pointer=1)], Verdict.INVALID, ("null-pointer",), id="npe"
        ),
        pytest.param([log(severe=3, corrupt_log=1)], Verdict.VALID, (), id="what-faults-cause"),
        pytest.param([log(1, 1, digest_mismatch=2)], Verdict.VALID, (), id="one-mismatch"),
        pytest.param([log(1), log(2, None)], Verdict.VALID, (), id="silent"),
        pytest.param([log(1), cut(log(2))], Verdict.UNKNOWN, ("log-cut",), id="cut"),
        pytest.param(
            [cut(log(null_pointer=1))], Verdict.INVALID, ("log-cut", "null-pointer"), id="cut-npe"
        ),
    ],
)
def test_verdict_follows_the_logs(
    logs: list[list[dict[str, Any]]], verdict: Verdict, reasons: tuple[str, ...]
) -> None:
    """A null pointer is a defect, what faults cause is counted; half a log proves nothing."""
    result = judged(*logs)
    assert (result.verdict, result.reasons) == (verdict, reasons)


def test_adds_up_the_patterns_and_counts() -> None:
    """Details hold the sums over all servers, and each server's own count; null is not zero."""
    result = judged(log(1, None, severe=1), log(2, 4, digest_mismatch=2, severe=1))
    assert result.details["patterns"] == {"digest-mismatch": 2, "severe": 2}
    assert result.details["digest_mismatches"] == {"1": None, "2": 4}


def test_quotes_the_log() -> None:
    """The witness names the server and gives what it wrote."""
    (witness,) = judged(log(1), log(2, null_pointer=3)).witnesses
    assert witness.sentence == "Node 2 has null-pointer 3 times in its log: WARN null-pointer."


QUORUM = "org.apache.zookeeper.server.quorum."
REVALIDATE = f"{QUORUM}LearnerZooKeeperServer.revalidateSession"

REMOVE = "org.apache.zookeeper.server.ZooKeeperServer.removeCnxn"
CLEANUP = "org.apache.zookeeper.server.ServerCnxn.cleanupWriterSocket"


def traced(
    *frames: str, release: str | None = "3.9.6", node: int = 1, count: int = 1
) -> list[dict[str, Any]]:
    """Return a log with one kind of null pointer, thrown in the first of these methods."""
    trace = {"pattern": "null-pointer", "release": release, "frames": frames, "count": count}
    patterns = {"null-pointer": count}
    return note("server-log", 9, node=node, patterns=patterns, samples=["NPE"], traces=[trace])


def test_a_trace_is_told_by_its_first_methods() -> None:
    """A reader finds the place in the source, and the release that it is of."""
    (witness,) = judged(traced("a.B.c", "a.B.d", "a.B.e", "a.B.f")).witnesses
    assert "at a.B.c < a.B.d < a.B.e (3.9.6)" in witness.sentence


def test_a_known_defect_is_counted_and_changes_no_verdict() -> None:
    """A scenario about the queue does not fail of what its ZooKeeper release is known for."""
    result = judged(traced(REVALIDATE, count=2), traced(REVALIDATE, node=3))
    assert (result.verdict, result.reasons, result.witnesses) == (Verdict.VALID, (), ())
    (known,) = result.details["known_defects"]
    assert known == {
        "name": "revalidate-session", "seen": 3, "nodes": [1, 3], "issue": None,
        "finding": "scenarios/findings/revalidate-session.yaml",
    }  # fmt: skip


def test_a_follower_that_is_not_connected_yet_is_the_same_defect() -> None:
    """The learner is there again, and has no stream to its new leader."""
    write = f"{QUORUM}Learner.writePacketNow"
    way = [write, f"{QUORUM}Learner.writePacket", f"{QUORUM}Learner.validateSession", REVALIDATE]
    (known,) = judged(traced(*way)).details["known_defects"]
    assert known["name"] == "revalidate-session"
    assert judged(traced(*way[:3])).reasons == ("null-pointer",), "not on the way to a session"


def test_a_client_that_reconnects_to_a_leader_that_ends_is_known() -> None:
    """As 3.9.6 logged it in a run; the same method on another way is new."""
    server = "org.apache.zookeeper.server."
    way = [f"{server}ServerCnxnFactory.registerConnection"]
    way += [
        f"{server}ZooKeeperServer.{each}" for each in ("finishSessionInit", "revalidateSession")
    ]
    (known,) = judged(traced(*way)).details["known_defects"]
    assert known["name"] == "reconnect-while-ending"
    assert judged(traced(way[0], way[2])).reasons == ("null-pointer",)


def test_a_request_that_outlives_its_leader_is_known() -> None:
    """The leader is gone when its queue's thread comes to the request; elsewhere that is new."""
    propose = f"{QUORUM}ProposalRequestProcessor.processRequest"
    queue = "org.apache.zookeeper.server.PrepRequestProcessor"
    way = [propose, f"{queue}.pRequest", f"{queue}.run"]
    (known,) = judged(traced(*way)).details["known_defects"]
    assert known["name"] == "request-after-leading"
    assert judged(traced(*way[:2])).reasons == ("null-pointer",)
    assert judged(traced(*way, release="3.8.0")).reasons == ("null-pointer",), "not seen there"


@pytest.mark.parametrize("way", [["Learner.writePacketNow", "Learner.request"], []])
def test_a_write_that_outlives_its_leader_is_known(way: list[str]) -> None:
    """The follower is gone when its thread comes to the write, or is not connected again yet."""
    frames = [f"{QUORUM}{each}" for each in [*way, "FollowerRequestProcessor.run"]]
    (known,) = judged(traced(*frames)).details["known_defects"]
    assert known["name"] == "request-after-following"
    elsewhere = f"{QUORUM}FollowerRequestProcessor.processRequest"
    assert judged(traced(*frames[:-1], elsewhere)).reasons == ("null-pointer",)


def test_a_sentence_about_a_known_defect_ends_once() -> None:
    """What happens is said in a sentence, which has its full stop."""
    run = history(traced(f"{QUORUM}FollowerRequestProcessor.run"))
    (witness,) = ServerLogs().check(run, Claim(because="null-pointer")).witnesses
    assert witness.sentence.endswith("hears nothing of it.")


def test_the_harness_own_probe_of_a_starting_server_is_no_finding() -> None:
    """A lone server that is asked `srvr` before it has a database fails to close the connection."""
    close = "org.apache.zookeeper.server.NIOServerCnxn.close"
    result = judged(traced(REMOVE, close, close, CLEANUP))
    assert result.verdict is Verdict.VALID
    assert [known["name"] for known in result.details["known_defects"]] == [
        "command-while-starting"
    ]


def test_what_3_8_0_wrote_in_a_run_is_known() -> None:
    """Three traces from the logs of one run of the finding's scenario, their innermost methods."""
    sync, send = "org.apache.zookeeper.server.SyncRequestProcessor", "SendAckRequestProcessor"
    logs = [
        traced(
            f"{QUORUM}Learner.syncWithLeader", f"{QUORUM}Follower.followLeader", release="3.8.0"
        ),
        traced(f"{QUORUM}{send}.flush", f"{sync}.flush", f"{sync}.run", release="3.8.0", node=2),
        traced(f"{QUORUM}{send}.processRequest", f"{sync}.flush", release="3.8.0", node=3),
    ]
    known = judged(*logs).details["known_defects"]
    assert [(each["name"], each["seen"]) for each in known] == [
        ("zookeeper-4394", 1), ("zookeeper-4409", 2),
    ]  # fmt: skip


@pytest.mark.parametrize("because", ["zookeeper-4394", "null-pointer"])
def test_a_known_defect_counts_in_the_scenario_about_it(because: str) -> None:
    """By its name, or by the pattern, as in scenarios recorded before the table was there."""
    run = history(traced(f"{QUORUM}Learner.syncWithLeader", release="3.8.0"))
    result = ServerLogs().check(run, Claim(because=because))
    assert result.verdict is Verdict.INVALID
    assert result.reasons == ("null-pointer", "zookeeper-4394")
    assert ServerLogs().check(run, Claim(because="lost")).verdict is Verdict.VALID


@pytest.mark.parametrize(
    ("frames", "release"),
    [
        pytest.param([f"{QUORUM}Leader.lead"], "3.9.6", id="elsewhere"),
        pytest.param([f"{QUORUM}Leader.lead", REVALIDATE], "3.9.6", id="on-its-way"),
        pytest.param([f"{QUORUM}Learner.syncWithLeader"], "3.9.6", id="another-release"),
        pytest.param([REVALIDATE], None, id="release-not-told"),
        pytest.param([f"{REVALIDATE}Twice"], "3.9.6", id="another-method"),
        pytest.param([REMOVE], "3.9.6", id="not-through-a-command"),
        pytest.param([], "3.9.6", id="no-trace"),
    ],
)
def test_what_is_not_in_the_table_stays_a_finding(frames: list[str], release: str | None) -> None:
    """A new place, another way to it, or a release that is not known for it, is a new defect."""
    result = judged(traced(REVALIDATE, node=2), traced(*frames, release=release))
    assert (result.verdict, result.reasons) == (Verdict.INVALID, ("null-pointer",))
    assert len(result.witnesses) == 1


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_the_table_names_what_is_there(defect: ServerDefect) -> None:
    """A finding is a scenario of ours that expects the defect by its name; an issue is one."""
    if defect.finding is not None:
        scenario = (ROOT / defect.finding).read_text()
        assert f"because: {defect.name}\n" in scenario
    assert defect.issue is None or defect.issue.startswith("ZOOKEEPER-")
    assert defect.name in ServerLogs.finds
    assert f"| `{defect.name}` |" in (ROOT / "docs" / "checkers.md").read_text()


def test_needs_logs() -> None:
    """A run without the servers' logs is not judged by it."""
    assert ServerLogs().unmet(history(), Claim()) == "the servers' logs"
