"""The repository's own rules: scenarios load, commands and make targets are documented."""

import re
import subprocess
import tomllib
from collections import Counter
from pathlib import Path

import pytest
import typer

from harness.checkers import checkers
from harness.claim import AvailabilityBound
from harness.commands import harness_command
from harness.common.settings.quorum_config import QuorumConfig
from harness.faults import faults
from harness.scenario import loading
from harness.scenario.schedule import Schedule, Trigger, Until
from harness.scenario.schema import Phase, Scenario
from harness.workloads import workloads

ROOT = Path(__file__).parents[2]
SCENARIOS = sorted((ROOT / "scenarios").rglob("*.yaml"))
WIDE_TABLES = {
    "crash-points",
    "faults",
    "queue",
    "scenarios",
    "working",
    "rest",
    "rest-contract",
    "simulation",
}  # or a command's JSON
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("tests/**/*.md")])
LONG_PARAGRAPH = 150
LONGEST_LINE = 120
DOCS = "\n".join(
    p.read_text() for p in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
)


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_every_scenario_loads(path: Path) -> None:
    """Each file under scenarios/ is a scenario, with more than its name for a description."""
    assert len(loading.load(path).description) > len(path.stem)


@pytest.mark.parametrize("page", ["README.md", "docs/scenarios.md"])
def test_the_scenarios_of_the_pages_load(page: str, tmp_path: Path) -> None:
    """A page's YAML can be copied into a file and run."""
    examples = re.findall(
        r"^```yaml\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL
    )
    assert examples
    for example in examples:
        (tmp_path / "example.yaml").write_text(example)
        assert loading.load(tmp_path / "example.yaml").description


def test_every_key_of_a_scenario_is_documented() -> None:
    """docs/scenarios.md has each key of a scenario, its quorum, its phases and its schedules."""
    page = (ROOT / "docs/scenarios.md").read_text()
    models = (Scenario, QuorumConfig, Phase, Schedule, Trigger, Until, AvailabilityBound)
    fields = [field for model in models for field in model.model_fields.items()]
    keys = {field.alias or name for name, field in fields}
    assert sorted(key for key in keys if not re.search(rf"\b{key}\b", page)) == []


def test_every_fault_has_a_scenario() -> None:
    """Each fault is injected by some scenario, so that real servers are asked for its evidence."""
    loaded = [loading.load(path) for path in SCENARIOS]
    used = {e.kind for wanted in loaded for phase in wanted.phases for e in phase.faults}
    assert sorted(set(faults) - used) == []


@pytest.mark.parametrize("registry", [faults, workloads, checkers], ids=lambda r: r.kind)
def test_every_entry_says_what_it_is(registry: object) -> None:
    """`harness list` has a sentence for each fault, workload and checker."""
    assert all(registry.summary(name).endswith(".") for name in registry)  # type: ignore[attr-defined]


def test_every_command_has_help_with_an_example() -> None:
    """Each command of the harness has a summary, and an example that names it."""
    group = typer.main.get_group(harness_command.app)
    for name in group.commands:
        command = group.load(name)  # type: ignore[attr-defined]
        assert command.help, name
        assert f"harness {name}" in (command.epilog or ""), name


def test_every_command_is_documented() -> None:
    """The README or a page of docs/ names each command of the harness."""
    group = typer.main.get_group(harness_command.app)
    missing = [name for name in group.commands if f"harness {name}" not in DOCS]
    assert missing == []


def test_every_make_target_is_explained() -> None:
    """`make help` lists every target there is, in groups."""
    makefile = (ROOT / "Makefile").read_text()
    told = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    explained = re.findall(r"^  make ([a-z-]+) +\S", told, re.MULTILINE)
    assert sorted(explained) == sorted(re.findall(r"^\.PHONY: (\S+)", makefile, re.MULTILINE))
    groups = re.findall(r"^([A-Z][a-z]+)", told, re.MULTILINE)
    assert groups == ["Run", "Judge", "Look", "Develop", "Measure"]


@pytest.mark.parametrize(
    ("target", "name"),
    [("finding", "zookeeper-4925"), ("prove", "oracle"), ("bench", "checkers")],
)
def test_a_wrong_name_lists_the_names(target: str, name: str) -> None:
    """A target that takes a NAME says which there are, and what it was given."""
    told = subprocess.run(
        ["make", "--dry-run", "--old-file=.venv/.ready", target, "NAME=nonsense"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 2
    assert re.search(rf"expected NAME=one of: .*\b{name}\b.*; got NAME=nonsense", told.stderr)


def test_documents_name_make_targets_that_exist() -> None:
    """Each `make TARGET` in a page or a docstring is a target, and each NAME one that it takes."""
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^\.PHONY: (\S+)", makefile, re.MULTILINE))
    texts = "\n".join(
        path.read_text()
        for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("tests/**/*.md")]
    )
    named = set(re.findall(r"`make ([a-z-]+)", texts))
    assert named - targets == set()
    names = {
        "finding": {path.stem for path in (ROOT / "scenarios/findings").glob("*.yaml")},
        "prove": set(re.findall(r"^PROGRAM_([a-z-]+) =", makefile, re.MULTILINE)),
        "bench": {path.stem.removeprefix("bench_") for path in ROOT.glob("bench/bench_*.py")},
    }
    for target, name in re.findall(r"\bmake (finding|prove|bench) NAME=([a-z0-9-]+)", texts):
        assert name in names[target], f"make {target} NAME={name}"


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def heading_ids(page: Path) -> set[str]:
    """What `#...` of a link to a page may be, as GitHub names its headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    plain = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", each).lower() for each in headings]
    return {re.sub(r"[^\w\- ]", "", each).strip().replace(" ", "-") for each in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_a_file_and_a_heading(page: Path) -> None:
    """A link within the repository has a target, down to the heading that it names."""
    links = re.findall(r"\]\((?!https?:|mailto:)([^)\s#]*)#?([^)\s]*)\)", prose(page))
    for path, heading in links:
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), path
        if heading and target.suffix == ".md":
            assert heading in heading_ids(target), f"{path}#{heading}"


def test_every_decision_has_a_number_of_its_own() -> None:
    """The records in docs/adr/ are numbered one after the other, each as its title says."""
    records = sorted((ROOT / "docs/adr").glob("*.md"))
    numbers = [int(path.name[:4]) for path in records]
    assert numbers == list(range(1, len(records) + 1))
    titled = [re.findall(r"\d+", path.read_text().splitlines()[0])[0] for path in records]
    assert [int(number) for number in titled] == numbers


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_left_of_a_merge(page: Path) -> None:
    """No page has the marks of a conflict, or a paragraph twice because both sides were kept."""
    text = page.read_text()
    assert re.findall(r"^(?:<{7} |>{7} |={7}$).*", text, re.MULTILINE) == []
    paragraphs = Counter(each for each in text.split("\n\n") if len(each) > LONG_PARAGRAPH)
    assert [each for each, times in paragraphs.items() if times > 1] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_line_of_a_page_is_too_long(page: Path) -> None:
    """A page can be read in a terminal and in a side-by-side diff."""
    lines = enumerate(page.read_text().splitlines(), 1)
    wide = [(number, line) for number, line in lines if len(line) > LONGEST_LINE]
    if page.stem in WIDE_TABLES:
        wide = [(number, line) for number, line in wide if line[0] not in "|{"]
    assert [number for number, _ in wide] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_paths_that_a_page_names_exist(page: Path) -> None:
    """A page names no file or folder that was moved or removed."""
    top = "zkmq|harness|cluster|scenarios|tests|bench|docs"
    named = set(re.findall(rf"`((?:{top})/[\w./-]+)`", page.read_text()))
    assert sorted(name for name in named if not (ROOT / name).exists()) == []


def test_the_changelog_has_a_place_for_the_next_release() -> None:
    """What users notice can be written down at once."""
    assert "\n## Unreleased\n" in (ROOT / "CHANGELOG.md").read_text()


def test_the_lock_pins_every_dependency() -> None:
    """Each package of pyproject.toml stands in the lock file, with a hash, and no host does."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [entry for extra in project["optional-dependencies"].values() for entry in extra]
    wanted = [e for e in [*project["dependencies"], *extras] if not e.startswith("zkmq[")]
    lock = (ROOT / "requirements.lock").read_text()
    names = {re.split(r"[><=]", entry)[0].lower() for entry in wanted}
    pinned = {line.split("==")[0].lower() for line in lock.splitlines() if "==" in line}
    assert names <= pinned
    assert "://" not in lock


def test_no_path_of_one_machine_is_committed() -> None:
    """Nothing tracked names the folder that somebody happened to work in."""
    marks = [str(ROOT) + "/", "/ro" + "ot/", "/wo" + "rk/"]
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    for name in tracked.stdout.decode().split("\0"):
        path = ROOT / name
        if path.is_file() and path.suffix in {".py", ".md", ".yaml", ".toml", ".sh", ""}:
            text = path.read_text(errors="replace")
            assert not [mark for mark in marks if mark in text], name
