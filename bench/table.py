"""Write the queue's rows of bench/results.json into the table of docs/queue.md."""

import json
from collections.abc import Iterator
from pathlib import Path

RESULTS = Path(__file__).with_name("results.json")
PAGE = Path(__file__).parents[1] / "docs" / "queue.md"
BEGIN, END = "<!-- bench-table -->\n", "<!-- end -->\n"
# Row of the benchmark, what it compares, and the ratio that was the goal.
ROWS = (
    ("put-1", "put, one at a time, against a bare create", 0.9),
    ("put-many-100", "`put_many` of 100, against multis of 100 creates, pipelined", 0.7),
    ("take-1", "reserve, then done, against `get` and `consume`", 1.4),
    ("take-1-fused", "the same in one write", 2),
    ("take-10", "in batches of 10, against `get` and `consume`", 10),
    ("take-100", "of 100", 40),
    ("work-1", "`consume`, against a loop of reserve and done", 0.95),
    ("work-8", "`work` with 8 handlers, against 8 threads with that loop", 0.95),
    ("work-10", "`work` in batches of 10, against a loop with such batches", 0.95),
    ("aio-put", "puts by 200 tasks of an event loop, against 8 threads", 1.0),
    ("aio-take", "reserve and done by 200 tasks, against 8 threads", 1.0),
    ("backlog-1m", "batches of 10 with 1,000,000 waiting, against an empty queue", 0.8),
    ("idle-100", "put with 100 blocked consumers, against none", 0.9),
    ("consumers-8", "what 8 relaxed consumer processes gain over one, against 8 bare clients", 0.9),
)


def table(results: str) -> Iterator[str]:
    """Give the lines of the table; a row that was never measured says so."""
    rows = {row["name"]: row for row in json.loads(results)["rows"]}
    yield "| row | what | ratio | least to most | rounds | goal |"
    yield "|---|---|---|---|---|---|"
    for name, what, goal in ROWS:
        row = rows.get(name)
        if row is None:
            yield f"| `{name}` | {what} | not measured | | | {goal} |"
            continue
        least, most = row["spread"]
        rounds = row.get("rounds", "")
        yield f"| `{name}` | {what} | {row['ratio']} | {least} to {most} | {rounds} | {goal} |"


def written(page: str, results: str) -> str:
    """Return the page with the table of these results in it."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + "\n".join(table(results)) + "\n" + END + after


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(), RESULTS.read_text()))
