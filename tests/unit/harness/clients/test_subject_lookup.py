"""Subjects of somebody's own, by `module:Class`: where they are found, and what is refused."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.clients import subject_lookup
from harness.clients.subject import SubjectConfig
from harness.common.harness_errors import ScenarioError, SubjectError
from harness.scenario import loading

GOOD = '''\
from harness.clients.subject import Applied, Reserved, Subject


class Q(Subject):
    """A queue of a test."""

    takes = True
    color = "green"

    def __init__(self, config, note):
        pass

    def put(self, value, priority):
        return Applied()

    def reserve(self, n, timeout_s, *, sync):
        return Reserved()

    def close(self):
        pass
'''
SCENARIO = "description: d\nsubject: {subject}\nworkload: [{{put-all: {{count: 1}}}}]\n"


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    """Leave sys.path and the modules as they were."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    subject_lookup._added.clear()
    subject_lookup._from_folders.clear()
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def require(folder: Path, subject: str) -> None:
    """Load a scenario of that folder, and ask for its subject."""
    file = folder / "mine.yaml"
    file.write_text(SCENARIO.format(subject=subject))
    loading.require_runnable(loading.load(file))


def test_a_module_beside_the_scenario_is_found(tmp_path: Path) -> None:
    """The folder of the scenario file counts, from whatever folder the command is called."""
    (tmp_path / "my_queue.py").write_text(GOOD)
    require(tmp_path, "my_queue:Q")


def test_a_package_in_the_working_directory_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So does the working directory, and a module may be inside a package."""
    (here := tmp_path / "here").mkdir()
    (package := here / "my_package").mkdir()
    (package / "my_module.py").write_text(GOOD)
    (elsewhere := tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(here)
    require(elsewhere, "my_package.my_module:Q")


def test_a_copy_of_a_run_looks_where_the_run_did(tmp_path: Path) -> None:
    """A run can be repeated from its folder; one whose record is damaged can still be loaded."""
    (beside := tmp_path / "mine").mkdir()
    (beside / "my_queue.py").write_text(GOOD)
    (run := tmp_path / "run").mkdir()
    (run / "scenario.yaml").write_text(SCENARIO.format(subject="my_queue:Q"))
    (run / "versions.json").write_text(json.dumps({"scenario_folder": str(beside)}))
    loading.require_runnable(loading.load(run / "scenario.yaml"))
    for damaged in ("[]", "{", '{"scenario_folder": 1}'):
        (run / "versions.json").write_text(damaged)
        assert loading.load(run / "scenario.yaml").folders[0] == str(run)


def test_two_scenarios_may_have_modules_of_one_name(tmp_path: Path) -> None:
    """Each scenario gets the module beside it, also when one process runs both."""
    for color in ("green", "blue"):
        (tmp_path / color).mkdir()
        (tmp_path / color / "twin.py").write_text(GOOD.replace("green", color))
    for color in ("green", "blue", "green"):
        found = subject_lookup.find("twin:Q", [str(tmp_path / color)])
        assert found.color == color  # type: ignore[attr-defined]


def test_a_module_of_the_standard_library_is_not_replaced(tmp_path: Path) -> None:
    """A file of the same name beside the scenario is not imported, and the error says which was."""
    (tmp_path / "queue.py").write_text(GOOD)
    with pytest.raises(ScenarioError, match=r"expected a class Q in .*/lib/.*queue\.py"):
        require(tmp_path, "queue:Q")


@pytest.mark.parametrize(
    ("subject", "text", "told"),
    [
        ("nope:Q", None, "expected module nope installed or in {folder} or in {cwd}, got none"),
        ("a:Q", "import nope_too\n", ("expected to import a, got ModuleNotFoundError: No module "
         "named 'nope_too' ({folder}/a.py:1)")),
        ("a:Q", "\n1 / 0\n", ("expected to import a, got ZeroDivisionError: division by zero "
         "({folder}/a.py:2)")),
        ("a:Q", "def (:\n", "expected to import a, got SyntaxError: invalid syntax (a.py, line 1)"),
        ("a:Q", "raise SystemExit(0)\n", "expected to import a, got SystemExit: 0"),
        ("a:R", GOOD, "expected a class R in {folder}/a.py, got ['Q']"),
        ("a:Q", "Q = 3\n", "expected a class, got int"),
        ("a:Q", GOOD.replace("def put", "def putt"), "expected a method put, got none in Q of"),
        ("a:Q", GOOD.replace("takes = True", ""), "expected a method done, got none in Q of"),
        ("a:Q", GOOD.replace("takes = True", "takes = 1"), "takes: expected True or False, got 1"),
        ("a:Q", GOOD.replace('color = "green"', "most = 0"), "most: expected None or a number"),
        ("a:Q", GOOD.replace("value, priority", "value"), ("expected put(self, value, priority), "
         "got (self, value): too many positional arguments")),
        ("a:Q", GOOD.replace("*, sync", "x=1"), ("expected reserve(self, n, timeout_s, *, sync), "
         "got (self, n, timeout_s, x): got an unexpected keyword argument 'sync'")),
        ("a:Q", GOOD.replace("(self, config, note)", "(self)"), ("expected __init__(self, config, "
         "note), got (): too many positional arguments")),
    ],
)  # fmt: skip
def test_what_is_no_subject_is_one_error(
    tmp_path: Path, subject: str, text: str | None, told: str
) -> None:
    """The error has file, line and key of the scenario, and what is wrong, in one line."""
    if text is not None:
        (tmp_path / "a.py").write_text(text)
    with pytest.raises(ScenarioError) as error:
        require(tmp_path, subject)
    expected = told.format(folder=tmp_path, cwd=os.getcwd())  # noqa: PTH109 -- as text
    assert str(error.value).startswith(f"{tmp_path}/mine.yaml:2: subject: {subject}: {expected}")
    assert "\n" not in str(error.value)


def test_a_word_that_is_neither_is_refused_at_load(tmp_path: Path) -> None:
    """The error lists the subjects that there are, and the form of an own one."""
    named = "aio, celery, kazoo-locking-queue, kazoo-queue, zkmq, module:Class"
    with pytest.raises(ScenarioError, match=rf"mine.yaml:2: subject: expected one of {named}, got"):
        require(tmp_path, "Q")


def test_an_own_subject_is_held_to_the_protocol(tmp_path: Path) -> None:
    """A client of an own class refuses a wrong answer; one of ours is used as it is."""
    (tmp_path / "a.py").write_text(GOOD.replace("return Applied()", "return True"))
    config = SubjectConfig(
        kind="a:Q", folders=[str(tmp_path)], hosts="x", where="m.yaml:2: subject"
    )
    client = subject_lookup.connect(config, lambda *_: None)
    with pytest.raises(SubjectError, match=r"m.yaml:2: subject: a:Q: put: expected an object of "
                       r"class Applied, got True"):  # fmt: skip
        client.put(1, 100)


def test_items_are_the_znodes_with_data(tmp_path: Path) -> None:
    """Unless a subject sorts the tree itself, what has data stands there as an item."""
    (tmp_path / "a.py").write_text(GOOD)
    nodes = {"/queue": b"", "/queue/b": b"2", "/queue/a": b"1"}
    assert subject_lookup.places("a:Q", [str(tmp_path)], nodes, "/queue") == {"items": [1, 2]}


def test_places_are_a_guess_unless_a_subject_sorts_its_tree(tmp_path: Path) -> None:
    """All of ours do; a program that is no class cannot."""
    (tmp_path / "a.py").write_text(GOOD)
    (tmp_path / "b.py").write_text(GOOD + "\n    def places(nodes, root):\n        return {}\n")
    own = ("a:Q", "b:Q", *subject_lookup.subjects.builtin, None)
    told = {kind: subject_lookup.has_places(kind, [str(tmp_path)]) for kind in own}
    assert {kind for kind, has in told.items() if not has} == {"a:Q", None}


def test_places_that_fail_are_an_error_of_the_subject(tmp_path: Path) -> None:
    """What a class raises when it sorts a tree is told as its mistake."""
    (tmp_path / "a.py").write_text(GOOD + "\n    def places(nodes, root):\n        return 1 / 0\n")
    with pytest.raises(SubjectError, match=r"a:Q: places: .* ZeroDivisionError"):
        subject_lookup.places("a:Q", [str(tmp_path)], {}, "/queue")
