"""Registries: one file adds one entry, and nothing is replaced silently."""

from pathlib import Path

import pytest

from harness.common.harness_errors import ScenarioError
from harness.common.settings.registry import Registry


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make an importable package with a registry and two entries in files of their own."""
    name = f"registered_{tmp_path.name.replace('-', '_')}"
    folder = tmp_path / name
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "from harness.common.settings.registry import Registry\n"
        f"things: Registry[object] = Registry('thing', {name!r})\n"
    )
    for entry in ("beta", "alpha"):
        (folder / f"{entry}.py").write_text(
            f"from {name} import things\n"
            f"@things.register({entry!r})\n"
            f"class Entry:\n"
            f'    """The {entry} entry.\n\n    More of it.\n    """\n'
        )
    monkeypatch.syspath_prepend(tmp_path)
    return name


def registry(package: str) -> "Registry[object]":
    """Import the package's registry."""
    return __import__(package).things  # type: ignore[no-any-return]


def test_files_are_found_without_a_list(package: str) -> None:
    """Every module of the package is loaded at the first look, and names come sorted."""
    things = registry(package)
    assert list(things) == ["alpha", "beta"]
    assert "beta" in things
    assert "gamma" not in things


def test_the_summary_is_the_first_line(package: str) -> None:
    """`harness list` prints the first line of an entry's docstring."""
    assert registry(package).summary("alpha") == "The alpha entry."


def test_an_unknown_name_lists_the_known(package: str) -> None:
    """Looking up a name that is not there says which are."""
    with pytest.raises(ScenarioError, match="thing: expected one of alpha, beta, got 'gamma'"):
        registry(package)["gamma"]


def test_a_name_taken_is_refused(package: str) -> None:
    """Registering a second class under a name is an error, or a test could be replaced by less."""
    things = registry(package)
    assert list(things) == ["alpha", "beta"]
    with pytest.raises(ValueError, match="thing 'alpha' is already"):
        things.register("alpha")(object)


def test_a_broken_file_is_an_error_each_time(package: str, tmp_path: Path) -> None:
    """A file that cannot be imported fails every look-up: fewer entries would be fewer checks."""
    (tmp_path / package / "broken.py").write_text("import no_such_module\n")
    things = registry(package)
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError, match="no_such_module"):
            list(things)
