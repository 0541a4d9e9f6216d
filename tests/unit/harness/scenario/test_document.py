"""A YAML file that knows the line of each of its keys."""

from pathlib import Path

from harness.scenario import yaml_document


def test_lines_of_keys_and_elements(tmp_path: Path) -> None:
    """Every key and list element has its own line, from 1."""
    path = tmp_path / "x.yaml"
    path.write_text("a: 1\nb:\n  - c: {d: 2}\n  - 3\n")
    loaded = yaml_document.load(path)
    assert loaded.data == {"a": 1, "b": [{"c": {"d": 2}}, 3]}
    assert loaded.lines == {
        ("a",): 1,
        ("b",): 2,
        ("b", 0): 3,
        ("b", 0, "c"): 3,
        ("b", 0, "c", "d"): 3,
        ("b", 1): 4,
    }


def test_an_unknown_place_takes_the_line_above(tmp_path: Path) -> None:
    """A key that is missing is complained of at the line of what should hold it."""
    path = tmp_path / "x.yaml"
    path.write_text("a: 1\nb:\n  c: 2\n")
    error = yaml_document.load(path).error(("b", "d", "e"), "expected it, got none")
    assert str(error) == f"{path}:2: b.d.e: expected it, got none"


def test_the_root_is_line_one(tmp_path: Path) -> None:
    """A complaint of the whole file has no key."""
    path = tmp_path / "x.yaml"
    path.write_text("# first\na: 1\n")
    assert str(yaml_document.load(path).error((), "bad")) == f"{path}:1: bad"


def test_an_alias_is_what_it_stands_for(tmp_path: Path) -> None:
    """Anchors and aliases load, and errors name the place that used the alias."""
    path = tmp_path / "x.yaml"
    path.write_text("a: &x {k: 1}\nb: *x\n")
    loaded = yaml_document.load(path)
    assert loaded.data == {"a": {"k": 1}, "b": {"k": 1}}
    assert loaded.lines["b",] == 2


def test_dotted_is_how_a_person_writes_it() -> None:
    """Names are joined by dots, numbers stand in brackets."""
    assert yaml_document.dotted(("faults", 1, "kill", "target")) == "faults[1].kill.target"
    assert yaml_document.dotted((0, "a")) == "[0].a"
    assert yaml_document.dotted(()) == ""
