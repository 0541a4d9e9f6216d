"""Fuzzing against oracles instead of quorums: a planted bug is found, shrunk, and told once."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from harness.campaign import code_identity
from harness.campaign.line_file import StoreError
from harness.common.harness_errors import RunError, ScenarioError, UnmetError
from harness.search import fuzz, fuzzing, shrink
from harness.search.fuzzing import BrokenError, Fuzzing, here, open_lines
from harness.search.shrink import Data

pytestmark = pytest.mark.medium

SEED = 1


def entries(data: Data) -> list[Data]:
    """Return all faults of a scenario."""
    return [entry for phase in data["phases"] for entry in phase.get("faults", [])]


def in_force(data: Data) -> list[Data]:
    """Return the faults of results: all of a scenario, in force for ever."""
    drawable = set(fuzz.drawable())
    kinds = [key for entry in entries(data) for key in entry if key in drawable]
    return [{"fault": kind, "outcome": "installed", "heal_ns": None} for kind in kinds]


def judged(data: Data, *, wrong: bool) -> Data:
    """Return the results of a scenario, that lost an item if something was wrong."""
    lost = {
        "name": "total-queue",
        "verdict": "invalid",
        "reasons": ["lost"],
        "witnesses": [{"operations": [{"invoke_ns": 1}]}],
    }
    return {
        "scenario": "x",
        "because": None,
        "verdict": "invalid" if wrong else "valid",
        "checks": [lost] if wrong else [],
        "faults": in_force(data),
    }


def wipes(data: Data) -> bool:
    """The planted bug: a wiped server loses an item."""
    return any(entry.get("kill", {}).get("wipe") for entry in entries(data))


class Planted:
    """A quorum of which an oracle says when it loses items; counts what it is asked."""

    def __init__(self, folder: Path, *, bug: Any = wipes) -> None:
        self.bug, self.judged, self.reduced = bug, 0, 0
        self.said: list[str] = []
        self.fuzzing = Fuzzing(
            lines=open_lines(folder),
            draw=lambda number: fuzz.generate(SEED, number),
            place=here(self.judge),
            reduce=self.reduce,
            say=self.said.append,
        )

    def judge(self, number: int, data: Data) -> Data:
        """Run a scenario."""
        self.judged += 1
        return judged(data, wrong=self.bug(data))

    def reduce(self, data: Data, _: Any) -> tuple[Data, Data]:
        """Shrink it."""
        self.reduced += 1
        smaller = shrink.minimize(data, self.bug)
        return smaller, judged(smaller, wrong=True)

    def run(self, times: int) -> None:
        """Go on for so many scenarios."""
        until = self.fuzzing.verdicts.total() + times
        self.fuzzing.run_while(lambda: self.fuzzing.verdicts.total() < until)

    def close(self) -> None:
        """End, as the command does."""
        self.fuzzing.lines.close()


def test_a_planted_bug_is_found_shrunk_and_told_once(tmp_path: Path) -> None:
    """Many scenarios fail of it; it is shrunk once, to one fault, in a file that says so."""
    planted = Planted(tmp_path)
    planted.run(60)
    (found,) = planted.fuzzing.found
    assert found.times == sum(wipes(fuzz.generate(SEED, number)) for number in range(60)) > 2
    assert planted.reduced == 1
    text = (tmp_path / found.file).read_text()
    assert text.startswith("# Drawn by `harness fuzz`")
    smallest = fuzzing.finding.yaml.safe_load(text)
    (entry,) = entries(smallest)
    assert entry["kill"]["wipe"] is True
    assert found.failure.faults == {"kill"}
    assert "1 valid" not in planted.fuzzing.tally()


def test_nothing_wrong_is_nothing_found(tmp_path: Path) -> None:
    """A sound queue leaves a line for each scenario, and no cause."""
    planted = Planted(tmp_path, bug=lambda _: False)
    planted.run(10)
    assert planted.fuzzing.found == []
    assert planted.fuzzing.tally() == "10 valid"
    assert len((tmp_path / "fuzz.jsonl").read_text().splitlines()) == 10


def test_an_unknown_run_says_why(tmp_path: Path) -> None:
    """A run that shows too little is no pass, and its line says what was missing."""
    planted = Planted(tmp_path)
    doubt = {"name": "faults-bit", "verdict": "unknown", "reasons": ["faults-did-not-bite"]}
    told = {"verdict": "unknown", "because": None, "checks": [doubt], "faults": []}
    planted.fuzzing.place = here(lambda *_: told)
    planted.run(1)
    assert planted.said[-1].endswith(": unknown (faults-did-not-bite)")
    assert planted.fuzzing.tally() == "1 unknown"


def test_it_goes_on_from_where_it_was(tmp_path: Path) -> None:
    """A second one repeats nothing, and knows the causes that the first one found."""
    first = Planted(tmp_path)
    first.run(30)
    first.close()
    second = Planted(tmp_path)
    second.fuzzing.resume()
    assert second.fuzzing.verdicts == first.fuzzing.verdicts
    assert second.fuzzing.found == first.fuzzing.found
    second.run(30)
    assert second.judged == 30
    assert second.reduced == 0
    whole = Planted(tmp_path / "whole")
    whole.run(60)
    assert second.fuzzing.tally() == whole.fuzzing.tally()


def test_what_does_not_show_again_is_no_cause(tmp_path: Path) -> None:
    """A failure that its own scenario does not repeat is noted, without a finding."""
    planted = Planted(tmp_path)
    planted.fuzzing.reduce = lambda _, __: None
    planted.run(40)
    assert planted.fuzzing.found == []
    notes = [json.loads(line) for line in (tmp_path / "fuzz.jsonl").read_text().splitlines()]
    failed = [note for note in notes if note["verdict"] == "invalid"]
    assert failed
    assert all(note["cause"] is None for note in failed)


def test_two_bugs_are_two_causes(tmp_path: Path) -> None:
    """Causes that need different faults are told apart."""

    def bug(data: Data) -> bool:
        return wipes(data) or any("isolate" in entry for entry in entries(data))

    planted = Planted(tmp_path, bug=bug)
    planted.run(60)
    assert {tuple(one.failure.faults) for one in planted.fuzzing.found} == {
        ("kill",),
        ("isolate",),
    }


def test_a_run_without_a_verdict_is_noted_and_three_in_a_row_end_it(tmp_path: Path) -> None:
    """One that breaks says nothing; when nothing works any more it is not for the scenarios."""
    planted = Planted(tmp_path)
    outcomes = iter(["no", "yes", "unmet", "no", "no", "no"])

    def judge(_: int, data: Data) -> Data:
        match next(outcomes):
            case "no":
                raise RunError("the engine went away\nWATCHER::\n\nConnectionLoss\n")
            case "unmet":
                raise UnmetError("requires netem")
            case _:
                return judged(data, wrong=False)

    planted.fuzzing.place = here(judge)
    with pytest.raises(BrokenError, match=r"3 runs in a row .* the engine went away"):
        planted.run(10)
    assert planted.fuzzing.tally() == "1 valid, 1 skipped, 4 broken"
    assert planted.said[0].endswith("no verdict: the engine went away ... ConnectionLoss")


def test_a_run_that_broke_off_is_tried_again(tmp_path: Path) -> None:
    """It says nothing of its scenario, so the next command does not take it for judged."""
    first, works = Planted(tmp_path, bug=lambda _: False), iter([True, False, True])

    def judge(_: int, data: Data) -> Data:
        if not next(works):
            raise RunError("the engine went away")
        return judged(data, wrong=False)

    first.fuzzing.place = here(judge)
    first.run(3)
    assert first.fuzzing.tally() == "2 valid, 1 broken"
    first.close()
    second = Planted(tmp_path, bug=lambda _: False)
    second.fuzzing.resume()
    assert second.said == ["2 were judged before: 2 valid; going on with number 1"]
    second.run(2)
    assert second.fuzzing.judged == {0, 1, 2, 3}
    assert second.fuzzing.tally() == "4 valid"
    second.close()
    third = Planted(tmp_path)
    third.fuzzing.resume()
    assert third.fuzzing.tally() == "4 valid"


def test_what_a_kill_cut_off_is_judged_again(tmp_path: Path) -> None:
    """Half a line stands for nothing, and a line that is none of ours hides no other."""
    first = Planted(tmp_path)
    first.run(30)
    first.close()
    path = tmp_path / "fuzz.jsonl"
    whole = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*whole[:-1], b"[1]\n\xff\n", whole[-1][:9]]))
    second = Planted(tmp_path)
    second.fuzzing.resume()
    assert second.said[0].endswith("fuzz.jsonl: 2 lines are none of ours, and left out")
    second.run(1)
    assert second.fuzzing.found == first.fuzzing.found
    assert second.fuzzing.verdicts == first.fuzzing.verdicts


def test_two_commands_with_one_seed_do_not_mix(tmp_path: Path) -> None:
    """The second one is refused while the first works, and says what to do."""
    first = Planted(tmp_path)
    with pytest.raises(ScenarioError, match=r"another process draws; choose another --seed"):
        Planted(tmp_path)
    first.close()
    Planted(tmp_path)


def test_a_folder_that_does_not_take_the_lines(tmp_path: Path) -> None:
    """It is an error of ours before anything is run."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="expected to keep an outcome here"):
        open_lines(tmp_path / "file" / "7")


def test_what_other_code_judged_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts all the same; that it may come out otherwise today is for the reader to know."""

    def go_on(code: str, times: int) -> list[str]:
        monkeypatch.setattr(code_identity, "digest", lambda: code)
        with closing(open_lines(tmp_path)) as lines:
            planted = Planted(tmp_path / code, bug=lambda _: False)
            planted.close()
            planted.fuzzing.lines = lines
            planted.fuzzing.resume()
            planted.run(times)
        return planted.said[:-times]

    assert go_on("old", 3) == []
    assert len(go_on("old", 1)) == 1
    (before, told) = go_on("new", 2)
    assert before == "4 were judged before: 4 valid; going on with number 4"
    assert told.startswith("4 of them by other code")
    assert go_on("new", 1)[1].startswith("4 of them by other code")
