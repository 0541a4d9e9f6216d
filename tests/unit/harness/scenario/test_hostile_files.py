"""Files that nobody meant well: each is refused with its place, and none is waited for."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.commands import harness_command
from harness.common.harness_errors import ScenarioError
from harness.scenario import loading, yaml_document

GOOD = "description: d\nworkload: [{put-all: {count: 5}}]\n"
BOMB = "a0: &a0 [x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
MANY = "faults:\n" + "".join(
    f"  - {{name: f{n}, pause: {{target: {{node: 1}}}}, first_s: {n * 0.01:.2f}, for_s: 0.001}}\n"
    for n in range(10_000)
)
CHAIN = "faults:\n  - {name: f0, client-crash: {}, first_s: 1}\n" + "".join(
    f"  - {{name: f{n}, client-crash: {{}}, after: f{n - 1}}}\n" for n in range(1, 10_000)
)

REFUSED = {
    "an-alias-bomb": (BOMB, "x.yaml:6: expected at most 200000 values"),
    "an-alias-of-itself": ("a: &a [*a]\n", "x.yaml:1: expected an alias of something that is over"),
    "deep-nesting": ("[" * 100_000, "x.yaml:1: expected at most 30 levels"),
    "deep-blocks": ("- " * 100_000, "x.yaml:1: expected at most 30 levels"),
    "no-number": (GOOD + "seed: 0x_\n", "x.yaml:3: seed: expected a number of at most 64 bits"),
    "no-number-by-its-tag": (GOOD + "seed: !!int x\n", "x.yaml:3: seed: expected a number"),
    "no-truth-by-its-tag": (GOOD + "seed: !!bool x\n", "x.yaml:3: seed: expected a number"),
    "many-digits": (GOOD + "seed: " + "9" * 5000 + "\n", "x.yaml:3: seed: expected a number"),
    "a-big-number": (GOOD + f"seed: {2**63}\n", "x.yaml:3: seed: expected a number of at most 64"),
    "a-day-that-is-none": (
        "description: 2011-13-45\n",
        "x.yaml:1: description: expected a mapping, a list, text, a number, true, false or null, ",
    ),
    "a-day": ("description: 2011-11-11\n", "got a value of kind 'timestamp'; quote what is text"),
    "a-day-by-its-tag": ("seed: !!timestamp foo\n", "got a value of kind 'timestamp'"),
    "an-object": ("seed: !!python/object:os.system x\n", "got a value of kind 'python/object:os.s"),
    "a-set": ("cluster: !!set {a}\n", "x.yaml:1: cluster: expected a mapping, a list, text,"),
    "a-merge": ("a: &a {b: 1}\n<<: *a\n", "x.yaml:2: expected a word as key, got a value of kind"),
    "a-list-as-key": ("? [a]\n: 1\n", "x.yaml:1: expected a word as key, got a list"),
    "blank-description": ("description: ' '\n", "x.yaml:1: description: expected some text"),
    "control-characters": (
        'description: "\\e[31m"\n',
        "x.yaml:1: description: expected printable text, got '\\x1b' in it",
    ),
    "half-a-character": ('description: "\\ud800"\n', "x.yaml:1: "),
    "a-line-break-in-zoo-cfg": (
        GOOD + 'cluster: {zoo_cfg: {tickTime: "1\\nsnapCount: 2"}}\n',
        "x.yaml:3: cluster.zoo_cfg.tickTime: expected ",
    ),
    "two-documents": (GOOD + "---\n" + GOOD, "x.yaml:3: expected one document"),
    "more-faults-than-a-plan-holds": (
        GOOD + MANY + "  - {client-crash: {}, first_s: 1}\n",
        "x.yaml:3: faults: expected List should have at most 10000 items",
    ),
    "a-pattern-too-deep": (
        GOOD + f"faults: [{{kill: {{}}, at: {{log: {{node: 1, pattern: '{'(' * 999}'}}}}}}]\n",
        "x.yaml:3: faults[0].at.log.pattern: expected a regular expression",
    ),
    "a-big-file": (
        "#" * (yaml_document.MAX_BYTES + 1),
        "x.yaml: expected a readable YAML file, got one",
    ),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a scenario to be written."""
    return tmp_path / "x.yaml"


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_one_clear_error(path: Path, case: str) -> None:
    """What no scenario can be is a ScenarioError with file and line; nothing is built from it."""
    text, told = REFUSED[case]
    path.write_text(text)
    with pytest.raises(ScenarioError) as caught:
        loading.load(path)
    assert told in str(caught.value)
    assert len(str(caught.value)) < 10_000


@pytest.mark.medium
@pytest.mark.parametrize("text", [MANY, CHAIN], ids=["many", "chain"])
def test_ten_thousand_faults_are_loaded(path: Path, text: str) -> None:
    """As many faults as a plan may hold are a scenario, checked for their worst case."""
    path.write_text(GOOD + text)
    assert len(loading.load(path).phases[0].faults) == 10_000


def test_a_hundred_mistakes_are_told_in_part(path: Path) -> None:
    """The first mistakes of very many are told, and that there are more."""
    path.write_text(GOOD + "".join(f"x{number}: 1\n" for number in range(100)))
    with pytest.raises(ScenarioError) as caught:
        loading.load(path)
    *told, last = str(caught.value).splitlines()
    assert len(told) == loading.SHOWN
    assert last == "there are more mistakes than these"


def test_a_fifo_is_not_waited_for(path: Path) -> None:
    """A FIFO that nobody writes to is named and not opened."""
    os.mkfifo(path)
    with pytest.raises(ScenarioError, match="expected a readable YAML file, got a FIFO"):
        loading.load(path)


def test_a_device_is_not_read() -> None:
    """A device that never ends is named and not read."""
    with pytest.raises(ScenarioError, match="expected a readable YAML file, got a device"):
        loading.load(Path("/dev/zero"))


def test_a_path_that_is_none() -> None:
    """A path that no file can have is an error like any other."""
    with pytest.raises(ScenarioError, match="expected a readable YAML file"):
        loading.load(Path("a\0b"))


def test_a_bad_file_does_not_break_the_list(tmp_path: Path) -> None:
    """`harness list` shows what is wrong with a file beside the scenarios that load."""
    (tmp_path / "bad.yaml").write_text("[" * 1000)
    (tmp_path / "good.yaml").write_text(GOOD.replace("d\n", "All is well.\n", 1))
    os.mkfifo(tmp_path / "pipe.yaml")
    listed = CliRunner().invoke(harness_command.app, ["list", "--folder", str(tmp_path)])
    assert listed.exit_code == 0
    assert "All is well." in listed.output
    assert listed.output.count("cannot be loaded") == 2


def test_a_setting_of_the_command_line_is_read_like_a_file() -> None:
    """A value given with --set can do no more than one in a file."""
    assert yaml_document.value("{a: [1, x]}", "--set k") == {"a": [1, "x"]}
    assert yaml_document.value("", "--set k") is None
    with pytest.raises(ScenarioError, match="--set k:1: expected at most 30 levels"):
        yaml_document.value("[" * 1000, "--set k")
    with pytest.raises(ScenarioError, match="expected a number of at most 64 bits, got '0x_'"):
        yaml_document.value("0x_", "--set k")
