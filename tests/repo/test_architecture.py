"""docs/architecture.md names what is there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text()
PATH = r"(?:zkmq|harness|cluster|tests|scenarios)/[\w./-]*"
PICTURE = PAGE.split("```")[1]
NAMED = sorted({*re.findall(rf"`({PATH})`", PAGE), *re.findall(PATH, PICTURE)})
QUESTIONS = re.findall(rf"^\| (.+\?) \| `({PATH})` \| `(\w+)` \|$", PAGE, re.MULTILINE)
ROOMS = sorted(
    str(path.parent.relative_to(ROOT))
    for package in ("zkmq", "harness", "cluster")
    for path in (ROOT / package).rglob("__init__.py")
)


@pytest.mark.parametrize("name", NAMED)
def test_what_the_page_names_is_there(name: str) -> None:
    """Each file and folder of the page exists, and a folder is written with a slash."""
    path = ROOT / name
    assert path.is_dir() if name.endswith("/") else path.is_file(), name


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_is_on_the_page(room: str) -> None:
    """Each package of the product stands on the page, by its path or below its parent's row."""
    parent, _, leaf = room.rpartition("/")
    assert f"`{room}/`" in PAGE or (f"`{parent}/`" in PAGE and f"`{leaf}/`" in PAGE), room


def test_a_newcomer_has_ten_questions() -> None:
    """The page answers ten questions, each with a file of its own."""
    assert len({file for _, file, _ in QUESTIONS}) == 10


@pytest.mark.parametrize(("question", "file", "name"), QUESTIONS, ids=lambda part: part)
def test_the_answers_are_where_the_page_says(question: str, file: str, name: str) -> None:
    """The file that answers a question defines the class or function that the page names."""
    tree = ast.parse((ROOT / file).read_text())
    defined = (ast.ClassDef, ast.FunctionDef)
    names = {node.name for node in ast.walk(tree) if isinstance(node, defined)}
    assert name in names, question
