"""The gallery of planted bugs: each is found, for the reason that it must be found for."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.checkers import checkers
from harness.claim import Claim
from harness.common.verdict import CheckResult, Verdict
from harness.history import columns
from harness.history.columns import History
from harness.judge import judge
from proofs.gallery import CHECKERS, HISTORIES, KINDS, QUEUES, SOUND, Mutant, Planted, main

LEAST = 40
WORD = re.compile(r"[a-z0-9]+([-_ ][a-z0-9]+)*")
FROM_VIOLATIONS = {
    "fencing",
    "fifo",
    "groups",
    "ownership",
    "priority-fifo",
    "producer-order",
    "zxid",
}
ALL = [*QUEUES, *HISTORIES, *CHECKERS]


@pytest.mark.parametrize("planted", ALL, ids=lambda planted: planted.name)
def test_a_planted_bug_is_found_for_its_reason(planted: Planted | Mutant) -> None:
    """The named checker gives the named reason, or the gallery finds the broken checker out."""
    assert planted.reason in planted.reasons()


@pytest.mark.parametrize("planted", [*QUEUES, *HISTORIES], ids=lambda planted: planted.name)
def test_a_reason_that_is_found_can_be_expected(planted: Planted) -> None:
    """What makes a history invalid stands in a checker's `finds`, so `because` may name it."""
    with planted.within():
        judged = planted.judged()
    for result in judged.results:
        if result.verdict is Verdict.INVALID:
            assert checkers[result.name].finds.intersection(result.reasons)


@pytest.mark.parametrize("planted", [*QUEUES, *HISTORIES], ids=lambda planted: planted.name)
def test_what_is_said_of_it_can_be_read(planted: Planted) -> None:
    """Reasons and keys are words, sentences are whole, and each names the values it proves."""
    with planted.within():
        judged = planted.judged()
    for result in judged.results:
        assert result.name in checkers
        assert all(map(WORD.fullmatch, [*result.reasons, *result.details]))
        assert _survives_json(result)
        for witness in result.witnesses:
            assert witness.sentence[0].isupper(), witness.sentence
            assert witness.sentence.endswith("."), witness.sentence
        for witness in result.witnesses if result.verdict is Verdict.INVALID else ():
            assert all(repr(value) in witness.sentence for value in witness.values)
            assert set(witness.values) <= {shown["value"] for shown in witness.operations}


@pytest.mark.parametrize("planted", [*QUEUES, *HISTORIES], ids=lambda planted: planted.name)
def test_all_that_was_found_is_listed_by_kind(planted: Planted) -> None:
    """Each finding counts once under its reason, with a witness or without."""
    for result in planted.judged().results:
        if result.name in FROM_VIOLATIONS and result.verdict is Verdict.INVALID:
            assert {finding.reason for finding in result.findings} <= set(result.reasons)
            counted = sum(finding.count for finding in result.findings)
            assert counted == len(result.witnesses) + result.more_witnesses
            assert all(len(finding.values) <= finding.count for finding in result.findings)


@pytest.mark.parametrize("planted", [*QUEUES, *HISTORIES], ids=lambda planted: planted.name)
def test_no_checker_fails_on_it(planted: Planted) -> None:
    """What a note of a history lacks is unknown to a checker, and no error."""
    failed = [r.details for r in planted.judged().results if "checker-failed" in r.reasons]
    assert failed == []


@pytest.mark.parametrize("made", SOUND.values(), ids=SOUND)
def test_nothing_sound_is_accused(made: Callable[[], History]) -> None:
    """What the bugs were planted in is not invalid by itself."""
    assert judge(made(), Claim(level="linearizable")).verdict is not Verdict.INVALID


def test_the_gallery_is_large_enough() -> None:
    """At least forty bugs, of every kind, no two of one name."""
    assert len(ALL) >= LEAST
    assert all(KINDS.values())
    assert len({planted.name for planted in ALL}) == len(ALL)


def test_a_bug_that_is_not_found_is_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The program names what was not found, and ends with 1."""
    harmless = Planted(
        name="no bug", checker="total-queue", reason="lost", history=SOUND["one after the other"]
    )
    monkeypatch.setattr("proofs.gallery.KINDS", {"history": [harmless, HISTORIES[0]]})
    assert main() == 1
    assert capsys.readouterr().out.splitlines() == [
        "not found: history: no bug: expected lost, got nothing",
        "gallery: found 1 / planted 2",
    ]


def _survives_json(result: CheckResult) -> bool:
    told = msgspec.json.decode(msgspec.json.encode(result.as_json()))
    return bool(told["name"] == result.name and told["details"].keys() == result.details.keys())


@pytest.mark.parametrize("planted", HISTORIES, ids=lambda planted: planted.name)
def test_a_file_is_judged_the_same_when_it_is_scanned(
    planted: Planted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug is found in a file, too, and all that is found in it is found in its columns."""

    def from_file(events: Iterable[Any]) -> History:
        lines = [msgspec.json.encode(event) + b"\n" for event in events]
        (tmp_path / "history.jsonl").write_bytes(b"".join(lines))
        return History.load(tmp_path / "history.jsonl")

    monkeypatch.setattr(History, "from_events", from_file)
    assert planted.reason in planted.reasons()
    decoded = planted.judged()
    monkeypatch.setattr(columns, "SCAN_FROM_BYTES", 0)
    assert planted.judged() == decoded
