"""The examples of docs/, as they stand there."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str, language: str) -> list[str]:
    """Return a page's blocks in one language, in order."""
    text = (DOCS / page).read_text()
    return [str(block) for block in re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)]


def naive_queue() -> str:
    """Return the queue of docs/your-own-queue.md that gives items twice."""
    return blocks("your-own-queue.md", "python")[0]


def right_queue() -> str:
    """Return the same queue with the page's right `reserve` in the place of its own."""
    text, right = blocks("your-own-queue.md", "python")[:2]
    begin, end = text.index("    def reserve"), text.index("    def close")
    return f"{text[:begin]}{right}\n{text[end:]}"
