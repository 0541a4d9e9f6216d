"""docs/architecture.md names what is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text()
NAMED = sorted(set(re.findall(r"`((?:zkmq|harness|cluster|tests|scenarios)/[\w./-]*)`", PAGE)))
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
