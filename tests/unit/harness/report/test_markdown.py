"""The summary that CI shows."""

import json
from pathlib import Path

from harness.report import markdown
from worlds.histories.judged_runs import judged, killed, lives


def test_each_run_is_a_row_and_each_surprise_is_told(tmp_path: Path) -> None:
    """A run as expected is one row; another also says what was found and how to run it again."""
    for name in ("good", "bad"):
        (tmp_path / name).mkdir()
    whole = judged(tmp_path / "good", lives(lost=()), came_to_its_end=True)
    good = json.loads(whole.results.read_text())
    hit = judged(tmp_path / "bad", lives(), killed(0, 1, 20, 60))
    bad = json.loads(hit.results.read_text())
    mine = Path("my own/by-hand.yaml")
    text = markdown.summary([(mine, good), (mine, bad)], {"third": "no <engine>"})
    assert text.startswith("## harness: 1 of 3 as expected")
    assert "| by-hand | 7 | valid | valid | 3 | 0 | 0 |" in text
    assert "| by-hand | 7 | **invalid** | valid | 3 | 1 | 1 |" in text
    assert "Item 2 was acknowledged" in text
    assert "- **total-queue** invalid: lost: item 2" in text
    assert "- 0.020 s: kill node 1: installed" in text
    assert "Again: `harness run 'my own/by-hand.yaml' --seed 7`" in text
    assert "| third | | **harness failed** |" in text
    assert "no &lt;engine>" in text


def test_text_is_not_markdown() -> None:
    """What an item or an error says cannot become markup."""
    assert markdown._text("a|b\n*c* <d>") == "a\\|b \\*c\\* &lt;d>"
