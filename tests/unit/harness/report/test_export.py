"""`harness export`: what other people's checkers get to read."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.claim import Claim
from harness.commands import harness_command
from harness.history.columns import History
from harness.judge import judge
from harness.report import export
from worlds.histories import edn
from worlds.histories.by_hand import ended, events, history, op, queue_run
from worlds.histories.random import Mix, as_history, simulate

SEEDS = range(200)
JEPSEN_F = {":enqueue": "put", ":dequeue": "take"}


def jepsen(given: History) -> list[dict[str, Any]]:
    """Return the operation maps of the EDN."""
    maps: list[dict[str, Any]] = edn.read("\n".join(export.written(given, "jepsen")))
    return maps


def porcupine(given: History) -> list[dict[str, Any]]:
    """Return the operations of the JSON lines."""
    return [json.loads(line) for line in export.written(given, "porcupine")]


def read_back(maps: Iterable[Mapping[str, Any]]) -> History:
    """Return the history that a Jepsen history says, in our words."""
    lines = []
    for line in maps:
        kind = "ok" if line.get(":error") == ":empty" else line[":type"][1:]
        lines.append(
            {
                "time_ns": line[":time"],
                "process": line[":process"],
                "type": kind,
                "f": JEPSEN_F[line[":f"]],
                "value": line[":value"],
            }
        )
    return History.from_events(lines)


def rows(given: History) -> list[tuple[Any, ...]]:
    """Return what a history says of each call, whoever made it."""
    operations = [given.operation(row) for row in range(len(given))]
    return sorted(
        (o.f, repr(o.value), o.outcome, o.invoke_ns, o.complete_ns or -1) for o in operations
    )


def overlapping(maps: Iterable[Mapping[str, Any]]) -> list[Any]:
    """Return the processes that begin a call before their last one is over."""
    busy, found = set(), []
    for line in maps:
        if line[":type"] == ":invoke":
            found += [line[":process"]] * (line[":process"] in busy)
            busy.add(line[":process"])
        else:
            busy.remove(line[":process"])
    return found


def test_a_put_and_its_delivery_are_an_enqueue_and_a_dequeue() -> None:
    """Jepsen reads what a producer put and a consumer got, done left out."""
    given = history(op("put", 7, 10, 15), op("reserve", 7, 20, 25, process=1))
    assert list(export.written(given, "jepsen")) == [
        "{:index 0, :time 10, :process 0, :type :invoke, :f :enqueue, :value 7, :priority 100}",
        "{:index 1, :time 15, :process 0, :type :ok, :f :enqueue, :value 7, :priority 100}",
        "{:index 2, :time 20, :process 1, :type :invoke, :f :dequeue, :value nil}",
        "{:index 3, :time 25, :process 1, :type :ok, :f :dequeue, :value 7}",
    ]


def test_a_dequeue_of_nothing_failed_for_jepsen() -> None:
    """Knossos' queue refuses every dequeue of an empty queue, so it is a fail that says why."""
    last = jepsen(history(op("take", None, 10, 15)))[-1]
    assert (last[":type"], last[":error"], last[":value"]) == (":fail", ":empty", None)


def test_what_touches_overlaps() -> None:
    """A call invoked in the nanosecond in which another returned comes first in the file."""
    given = history(op("put", 1, 10, 20), op("take", 1, 20, 30, process=1))
    assert [(m[":time"], m[":type"]) for m in jepsen(given)[1:3]] == [(20, ":invoke"), (20, ":ok")]


def test_a_call_has_the_fields_of_porcupines_operation() -> None:
    """Go fills `porcupine.Operation` from them, by their names."""
    (put,) = porcupine(history(op("put", 1, 10, 15)))
    assert put == {
        "ClientId": 0,
        "Input": {"f": "enqueue", "value": 1, "priority": 100},
        "Call": 10,
        "Output": {"unknown": False},
        "Return": 15,
    }


def test_an_unknown_outcome_stays_open_for_porcupine() -> None:
    """A call of unknown outcome returns at the end of time and says so."""
    (put,) = porcupine(history(op("put", 1, 10, None)))
    assert put["Return"] == 2**63 - 1
    assert put["Output"] == {"unknown": True}


def test_what_certainly_failed_is_not_porcupines() -> None:
    """Porcupine makes every operation happen, so one that did not is not written."""
    assert porcupine(history(op("put", 1, 10, 15, outcome="fail"))) == []


def test_porcupine_tells_empty_from_unknown() -> None:
    """A dequeue that found nothing has no value and is not unknown."""
    given = history(op("take", None, 10, 15), op("take", None, 20, None, process=1))
    assert [o["Output"] for o in porcupine(given)] == [
        {"unknown": False, "value": None},
        {"unknown": True, "value": None},
    ]


def test_an_item_that_may_come_back_is_left_out_whole() -> None:
    """Neither model knows redelivery: all of such an item's calls go, and only its."""
    given = history(
        op("put", 1, 10, 15),
        op("put", 2, 20, 25),
        op("reserve", 1, 30, 35, process=1),
        op("release", 1, 40, 45, process=1),
        op("reserve", 1, 50, 55, process=1),
        op("reserve", 2, 60, 65, process=2),
        op("done", 2, 70, 75, process=2),
        op("put", 3, 80, 85),
        op("reserve", 3, 90, 95, process=3),
        ended(3, 99),
    )
    assert export.given_back(given) == {1, 3}
    assert {m[":value"] for m in jepsen(given)} == {None, 2}


def test_a_double_delivery_is_not_hidden() -> None:
    """An item that nobody gave back is written as often as it was delivered."""
    given = history(
        op("put", 1, 10, 15), op("take", 1, 20, 25, process=1), op("take", 1, 30, 35, process=2)
    )
    assert [m[":value"] for m in jepsen(given) if m[":type"] == ":ok"] == [1, 1, 1]


def test_text_is_read_as_it_was() -> None:
    """Quotes, backslashes and what lies beyond ASCII survive EDN."""
    value = 'a "b" \\ ä,{}'
    assert jepsen(history(op("put", value, 10, 15)))[0][":value"] == value


def test_a_batch_is_calls_of_several_processes() -> None:
    """Each item of a batch is an operation of its own, and no process has two at a time."""
    maps = jepsen(history(op("put", [1, 2, 3], 10, 15), op("put", 4, 15, 20)))
    assert [m[":value"] for m in maps if m[":type"] == ":ok"] == [1, 2, 3, 4]
    assert overlapping(maps) == []


@pytest.mark.parametrize("form", ["jepsen", "porcupine"])
def test_an_empty_history_is_an_empty_file(form: export.Form) -> None:
    """Nothing happened, nothing is written."""
    assert list(export.written(history(), form)) == []


def test_what_is_written_reads_back() -> None:
    """Random runs of takes, read back from EDN, are the same calls, one at a time a process."""
    mix = Mix(take=True, unknown_put=0.1, unknown_reserve=0.1)
    for seed in SEEDS:
        given = as_history(simulate(Random(seed), mix))
        maps = jepsen(given)
        assert overlapping(maps) == [], f"seed {seed}"
        # An unknown outcome has no time in the columns, whatever the line says.
        assert rows(read_back(maps)) == rows(given), f"seed {seed}"


def test_leaving_out_accuses_nobody() -> None:
    """A correct queue's run, exported and read back, is a correct queue's run."""
    mix = Mix(release=0.3, crash=0.1)
    for seed in SEEDS:
        given = as_history(simulate(Random(seed), mix))
        again = judge(read_back(jepsen(given)), Claim(level="linearizable"), checkers=["fifo"])
        assert again.verdict.word != "invalid", f"seed {seed}"


def test_a_swap_is_still_a_fault_when_read_back() -> None:
    """An order that is wrong is wrong in the exported history too."""
    again = judge(
        read_back(jepsen(queue_run(5, order=[1, 3, 2, 4, 5]))),
        Claim(level="linearizable"),
        checkers=["fifo"],
    )
    assert again.verdict.word == "invalid"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's folder with a history of one put and one release."""
    given = events(
        op("put", 1, 1, 2),
        op("reserve", 1, 3, 4, process=1),
        op("release", 1, 5, 6, process=1),
        op("put", 2, 7, 8),
    )
    (tmp_path / "scenario.yaml").write_text("description: d\n")
    (tmp_path / "history.jsonl").write_text("".join(json.dumps(e) + "\n" for e in given))
    return tmp_path


def test_the_command_writes_lines_and_counts_what_it_left_out(run: Path) -> None:
    """The history goes to standard output, the remark to standard error."""
    result = CliRunner().invoke(harness_command.app, ["export", str(run), "--format", "jepsen"])
    assert result.exit_code == 0
    assert [m[":value"] for m in edn.read(result.stdout)] == [2, 2]
    assert result.stderr == "harness: left out 1 item that may have come back\n"


def test_an_unknown_form_is_refused(run: Path) -> None:
    """The message names the forms there are."""
    result = CliRunner().invoke(harness_command.app, ["export", str(run), "--format", "elle"])
    assert result.exit_code != 0
    assert all(word in result.stderr for word in ("'elle'", "'jepsen'", "'porcupine'"))


def test_a_damaged_history_is_not_exported(run: Path) -> None:
    """A line that is missing could make a correct queue look wrong elsewhere."""
    path = run / "history.jsonl"
    path.write_text("{]\n" + path.read_text())
    result = CliRunner().invoke(harness_command.app, ["export", str(run), "--format", "jepsen"])
    assert "malformed" in str(result.exception)
