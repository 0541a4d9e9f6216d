"""The examples of docs/your-own-queue.md, as they stand there, on a real quorum."""

import json
import re
from pathlib import Path

import pytest

from worlds.command_line import harness

PAGE = (Path(__file__).parents[2] / "docs" / "your-own-queue.md").read_text()
NAIVE, RIGHT = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[:2]
(SCENARIO,) = re.findall(r"```yaml\n(description: Two producers.*?)```", PAGE, re.DOTALL)
MOST_LINES = 30


def mended(text: str) -> str:
    """Return the naive queue with the page's right `reserve` in the place of its own."""
    begin, end = text.index("    def reserve"), text.index("    def close")
    return f"{text[:begin]}{RIGHT}\n{text[end:]}"


def test_the_example_is_short() -> None:
    """It takes no more than thirty lines to put a queue of one's own to the test."""
    assert len([line for line in NAIVE.splitlines() if line]) <= MOST_LINES


@pytest.mark.docker
@pytest.mark.parametrize(
    ("queue", "verdict", "reasons"),
    [(NAIVE, "invalid", {"duplicated"}), (mended(NAIVE), "valid", set())],
    ids=["naive", "right"],
)
def test_the_naive_queue_is_guilty_and_the_right_one_is_not(
    tmp_path: Path, queue: str, verdict: str, reasons: set[str]
) -> None:
    """Consumers of the naive queue get items twice, and of the right one never."""
    (tmp_path / "naive_queue.py").write_text(queue)
    scenario = tmp_path / "naive.yaml"
    scenario.write_text(SCENARIO)
    done = harness("run", str(scenario), "--runs", str(tmp_path / "runs"), within_s=300)
    found = json.loads((tmp_path / "runs/latest/results.json").read_text())
    assert found["verdict"] == verdict, done.stdout + done.stderr
    assert {reason for check in found["checks"] for reason in check["reasons"]} == reasons
    assert found["counts"]["acknowledged"] == 200
