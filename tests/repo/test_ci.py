"""The action and the GitLab template: what their shell does on a runner, without a runner."""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
GITLAB = yaml.safe_load((ROOT / ".ci/gitlab.yml").read_text())
PAGE = (ROOT / "docs/ci.md").read_text()
STEPS = ACTION["runs"]["steps"]
EXPRESSION = re.compile(r"\$\{\{ *([\w.-]+) *\}\}")
# Stands for `harness` and for `python -m`: notes what it was called with, and where.
NOTES = """#!/bin/bash
printf '%s\\n' "$(basename "$0") in $PWD" "$@" >> "$NOTES"
exit "${ENDS:-0}"
"""


def runner(step: Mapping[str, Any], known: Mapping[str, str], **more: str) -> Any:
    """Run a step's shell as a runner does: bash -e, its `env` filled in, no other expressions."""
    assert step["shell"] == "bash"
    assert not EXPRESSION.search(step["run"]), "an input in the text of a script can be a command"
    env = {name: filled(value, known) for name, value in step["env"].items()}
    command = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]]
    given = {"PATH": os.environ["PATH"], **env, **more}
    return subprocess.run(
        command, env=given, cwd=more["PWD"], capture_output=True, text=True, check=False
    )


def filled(text: str, known: Mapping[str, str]) -> str:
    """Return a value with its expressions replaced; one that is not known is a mistake."""
    return EXPRESSION.sub(lambda found: known[found[1]], text)


@pytest.fixture
def place(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a job: a checkout with scenarios, and the files of the runner."""
    checkout = tmp_path / "checkout"
    (checkout / "scenarios").mkdir(parents=True)
    for name in ("a.yaml", "b c.yaml"):
        (checkout / "scenarios" / name).touch()
    return {
        "PWD": str(checkout),
        "RUNNER_TEMP": str(tmp_path / "temp"),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "NOTES": str(tmp_path / "notes"),
    }


@pytest.fixture
def action(tmp_path: Path) -> Path:
    """Return a copy of the action with programs that note their calls instead of doing much."""
    folder = tmp_path / "action"
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / ".ci").mkdir()
    (folder / ".ci/scenarios").write_text((ROOT / ".ci/scenarios").read_text())
    (folder / ".ci/scenarios").chmod(0o755)
    for name in ("harness", "python"):
        (folder / ".venv/bin" / name).write_text(NOTES)
        (folder / ".venv/bin" / name).chmod(0o755)
    return folder


def job(
    place: dict[str, str], action: Path, ends: str = "0", **inputs: str
) -> tuple[int, list[str]]:
    """Run all steps with a shell, as one job; return its status and what was called."""
    known = {f"inputs.{name}": about["default"] for name, about in ACTION["inputs"].items()}
    known |= {f"inputs.{name}": value for name, value in inputs.items()}
    known["github.action_path"] = str(action)
    status, output = 0, Path(place["GITHUB_OUTPUT"])
    for step in STEPS:
        if "run" in step and status == 0:
            done = runner(step, known, ENDS="0" if "id" in step else ends, **place)
            status = done.returncode
            written = output.read_text().splitlines() if output.exists() else []
            for line in written:
                name, _, value = line.partition("=")
                known[f"steps.{step.get('id', '')}.outputs.{name}"] = value
    notes = Path(place["NOTES"])
    return status, notes.read_text().splitlines() if notes.exists() else []


def test_patterns_and_names_reach_the_harness(place: dict[str, str], action: Path) -> None:
    """A pattern is expanded, words are apart, and a file with a space stays one word."""
    status, called = job(
        place, action, scenarios="scenarios/*.yaml\nseed/leader-kill", arguments="--seed 7"
    )
    runs = f"{place['RUNNER_TEMP']}/harness-runs"
    assert status == 0
    assert called == [
        f"python in {place['PWD']}",
        *("-m", "cluster.engine.engine"),
        f"harness in {place['PWD']}",
        *("run", "scenarios/a.yaml", "scenarios/b c.yaml", "seed/leader-kill"),
        *("--shard", "1/1", "--times", "1", "--runs", runs, "--junit", f"{runs}/junit.xml"),
        *("--seed", "7"),
    ]


def test_no_input_is_a_command(place: dict[str, str], action: Path, tmp_path: Path) -> None:
    """What stands in an input is a word, whatever a shell would make of it."""
    evil = f"$(touch {tmp_path}/evil) `touch {tmp_path}/evil` ; touch {tmp_path}/evil"
    _, called = job(place, action, scenarios=evil, shard=evil, times=evil, arguments=evil)
    assert "$(touch" in called
    assert not (tmp_path / "evil").exists()


def test_the_job_fails_as_the_harness_does(place: dict[str, str], action: Path) -> None:
    """A verdict that was not expected turns the job red."""
    assert job(place, action, ends="1", scenarios="x")[0] == 1


def test_each_share_uploads_under_a_name_of_its_own(place: dict[str, str], action: Path) -> None:
    """Artifacts of one run must differ in their names, which may hold no slash."""
    job(place, action, shard="2/3")
    assert "artifact=harness-runs-2-of-3" in Path(place["GITHUB_OUTPUT"]).read_text().splitlines()
    (upload,) = (step for step in STEPS if "uses" in step)
    assert upload["if"] == "always()"
    assert upload["with"]["name"] == "${{ steps.place.outputs.artifact }}"


def test_every_input_is_used_and_documented() -> None:
    """Each input reaches a step, and stands on the page with its default."""
    text = (ROOT / "action.yml").read_text()
    for name, about in ACTION["inputs"].items():
        assert f"${{{{ inputs.{name} }}}}" in text, name
        default = f"`{about['default']}`" if about["default"] else ""
        assert f"| `{name}` | {default}".rstrip() in PAGE, name


def test_the_examples_of_the_page_are_yaml_of_ten_lines() -> None:
    """Each example can be read, uses inputs that there are, and is short."""
    github, gitlab = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (used,) = (s for s in yaml.safe_load(github)["jobs"]["queue"]["steps"] if "with" in s)
    assert set(used["with"]) <= set(ACTION["inputs"])
    assert len(github.splitlines()) <= 10
    assert set(yaml.safe_load(gitlab)["queue"]["variables"]) <= set(
        GITLAB[".scenarios"]["variables"]
    )
    assert len(gitlab.splitlines()) <= 10


def test_gitlabs_shares_are_those_of_parallel(place: dict[str, str], action: Path) -> None:
    """The script of the template gives the harness its share, and its junit.xml is kept."""
    template = GITLAB[".scenarios"]
    script = "\n".join(template["script"]).replace("/opt/zkmq", str(action))
    variables = {name: str(value) for name, value in template["variables"].items()}
    given = variables | place | {"CI_NODE_INDEX": "2", "CI_NODE_TOTAL": "3"}
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script],
        env=given | {"PATH": os.environ["PATH"]},
        cwd=place["PWD"],
        capture_output=True,
        text=True,
        check=False,
    )
    called = Path(place["NOTES"]).read_text().splitlines()
    assert done.returncode == 0, done.stderr
    assert called[called.index("--shard") + 1] == "2/3"
    assert called[called.index("--junit") + 1] == template["artifacts"]["reports"]["junit"]
