"""Commands as workloads: what they tell is recorded; what is wrong with one is one error."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.clients.command_process import MAX_LOG_BYTES
from harness.clients.subject import SubjectConfig
from harness.common import process_group
from harness.common.harness_errors import ScenarioError, WorkerError
from harness.common.polling import wait_until
from harness.common.progress import Progress
from harness.common.run_clock import Clock
from harness.history.columns import History
from harness.history.record import HistoryWriter, merge
from harness.scenario import loading
from harness.workers.pool import Worker, Workers, all_ended
from harness.workers.running_clients import RunningClients

pytestmark = pytest.mark.medium

WITHIN_S = 60.0
# A queue of files: mv is atomic. Every `call` waits for `go`, as the protocol asks.
QUEUE = """
call() { printf '%s\\n' "$1"; read -r go; }
put() {
  call '{"type":"invoke","f":"put","value":'$1'}'
  touch "queue/$1"
  printf '{"type":"ok","f":"put","value":%s,"session":"s1"}\\n' "$1"
}
take() {
  call '{"type":"invoke","f":"take"}'
  for item in queue/*; do
    if mv "$item" "taken/" 2>/dev/null; then
      printf '{"type":"ok","f":"take","value":%s}\\n' "${item#queue/}"; return
    fi
  done
  printf '{"type":"ok","f":"take","value":null}\\n'
  case "$go" in *'"puts_over":true'*) exit 0;; esac
}
mkdir -p queue taken
"""
# In one write, as of a program that buffers its output.
TWICE = """printf '{"type":"invoke","f":"put","value":1}\\n{"type":"%s","f":"put","value":1}\\n' """
PUT = """printf '{"type":"invoke","f":"put","value":1}\\n'; """


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Workers]:
    """Give client processes whose commands run in the test's folder."""
    with HistoryWriter(tmp_path / "history" / "harness.jsonl") as of_harness:
        config = SubjectConfig(
            kind="zkmq", folders=[str(tmp_path)], hosts="h:1,h:2", deadline_s=0.1
        )
        workers = Workers(
            folder=tmp_path, clock=Clock(), progress=Progress(), history=of_harness,
            subject=config.model_dump(), environment={},
        )  # fmt: skip
        yield workers
        workers.stop()


def start(pool: Workers, script: str, **settings: Any) -> list[Worker]:
    """Start a script of bash as the only client, which may put 1 to 3."""
    own = {"command": ["bash", "-c", script], "count": 3} | settings
    return pool.start_kind("exec", own, where="m.yaml:4: workload[0].exec")


def finish(pool: Workers, workers: list[Worker]) -> None:
    """Wait for its end."""
    assert wait_until(lambda: all_ended(workers), within_s=WITHIN_S, every_s=0.02)
    pool.reap()


def history(folder: Path) -> History:
    """Return what was recorded."""
    merge(folder / "history", folder / "history.jsonl")
    return History.load(folder / "history.jsonl")


def calls(folder: Path) -> list[tuple[str, Any, str]]:
    """Return the calls that were recorded."""
    found = history(folder)
    operations = [found.operation(row) for row in range(len(found))]
    return [(call.f, call.value, call.outcome) for call in operations]


def test_a_script_of_bash_is_a_client(pool: Workers, tmp_path: Path) -> None:
    """Its calls, their outcomes and its session stand in the history as those of any client."""
    script = QUEUE + "put 1; put 2; put 3; while true; do take; done"
    workers = start(pool, script)
    pool.puts_over()
    finish(pool, workers)
    assert calls(tmp_path) == [
        ("put", 1, "ok"), ("put", 2, "ok"), ("put", 3, "ok"),
        ("take", 1, "ok"), ("take", 2, "ok"), ("take", 3, "ok"), ("take", None, "ok"),
    ]  # fmt: skip
    found = history(tmp_path)
    (end,) = [note.value for note in found.notes_named("session-end")]
    assert (end["session"], end["why"]) == ("s1", "closed")
    assert found.n.tolist()[3:] == [1, 1, 1, 1]
    assert pool._progress.counts() == {
        "invoked": 7, "acknowledged": 3, "delivered": 3, "empty": 1,
    }  # fmt: skip


def test_python_is_the_one_that_runs_the_harness(pool: Workers, tmp_path: Path) -> None:
    """So a scenario's program finds what is installed here, whatever the shell's `python3` is."""
    script = "import kazoo, sys; open('seen', 'w').write(sys.executable)"
    finish(pool, start(pool, "", command=["{python}", "-c", script]))
    assert (tmp_path / "seen").read_text() == sys.executable
    entry = '{command: ["{python}", "-c", "pass"]}'
    file = tmp_path / "m.yaml"
    file.write_text(f"description: d\nworkload:\n  - exec: {entry}\n")
    loading.require_runnable(loading.load(file))


def test_placeholders_are_replaced_and_nothing_is_expanded(pool: Workers, tmp_path: Path) -> None:
    """A command gets the connect string and its share; no shell reads its words."""
    words = ["bash", "-c", 'printf "%s " "$@" > seen', "x"]
    words += ["{hosts}{path}", "{number}/{clients}", "{first}+{count}", "{session_timeout_ms}"]
    words += ["{deadline_ms}", "$HOME;`id`", "{Other}"]
    finish(pool, start(pool, "", command=words, first=7, clients=1))
    assert (tmp_path / "seen").read_text() == "h:1,h:2/queue 0/1 7+3 4000 100 $HOME;`id` {Other} "


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo hello", "line 1 of its output: expected an event such as {"),
        (PUT + "read go; echo 'no {json'", "line 2 of its output: expected an event such as {"),
        ("printf '\\xff\\xfe\\n'", "line 1 of its output: expected an event such as {"),
        ("""echo '{"type":"invoke","f":"put","valeu":1}'""", "unknown field `valeu`"),
        ("""echo '{"type":"invoke","f":"enqueue","value":1}'""", "Invalid enum value 'enqueue'"),
        ("""echo '{"type":"ok","f":"put","value":1}'""", "which has nothing in progress, got ok"),
        (TWICE + "invoke | cat; sleep 9", ("line 2 of its output: expected nothing between the "
         "invoke of line 1 and its `go`, got invoke")),
        (PUT + "read go; " + PUT + "sleep 9", ("expected the outcome of the put of process 0, got "
         "another invoke")),
        (TWICE + "ok | cat; sleep 9", ("line 2 of its output: expected "
         "nothing between the invoke of line 1 and its `go`, got ok")),
        (PUT + """read go; echo '{"type":"ok","f":"put","value":2}'""", ("expected the value of "
         "its invoke, got 2")),
        ("""echo '{"type":"invoke","f":"put","value":4}'""", ("expected to put each value of 1..3"
         " (`first` and `count`) once, got 4")),
        ("""echo '{"type":"invoke","f":"done"}'""", "expected the `value` of what to done"),
        (("""echo '{"type":"invoke","f":"take"}'; read go; """
         """echo '{"type":"ok","f":"take","value":[1,2]}'"""), "expected at most the `n` of its"),
        ("""echo '{"type":"ok","f":"session-end"}'""", "expected session-end as info"),
        (PUT + "read go; echo broken pipe >&2; exit 3", ("expected status 0, got status 3; the "
         "last of its standard error: 'broken pipe'")),
        (PUT + "read go; kill -9 $$", "expected status 0, got signal 9"),
        (PUT + "read go; sleep 1000", ("expected a line within 5.1 s, got none (put of process 0 "
         "in progress)")),
        ("yes | tr -d '\\n'", "expected lines of at most 65536 bytes, got b'yyyy"),
        ("echo", "line 1 of its output: expected an event such as {"),
        ("exec >&-; while echo noise >&2; do :; done", "expected a line within 5.1 s"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_command_is_one_error(
    pool: Workers, tmp_path: Path, script: str, told: str
) -> None:
    """The error has file, line and key; what was in progress is unknown; no process is left."""
    (worker,) = start(pool, script)
    with pytest.raises(WorkerError) as error:
        finish(pool, [worker])
    text = str(error.value)
    assert text.startswith("worker 00-exec: exit 1: m.yaml:4: workload[0].exec: ")
    assert told in text
    assert not process_group.members(worker.process.pid)
    assert {outcome for _, _, outcome in calls(tmp_path)} <= {"info"}


def test_a_command_that_puts_without_count_is_told_the_key(pool: Workers) -> None:
    """Consumers are told when the puts are over, so the harness must know who puts."""
    with pytest.raises(WorkerError, match="expected `count` beside `command`"):
        finish(pool, start(pool, PUT + "read go", count=None))


def test_standard_error_fills_no_disk(pool: Workers, tmp_path: Path) -> None:
    """Of what a command writes there the first megabyte is kept, and its calls go on."""
    script = QUEUE + "head -c 3000000 /dev/zero | tr '\\0' x >&2; put 1; echo last words >&2"
    finish(pool, start(pool, script))
    assert calls(tmp_path) == [("put", 1, "ok")]
    (log,) = (tmp_path / "logs").glob("*.log")
    assert MAX_LOG_BYTES < log.stat().st_size < MAX_LOG_BYTES + 1000
    assert log.read_text().rstrip().endswith("(more of it is not kept)")


def test_what_a_command_leaves_behind_is_ended(pool: Workers) -> None:
    """Processes in the background, which hold its output open, hold up nothing, and are ended."""
    (worker,) = start(pool, "sleep 1000 & (trap '' TERM; sleep 1000) & exit 0")
    finish(pool, [worker])
    assert not process_group.members(worker.process.pid)


def test_stopping_ends_the_command_too(pool: Workers, tmp_path: Path) -> None:
    """A run that ends, by whatever, ends the whole group; the call in progress is unknown."""
    (worker,) = start(pool, PUT + "read go; touch began; sleep 1000")
    assert wait_until((tmp_path / "began").exists, within_s=WITHIN_S, every_s=0.02)
    assert len(process_group.members(worker.process.pid)) >= 2
    pool.stop()
    assert wait_until(
        lambda: not process_group.members(worker.process.pid), within_s=WITHIN_S, every_s=0.02
    )
    assert calls(tmp_path) == [("put", 1, "info")]


CALLERS = """
printf '{"type":"invoke","f":"put","value":1,"process":0}\\n'; read go
printf '{"type":"ok","f":"put","value":1,"process":0,"session":"a"}\\n'
printf '{"type":"invoke","f":"put","value":2,"process":1}\\n'; read go
printf '{"type":"ok","f":"put","value":2,"process":1,"session":"b"}\\n'
touch began; sleep 1000
"""


def test_faults_of_clients_hit_the_command(pool: Workers, tmp_path: Path) -> None:
    """A frozen client is frozen with all its processes; a killed one leaves each session's end."""
    (worker,) = start(pool, CALLERS)
    assert wait_until((tmp_path / "began").exists, within_s=WITHIN_S, every_s=0.02)
    clients = RunningClients(pool)
    assert clients.pause(0)["state"] == "T"
    assert set(process_group.members(worker.process.pid).values()) == {"T"}
    assert clients.resume(0)["state"] != "T"
    assert clients.crash(0)["exit_code"] == -9
    pool.reap()
    found = history(tmp_path)
    ends = {note.value["session"]: note.value["why"] for note in found.notes_named("session-end")}
    assert ends == {"a": "killed", "b": "killed"}
    assert len(set(found.process.tolist())) == 2


def test_after_an_unknown_outcome_the_caller_is_another_process(
    pool: Workers, tmp_path: Path
) -> None:
    """The session that may or may not have done it is over, as any client's."""
    script = (
        PUT
        + """read go; echo '{"type":"info","f":"put","error":"lost"}'
    printf '{"type":"invoke","f":"put","value":2}\\n'; read go; echo '{"type":"fail","f":"put"}'
    printf '{"type":"info","f":"session-end"}\\n'
    printf '{"type":"invoke","f":"put","value":3}\\n'; read go; echo '{"type":"ok","f":"put"}'"""
    )
    finish(pool, start(pool, script))
    assert calls(tmp_path) == [("put", 1, "info"), ("put", 2, "fail"), ("put", 3, "ok")]
    found = history(tmp_path)
    assert found.processes == [0, 1000, 2000]
    whys = [note.value["why"] for note in found.notes_named("session-end")]
    assert whys == ["in-doubt", "expired", "closed"]


@pytest.mark.parametrize(
    ("script", "complete", "why"),
    [
        (QUEUE + "while true; do take; done", True, None),
        ("echo no quorum >&2; exit 1", False, "its command ended with status 1: 'no quorum'"),
    ],
)
def test_a_drain_by_command_is_complete_with_status_0(
    pool: Workers, tmp_path: Path, script: str, complete: object, why: str | None
) -> None:
    """Any other status says that the queue may not be empty, which makes no run valid."""
    finish(pool, pool.start_kind("exec-drain", {"command": ["bash", "-c", script]}))
    begin, end = (note.value for note in history(tmp_path).notes_named("drain"))
    assert begin == {"phase": "begin"}
    assert (end["complete"], end.get("why")) == (complete, why)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("{command: [nope]}", "3: workload[0].exec.command: expected a command that can be run in"),
        ("{command: [./no.sh]}", "3: workload[0].exec.command: expected a command that can be run"),
        ("{command: [sh, '{host}']}", ("3: workload[0].exec.command: expected one of {hosts}, "
         "{gateway}, {path}, {number}, {clients}, {first}, {count}, {session_timeout_ms}, "
         "{deadline_ms}, {python}, got {host}")),
        ("{command: [sh], drain: ['{x}']}", "3: workload[0].exec.drain: expected one of {hosts}"),
        ("{command: [sh, '{gateway}']}", ("3: workload[0].exec.command: expected `transport: rest` "
         "beside {gateway}, got none")),
        ("{command: []}", "3: workload[0].exec.command: expected"),
        ("{command: sh}", "3: workload[0].exec.command: expected a valid array, got 'sh'"),
        ("{command: [sh], history: file}", "3: workload[0].exec.history: expected 'stdout'"),
        ("{command: [sh], drain: [sh]}\n  - exec: {command: [sh], drain: [sh]}",
         "4: workload[1].exec.drain: expected one drain in a scenario, got a second"),
    ],
)  # fmt: skip
def test_what_cannot_be_run_is_refused_before_a_run(tmp_path: Path, entry: str, told: str) -> None:
    """The error has file, line and key."""
    file = tmp_path / "m.yaml"
    file.write_text(f"description: d\nworkload:\n  - exec: {entry}\n")
    with pytest.raises(ScenarioError) as error:
        loading.require_runnable(loading.load(file))
    assert f"{file}:{told}" in str(error.value)
