"""Plugins: what other packages add is there by name; what is wrong with one is told of it alone."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import checkers, faults, workloads
from harness.claim import Claim
from harness.clients import subject, subject_lookup
from harness.common.harness_errors import ScenarioError
from harness.common.settings import plugins
from harness.history.columns import History
from harness.judge import judge
from harness.scenario import loading, schema
from harness.search import fuzz
from worlds import plugin_package

ROOT = Path(__file__).parents[5]
SCENARIO = """\
description: One value for a queue that forgets.
subject: void
checkers: [suspicious]
workload:
  - put-one: {value: 7}
faults:
  - {nothing: {}, at: {elapsed_s: 0}}
"""
PLAIN = "description: No plugin.\nworkload:\n  - put-all: {count: 1}\n"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a folder on the path, with a good package and one of which nothing can be used."""
    plugin_package.install(tmp_path, plugin_package.GOOD, name="somebodys")
    plugin_package.install(tmp_path, plugin_package.BAD, name="spoilt")
    monkeypatch.syspath_prepend(tmp_path)
    caches: list[Any] = [plugins.of, schema.model, schema.json_schema]
    for cache in caches:
        cache.cache_clear()
    yield tmp_path
    for cache in caches:
        cache.cache_clear()
    for registry in (subject.subjects, workloads.workloads, faults.faults, checkers.checkers):
        registry._from_plugins.clear()  # type: ignore[attr-defined]
    for name in [name for name in sys.modules if name.startswith("somebodys")]:
        del sys.modules[name]


def loaded(folder: Path, text: str) -> schema.Scenario:
    """Return a scenario from a file."""
    path = folder / "x.yaml"
    path.write_text(text)
    return loading.load(path)


def test_a_scenario_of_plugins_loads(site: Path) -> None:
    """A subject, a workload, a fault and a checker of another package work by their names."""
    scenario = loaded(site, SCENARIO)
    loading.require_runnable(scenario)
    assert [work.kind for work in scenario.workloads] == ["put-one"]
    assert [list(values) for values in scenario.phases[0].workload[0].workload.values()] == [[7]]
    assert scenario.phases[0].faults[0].fault.for_fun is True
    assert subject_lookup.find("void").__name__ == "Void"


def test_nothing_is_imported_unasked(site: Path) -> None:
    """Names of plugins are known without importing them; a scenario without them imports none."""
    loaded(site, PLAIN)
    assert {"put-one", "half"} <= set(workloads.workloads)
    assert "somebodys" not in sys.modules


def test_settings_of_plugins_are_as_strict(site: Path) -> None:
    """A wrong key of a plugin's workload is told with line, key, and the keys that it has."""
    with pytest.raises(ScenarioError) as error:
        loaded(site, SCENARIO.replace("value: 7", "values: 7"))
    assert "x.yaml:5: workload[0].put-one.value: expected this key, got none" in str(error.value)
    assert "put-one.values: expected a known key (after, value), got 'values'" in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("put-one: {value: 7}", "half: {}", ("x.yaml:5: workload[0].half: workload 'half' of spoilt"
         " 1.2: expected after, dies, reach, run, sync, values in Half, got none")),
        ("put-one: {value: 7}", "bare: {}", "x.yaml:5: workload[0].bare: expected a dataclass"),
        ("nothing: {}", "raises: {}", ("x.yaml:7: faults[0].raises: fault 'raises' of spoilt 1.2: "
         "expected somebodys_broken:X to be there, got ZeroDivisionError: division by zero")),
        ("suspicious]", "exits]", ("x.yaml:3: checkers[0]: checker 'exits' of spoilt 1.2: "
         "expected somebodys_exits:X to be there, got SystemExit: 4")),
        ("suspicious]", "no-class]", ("x.yaml:3: checkers[0]: checker 'no-class' of spoilt 1.2: "
         "expected a class, got <function half")),
        ("suspicious]", "nope]", "x.yaml:3: checkers[0]: expected one of those that `harness e"),
    ],
)  # fmt: skip
def test_a_bad_plugin_is_one_error_that_names_it(site: Path, old: str, new: str, told: str) -> None:
    """The error has file, line and key, the plugin with its package, and what is wrong."""
    with pytest.raises(ScenarioError) as error:
        loaded(site, SCENARIO.replace(old, new))
    assert told in str(error.value)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("gone", "expected no_such_module:Void to be there, got ModuleNotFoundError"),
        ("half", "half: expected a method put, got none"),
    ],
)
def test_a_bad_subject_is_refused_before_a_run(site: Path, name: str, told: str) -> None:
    """A scenario whose subject cannot be used loads, to be judged, and cannot be run."""
    scenario = loaded(site, SCENARIO.replace("void", name))
    with pytest.raises(ScenarioError, match=told) as error:
        loading.require_runnable(scenario)
    assert str(error.value).startswith(f"{site}/x.yaml:2: subject: ")


def test_a_plugin_takes_no_name_of_ours_or_of_another(site: Path) -> None:
    """Our own entry keeps its name; a name of two packages is an error that names both."""
    assert workloads.workloads["put-all"].__module__ == "harness.workloads.put_all"
    assert workloads.workloads.origin("put-all") is None
    plugin_package.install(site, {"zkmq.workloads": ["put-one = x:Y"]}, name="rival")
    plugins.of.cache_clear()
    with pytest.raises(ScenarioError, match=r"'put-one': expected it from one package, got it from "
                       r"\w+ 1.2 and \w+ 1.2"):  # fmt: skip
        workloads.workloads["put-one"]


def test_what_runs_where_no_name_is_given_is_ours(site: Path) -> None:
    """An installed checker judges no scenario that does not name it, and fuzz draws no plugin."""
    history = History.from_events([])
    names = {result.name for result in judge(history, Claim()).results}
    assert "suspicious" not in names
    assert "suspicious" in {r.name for r in judge(history, Claim(), ["suspicious"]).results}
    assert "nothing" not in fuzz.drawable()


def test_the_list_shows_plugins_and_where_they_come_from(site: Path) -> None:
    """`harness list` names the package of a plugin, and what is wrong with a bad one."""
    done = subprocess.run(
        [sys.executable, "-m", "harness", "list", "--folder", str(site)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{site}", "COLUMNS": "300"},
    )
    assert done.returncode == 0, done.stderr
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    for kind, name, summary in (
        ("subject", "void", "A queue that forgets."),
        ("workload", "put-one", "Put one value."),
        ("fault", "nothing", "Do nothing."),
        ("checker", "suspicious", "Suspect everything."),
    ):
        assert f"{kind} {name} {summary} (somebodys 1.2)" in lines
    assert any(line.startswith("subject zkmq zkmq over ZooKeeper's own") for line in lines)
    assert any(line.startswith("fault raises cannot be used: fault 'raises' of") for line in lines)
