"""Scenarios are found by a path or by a name, from any folder."""

from pathlib import Path

import pytest

from harness.common.harness_errors import ScenarioError
from harness.scenario import catalogue, loading


def test_a_name_means_the_scenario_of_the_harness(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`seed/leader-kill` is found from a folder that has no scenarios."""
    monkeypatch.chdir(tmp_path)
    found = catalogue.find(Path("seed/leader-kill"))
    assert loading.load(found).title.startswith("Kill the leader")


def test_a_file_that_is_there_comes_before_a_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file called like a scenario of the harness is taken as the file it is."""
    monkeypatch.chdir(tmp_path)
    own = Path("seed/leader-kill")
    own.parent.mkdir()
    own.touch()
    assert catalogue.find(own) == own


@pytest.mark.parametrize("given", ["leader-kill", "no-such-folder/leader-kill", "seed/none"])
def test_what_is_neither_is_refused(given: str) -> None:
    """A word that is no file and no name is told so, with where names come from."""
    with pytest.raises(ScenarioError, match="harness list"):
        catalogue.find(Path(given))


def test_a_missing_file_is_left_to_the_loader() -> None:
    """What ends like a scenario file is a path, also if nothing is there: the loader says so."""
    assert catalogue.find(Path("absent.yaml")) == Path("absent.yaml")


def test_names_are_what_run_takes() -> None:
    """Each name that `harness list` prints leads back to its file."""
    listed = catalogue.names(catalogue.folder())
    assert listed
    assert all(catalogue.find(Path(name)) == path for name, path in listed)


def test_files_of_another_folder_keep_their_paths(tmp_path: Path) -> None:
    """In a folder of the user's own, `harness list --folder` prints paths."""
    (tmp_path / "mine.yml").touch()
    assert catalogue.names(tmp_path) == [(str(tmp_path / "mine.yml"), tmp_path / "mine.yml")]


def test_a_file_is_named_so_that_a_shell_finds_it_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A scenario of the harness by its name, another by its path, in quotes if it needs them."""
    monkeypatch.chdir(tmp_path)
    ours = catalogue.folder() / "seed" / "leader-kill.yaml"
    assert catalogue.find(Path(catalogue.argument(ours))) == ours
    (tmp_path / "my own").mkdir()
    assert catalogue.argument(tmp_path / "my own" / "a.yaml") == "'my own/a.yaml'"
    assert catalogue.argument(Path("a.yaml")) == "a.yaml"
