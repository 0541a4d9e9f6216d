"""What is read of a server's log: where its exceptions were thrown, and in which release."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness import run
from harness.clients import server_log
from harness.common.server_states import LOG_CUT
from harness.report import page
from harness.scenario import loading
from worlds.histories.by_hand import history, note
from worlds.histories.judged_runs import SCENARIO, judged, lives

RELEASE = b"INFO [main:Environment@98] - Server environment:zookeeper.version=3.9.6-x, built on y\n"
REVALIDATE = b"""\
2026-11-29 14:33:14 [myid:2] - WARN [NIOWorkerThread-1:NIOServerCnxn@391] - Unexpected exception
java.lang.NullPointerException: Cannot invoke "Learner.validateSession()" because it is null
\tat org.apache.zookeeper.server.quorum.LearnerZooKeeperServer.revalidateSession(Learner.java:93)
\tat org.apache.zookeeper.server.ZooKeeperServer.reopenSession(ZooKeeperServer.java:1128)
\tat java.base/java.lang.Thread.run(Thread.java:840)
2026-11-29 14:33:15 [myid:2] - INFO fine
"""
UPGRADE = '{rolling-upgrade: {to: "3.9.6"}, first_s: 2}'
FRAMES = [
    "org.apache.zookeeper.server.quorum.LearnerZooKeeperServer.revalidateSession",
    "org.apache.zookeeper.server.ZooKeeperServer.reopenSession",
    "java.lang.Thread.run",
]


def test_an_exception_is_told_with_its_methods_release_and_count() -> None:
    """Twice the same is one trace, counted; line numbers and modules are left out."""
    told = server_log.told(2, RELEASE + REVALIDATE + REVALIDATE)
    assert told["traces"] == [
        {"pattern": "null-pointer", "release": "3.9.6", "frames": FRAMES, "count": 2}
    ]
    assert (told["node"], told["patterns"]) == (2, {"null-pointer": 2})


def test_a_message_that_names_the_exception_is_none_of_its_own() -> None:
    """The line above a trace may repeat it; a line alone is an exception without a trace."""
    above = b"WARN - failed: java.lang.NullPointerException\n"
    (trace,) = server_log.told(1, above + REVALIDATE.split(b"\n", 1)[1])["traces"]
    assert (trace["count"], trace["frames"]) == (1, FRAMES)
    (alone,) = server_log.told(1, above + b"INFO fine\n")["traces"]
    assert (alone["frames"], alone["release"]) == ([], None)


def test_the_release_is_the_one_that_wrote_it() -> None:
    """A server that is upgraded goes on in the same log."""
    later = RELEASE.replace(b"3.9.6", b"3.9.7")
    traces = server_log.told(1, RELEASE + REVALIDATE + later + REVALIDATE)["traces"]
    assert [trace["release"] for trace in traces] == ["3.9.6", "3.9.7"]


def test_a_log_without_its_beginning_is_told() -> None:
    """So nobody concludes from what is not there, also where a later server wrote it."""
    assert server_log.told(1, RELEASE + LOG_CUT + REVALIDATE)["cut"]
    assert "cut" not in server_log.told(1, RELEASE + REVALIDATE)


def test_what_follows_a_cut_has_no_release() -> None:
    """The server before it may have been another one, of another release, and so may the next."""
    log = RELEASE + REVALIDATE + LOG_CUT + REVALIDATE + RELEASE + REVALIDATE
    first, cut = server_log.told(1, log)["traces"]
    assert (first["release"], first["count"]) == ("3.9.6", 2)
    assert (cut["release"], cut["count"]) == (None, 1)


@pytest.mark.parametrize(
    ("about", "upgraded", "reasons"),
    [
        ({"zookeeper": {"1": "3.9.6-abc, built on x"}}, False, ["log-cut"]),
        ({"zookeeper": {"1": "3.9.1-abc, built on x"}}, False, ["log-cut", "null-pointer"]),
        ({"zookeeper": {"1": "3.9.6-abc, built on x"}}, True, ["log-cut", "null-pointer"]),
        ({"zookeeper": {"1": "", "2": "3.9.6"}}, False, ["log-cut", "null-pointer"]),
        ({"zookeeper": ["3.9.6"]}, False, ["log-cut", "null-pointer"]),
        (None, False, ["log-cut", "null-pointer"]),
    ],
    ids=["known", "another-release", "upgraded", "silent", "damaged", "no-versions"],
)
def test_a_log_that_was_cut_has_its_release_from_versions_json(
    tmp_path: Path, about: dict[str, Any] | None, *, upgraded: bool, reasons: list[str]
) -> None:
    """A known defect is not taken for a new one; in another release, or any of two, it is new."""
    told = server_log.told(1, LOG_CUT + REVALIDATE)
    text = SCENARIO.replace("[total-queue, availability]", "[server-logs]")
    if upgraded:
        text = text.replace("seed: 7", f"seed: 7\nfaults: [{UPGRADE}]")
    if about is not None:
        (tmp_path / "versions.json").write_text(json.dumps(about))
    folder = judged(tmp_path, lives(lost=()), note("server-log", 10**9, **told), scenario_text=text)
    (found,) = [c for c in _checks(folder.results) if c["name"] == "server-logs"]
    assert found["reasons"] == reasons
    assert found["verdict"] == ("invalid" if "null-pointer" in reasons else "unknown")


def test_any_bytes_are_read() -> None:
    """A log that ends in the middle of a trace, or is no text, is read as far as it goes."""
    cut = (RELEASE + REVALIDATE)[:-200]
    assert server_log.told(1, cut)["patterns"] == {"null-pointer": 1}
    assert server_log.told(1, b"\xff\x00NullPointerException\n\tat \xff(")["patterns"]
    assert server_log.told(1, b"") == {"node": 1, "patterns": {}, "samples": [], "traces": []}


def test_an_older_run_is_read_again_from_its_kept_logs(tmp_path: Path) -> None:
    """Its notes have counts alone; a note that has traces, or no log, stays as it is."""
    (tmp_path / "node-1.log").write_bytes(RELEASE + REVALIDATE)
    old = {"patterns": {"null-pointer": 1}, "samples": ["x"]}
    run = history(
        note("server-log", 9, node=1, **old),
        note("server-log", 9, node=2, **old),
        note("server-log", 9, node=3, traces=[], **old),
    )
    server_log.complete(run, tmp_path, {})
    first, second, third = (event.value for event in run.notes)
    assert first["traces"][0]["frames"] == FRAMES
    assert "traces" not in second
    assert third["traces"] == []


@pytest.mark.parametrize("traces", [5, None, [7], [{}], "x", [{"release": 3}]])
def test_malformed_traces_stay_what_they_are(traces: Any, tmp_path: Path) -> None:
    """Somebody edited the history: that is for the checker to say."""
    run = history(note("server-log", 9, node=1, traces=traces))
    server_log.complete(run, tmp_path, {1: "3.9.6"})
    (event,) = run.notes
    assert event.value["traces"] == traces


def test_a_run_recorded_before_is_judged_by_what_its_logs_say(tmp_path: Path) -> None:
    """Its note has a count and no trace: the log that was kept shows a known defect."""
    told = note("server-log", 1_000_000_000, node=1, patterns={"null-pointer": 1}, samples=["x"])
    text = SCENARIO.replace("[total-queue, availability]", "[server-logs]")
    folder = judged(tmp_path, lives(lost=()), told, scenario_text=text)
    (before,) = [c for c in _checks(folder.results) if c["name"] == "server-logs"]
    assert before["reasons"] == ["null-pointer"]
    (folder.logs / "node-1.log").write_bytes(RELEASE + REVALIDATE)
    run.check(loading.load(folder.scenario), "by-hand", folder)
    (after,) = [c for c in _checks(folder.results) if c["name"] == "server-logs"]
    assert (after["verdict"], after["details"]["known_defects"][0]["seen"]) == ("valid", 1)
    assert "known: revalidate-session, seen 1 time on node 1" in page.write(folder).read_text()


def _checks(results: Path) -> list[dict[str, Any]]:
    return list(json.loads(results.read_text())["checks"])
