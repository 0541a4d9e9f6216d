"""`harness new` writes a scenario that can be run as it is."""

from pathlib import Path

import pytest

from harness.commands import new_command
from harness.common.harness_errors import ScenarioError
from harness.scenario import loading, plan, reference


def test_it_loads_and_plans_what_its_comments_say(tmp_path: Path) -> None:
    """The file is a scenario of two kills, each of a leader."""
    file = tmp_path / "my.yaml"
    new_command.new(file)
    planned = plan.make(loading.load(file))
    assert [one.name for one in planned] == ["kill", "kill"]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A file that is there stays as it is."""
    file = tmp_path / "my.yaml"
    file.write_text("mine")
    with pytest.raises(ScenarioError, match="expected a new file"):
        new_command.new(file)
    assert file.read_text() == "mine"


@pytest.mark.parametrize("name", ["my", "my.txt"])
def test_a_name_that_run_would_not_take_is_refused(name: str, tmp_path: Path) -> None:
    """Only a name that ends like a scenario file is written."""
    with pytest.raises(ScenarioError, match=r"ends with \.yaml"):
        new_command.new(tmp_path / name)


def test_its_comments_are_those_of_the_schema(tmp_path: Path) -> None:
    """What the file says of a key is what `harness explain` says."""
    file = tmp_path / "my.yaml"
    new_command.new(file)
    (seed,) = (key for key in reference.keys(reference.FILE) if key.place == "seed")
    assert f"seed: 7 # {seed.meaning}" in file.read_text()
    assert "<" not in file.read_text()
