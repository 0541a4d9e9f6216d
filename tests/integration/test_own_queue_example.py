"""The examples of docs/your-own-queue.md, as they stand there, on a real quorum."""

import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from harness.common.polling import wait_until
from worlds import pages
from worlds.command_line import harness

NAIVE, RIGHT = pages.naive_queue(), pages.right_queue()
CLIENT = pages.blocks("your-own-queue.md", "python")[2]
PUT = '    zk.create(f"{root}/item-", str(value).encode(), sequence=True)\n'
LYING = CLIENT.replace(PUT, f"    if value % 50:\n    {PUT}")
SCENARIO, EXEC = pages.blocks("your-own-queue.md", "yaml")
MOST_LINES = 30
# What the machine must not decide: how many puts are acknowledged.
PATIENT = "session_timeout_s: 40\ndeadline_s: 60\n"


def test_the_lie_is_in_the_program() -> None:
    """The control differs from the honest program."""
    assert LYING != CLIENT


def test_the_example_is_short() -> None:
    """It takes no more than thirty lines to put a queue of one's own to the test."""
    assert len([line for line in NAIVE.splitlines() if line]) <= MOST_LINES


@pytest.mark.docker
@pytest.mark.parametrize(
    ("queue", "verdict", "reasons"),
    [(NAIVE, "invalid", {"duplicated"}), (RIGHT, "valid", set())],
    ids=["naive", "right"],
)
def test_the_naive_queue_is_guilty_and_the_right_one_is_not(
    tmp_path: Path, queue: str, verdict: str, reasons: set[str]
) -> None:
    """Consumers of the naive queue get items twice, and of the right one never."""
    (tmp_path / "naive_queue.py").write_text(queue)
    scenario = tmp_path / "naive.yaml"
    scenario.write_text(SCENARIO + PATIENT)
    found = ran(scenario, tmp_path)
    assert found["verdict"] == verdict
    assert reasons_of(found, "total-queue") == reasons
    assert found["counts"]["acknowledged"] == 200


@pytest.mark.docker
@pytest.mark.parametrize(
    ("program", "verdict", "reasons"),
    [(CLIENT, "valid", set()), (LYING, "invalid", {"lost"})],
    ids=["honest", "lying"],
)
def test_a_program_of_its_own_is_judged_as_any_client(
    tmp_path: Path, program: str, verdict: str, reasons: set[str]
) -> None:
    """A command that tells its calls is valid, and one that acknowledges what it drops is not."""
    (tmp_path / "client.py").write_text(program)
    scenario = tmp_path / "exec.yaml"
    scenario.write_text(EXEC.replace("python3", sys.executable) + PATIENT)  # it has kazoo
    found = ran(scenario, tmp_path)
    assert found["verdict"] == verdict
    assert reasons_of(found, "total-queue") == reasons
    assert found["counts"]["acknowledged"] >= 190


# A queue of znodes in bash and curl, which knows ZooKeeper only through the gateway.
BASH = """\
queue=$1/znodes/v1/bash-queue
http() { curl -s -o "$body" -w '%{http_code}' -H 'Content-Type: application/octet-stream' "$@"; }
call() { printf '%s\\n' "$1"; read -r go; }
tell() { printf '{"type":"%s","f":"%s","value":%s}\\n' "$1" "$2" "$3"; }
put() {
  call '{"type":"invoke","f":"put","value":'"$1"'}'
  case $(http -X POST "$queue?name=item-&sequence=true" --data-binary "$1") in
    201) tell ok put "$1";;
    *) tell info put "$1";;
  esac
}
take() {
  call '{"type":"invoke","f":"take"}'
  http "$queue?view=children" > /dev/null
  for name in $(grep -o 'item-[0-9]*' "$body" | sort -u); do
    [ "$(http -H 'Accept: application/octet-stream' "$queue/$name")" = 200 ] || continue
    value=$(cat "$body")
    if [ "$(http -X DELETE "$queue/$name")" = 204 ]; then tell ok take "$value"; return; fi
  done
  tell ok take null
  case $go in *'"puts_over":true'*) rm "$body"; exit;; esac
}
body=$(mktemp)
http -X POST "$1/znodes/v1/?name=bash-queue" > /dev/null
if [ "$2" = put ]; then
  for value in $(seq "$3" "$4"); do put "$value"; done
else
  while true; do take; done
fi
"""
OF_BASH = """
description: A queue in bash, over HTTP.
cluster: {nodes: 3}
transport: rest
claim: unordered
workload:
  - exec: {command: [bash, queue.sh, "{gateway}", put, "1", "40"], count: 40}
  - exec:
      command: [bash, queue.sh, "{gateway}", take]
      clients: 2
      drain: [bash, queue.sh, "{gateway}", take]
"""


@pytest.mark.docker
@pytest.mark.parametrize(
    ("script", "verdict", "reasons"),
    [(BASH, "valid", set()), (BASH.replace(" = 204 ]", " ]"), "invalid", {"duplicated"})],
    ids=["honest", "careless"],
)
def test_a_queue_in_bash_is_judged_as_any_other(
    tmp_path: Path, script: str, verdict: str, reasons: set[str]
) -> None:
    """No line of Python is needed: one that looks at its answers is valid, one that does not is
    found to give items twice.
    """
    (tmp_path / "queue.sh").write_text(script)
    (tmp_path / "bash.yaml").write_text(OF_BASH)
    found = ran(tmp_path / "bash.yaml", tmp_path)
    assert found["verdict"] == verdict
    assert reasons_of(found, "total-queue") == reasons
    assert found["counts"]["acknowledged"] == 40


BROKEN = NAIVE.replace("return Applied()", "return value")
GARBAGE = EXEC.replace("python3, client.py,", "echo,")


@pytest.mark.docker
@pytest.mark.parametrize(
    ("scenario", "queue", "told"),
    [
        (SCENARIO, BROKEN, "2: subject: naive_queue:NaiveQueue: put: expected an object of class"),
        # Whichever of the two is read first.
        (
            GARBAGE,
            NAIVE,
            r"[45]: workload.*exec: line 1 of its output: expected an event such as",
        ),
    ],
    ids=["subject", "command"],
)
def test_what_breaks_the_protocol_is_one_error_and_leaves_nothing(
    tmp_path: Path, scenario: str, queue: str, told: str
) -> None:
    """The run ends with 255 and file, line and key; its processes have ended."""
    (tmp_path / "naive_queue.py").write_text(queue)
    file = tmp_path / "bad.yaml"
    file.write_text(scenario)
    done = harness("run", str(file), "--runs", str(tmp_path / "runs"), within_s=300)
    assert done.returncode == 255, done.stdout + done.stderr
    assert re.search(f"{re.escape(str(file))}:{told}", done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert (
        wait_until(
            lambda: [pid for pid, words in processes() if str(tmp_path) in words],
            lambda pids: not pids,
            within_s=60,
            every_s=0.1,
        )
        == []
    )


def processes() -> Iterator[tuple[int, str]]:
    """Give pid, and the command line and environment, of each process but this one."""
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            if int(entry.name) != os.getpid():
                yield int(entry.name), words.decode(errors="replace")


def ran(scenario: Path, folder: Path) -> dict[str, Any]:
    """Run a scenario to its verdict, whatever it is; return its results."""
    done = harness("run", str(scenario), "--runs", str(folder / "runs"), within_s=300)
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    found: dict[str, Any] = json.loads((folder / "runs/latest/results.json").read_text())
    return found


def reasons_of(results: dict[str, Any], name: str) -> set[str]:
    """Return the reasons of one check."""
    return {r for check in results["checks"] if check["name"] == name for r in check["reasons"]}
