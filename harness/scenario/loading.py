"""Load a scenario file: strictly, and with file, line and key in every complaint."""

import copy
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pydantic

from harness.clients import subject_lookup
from harness.common import files
from harness.common.harness_errors import ScenarioError, likely, listed
from harness.common.run_folder import RunFolder
from harness.common.settings.quorum_config import QuorumConfig
from harness.scenario import schema, yaml_document
from harness.scenario.consistency import fault_names
from harness.scenario.consistency.across_keys import complaints, of_names
from harness.scenario.schema import Scenario
from harness.scenario.yaml_document import Document
from harness.workloads.exec_command import COMMANDS, complaint_of_command

SHOWN = 20  # mistakes of one file
MAX_VERSIONS_BYTES = 1 << 20
MAX_SHOWN = 200  # characters of a wrong value
_INSTEAD: dict[str | int, Any] = {"faults": {"heal": "all"}, "workload": {"check-all": {}}}
_QUOTED = re.compile("'([^']*)'")

__all__ = ["Scenario", "cluster", "load", "of", "on_engines", "require_runnable"]


def load(path: Path) -> Scenario:
    """Read and check a scenario.

    Raises:
        ScenarioError: it is not one; `file:line: key: expected X, got Y`, a line for each mistake.
    """
    return _checked(yaml_document.load(path), _folder_of_run(path))


def of_text(text: str, path: Path) -> Scenario:
    """Check a scenario that was made from the one at `path`, whose folder is its own.

    Raises:
        ScenarioError: it is not one.
    """
    return _checked(yaml_document.parse(path, text), path.absolute().parent)


def of(data: Mapping[str, Any]) -> Scenario:
    """Check a scenario that stands in no file.

    Raises:
        ScenarioError: it is not one.
    """
    return _checked(Document.of(data))


def _folder_of_run(path: Path) -> Path | None:
    """Return the folder that a run's copy of a scenario came from; None for any other file."""
    run = RunFolder(path.parent)
    if path != run.scenario or not run.versions.exists():
        return None
    try:
        about = json.loads(files.read(run.versions, "versions", at_most=MAX_VERSIONS_BYTES))
        return Path(about["scenario_folder"])
    except (ScenarioError, ValueError, RecursionError, LookupError, TypeError):
        return None  # of an older release, or damaged: the run can be judged all the same


def _checked(file: Document, folder: Path | None = None) -> Scenario:
    data = _with_phases(file)
    try:
        # As JSON, since strict validation takes a mapping for a dataclass only from there.
        scenario = schema.model().model_validate_json(json.dumps(data))
    except pydantic.ValidationError as error:
        raise _together([*_of_keys(file, error), *_of_names(file, error)]) from None
    if wrong := list(islice(complaints(scenario), SHOWN + 1)):
        raise _together(file.error(_place_in_file(file, place), what) for place, what in wrong)
    return fault_names.unique(scenario).loaded_from(file, folder)


def require_runnable(scenario: Scenario) -> None:
    """Refuse a scenario whose subject or commands cannot be used, before anything is started.

    Loading does not look for them, since a run can be judged again where they are not.

    Raises:
        ScenarioError: the subject cannot be imported, or lacks a method; no such command.
    """
    for entry in scenario.workloads:
        if entry.kind in COMMANDS:
            told = complaint_of_command(entry.workload.command, Path(scenario.folders[0]))
            if told is not None:
                raise ScenarioError(f"{entry.where}.command: {told}")
    try:
        subject_lookup.find(scenario.subject, scenario.folders)
    except ScenarioError as error:
        raise ScenarioError(f"{scenario.where('subject')}: {error}") from error
    if (disk := scenario.cluster.missing_disk) is not None:
        where = scenario.where("cluster", "disks")
        raise ScenarioError(f"{where}: expected a disk that a run kept at {disk}, got none")


def cluster(settings: Mapping[str, Any], told_by: str = "cluster") -> QuorumConfig:
    """Check the settings of a quorum that no scenario asks for.

    Raises:
        ScenarioError: one of them cannot be; `cluster: key: expected X, got Y`, or who told it.
    """
    try:
        return QuorumConfig.model_validate(dict(settings))
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        place = first["loc"][0]  # what follows tells the members of a union apart
        raise ScenarioError(f"{told_by}: {place}: {_sentence(first, first['loc'])}") from None


def on_engines(scenario: Scenario, engines: Sequence[str]) -> Scenario:
    """Return a scenario that runs on these engines in place of its own.

    Raises:
        ScenarioError: it cannot; `--engines: FILE: expected X, got Y`.
    """
    settings = scenario.cluster.model_dump(exclude_unset=True) | {"engines": list(engines)}
    moved = scenario.model_copy(update={"cluster": cluster(settings, "--engines")})
    for place, what in complaints(moved):
        raise ScenarioError(f"--engines: {scenario.where(*place)}: {what}")
    return moved


def _with_phases(file: Document) -> dict[str, Any]:
    """Return the data with its one phase spelled out where the file leaves the list away."""
    short = {k: v for k, v in file.data.items() if k in {"workload", "faults", "mix_s"}}
    if "phases" in file.data:
        if short:
            key = next(iter(short))
            raise file.error((key,), "expected it inside a phase, got it beside `phases`")
        return file.data
    rest = {k: v for k, v in file.data.items() if k not in short}
    return rest | {"phases": [short]}


def _place_in_file(file: Document, place: Sequence[str | int]) -> tuple[str | int, ...]:
    """Drop `phases[0]` from a place if the file has no such list."""
    steps = tuple(place)
    return steps[2:] if "phases" not in file.data and steps[:1] == ("phases",) else steps


def _of_keys(file: Document, error: pydantic.ValidationError) -> Iterator[ScenarioError]:
    """Give what is wrong with single keys, one error a place: of a union each member complains."""
    told = set()
    for wrong in error.errors():
        steps = _place_in_file(file, wrong["loc"])
        place = _steps_in_file(file, steps)
        if wrong["type"] == "missing":
            place = (*place, steps[-1])
        if place not in told:
            told.add(place)
            yield file.error(place, _sentence(wrong, place))


def _of_names(file: Document, error: pydantic.ValidationError) -> Iterator[ScenarioError]:
    """Give the names that mean nothing in a file some of whose keys are wrong, as far as is known.

    What is wrong is left out, key by key or else by entries of `faults` and `workload`. Without the
    right nodes and bound names nothing is said.
    """
    data, rest = copy.deepcopy(file.data), error
    for whole in (False, True):
        for wrong in rest.errors():
            place = _steps_in_file(file, _place_in_file(file, wrong["loc"]))
            if place[:1] in {("bind",), ("cluster",)}:
                return
            with suppress(LookupError, TypeError):  # of something that is left out already
                _leave_out(data, place, whole=whole)
        try:
            known = _with_phases(replace(file, data=data))
            scenario = schema.model().model_validate_json(json.dumps(known))
        except pydantic.ValidationError as again:
            rest = again
        else:
            for where, what in of_names(scenario):
                yield file.error(_place_in_file(file, where), what)
            return


def _leave_out(data: dict[str, Any], place: Sequence[str | int], *, whole: bool) -> None:
    """Leave out a key, or, if `whole` or if no key is wrong, put another entry in its place."""
    if not place:
        data.setdefault("description", "none")
    there: Any = data
    for at, step in enumerate(place):
        rest = place[at + 1 :]
        if step in _INSTEAD and rest[:1] and (whole or len(rest) == 1):
            there[step][rest[0]] = _INSTEAD[step]
            return
        if isinstance(step, str) and all(isinstance(number, int) for number in rest):
            del there[step]
            return
        there = there[step]


def _together(errors: Iterable[ScenarioError]) -> ScenarioError:
    told = [str(error) for error in islice(errors, SHOWN + 1)]
    more = ["there are more mistakes than these"] if len(told) > SHOWN else []
    return ScenarioError("\n".join(told[:SHOWN] + more))


def _steps_in_file(file: Document, place: Sequence[str | int]) -> tuple[str | int, ...]:
    """Drop what is not in the file: pydantic adds it to tell the members of a union apart."""
    known: tuple[str | int, ...] = ()
    there: Any = file.data
    for step in place:
        inside = there if isinstance(there, dict) else dict(enumerate(_listed(there)))
        if step in inside:
            known, there = (*known, step), inside[step]
    return known


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _sentence(complaint: Mapping[str, Any], place: Sequence[str | int]) -> str:
    got = complaint.get("input")
    kind = complaint["type"]
    if kind in {"extra_forbidden", "unexpected_keyword_argument"}:
        known, got = _known_keys(place), str(place[-1])
        told = listed(known, see=f"harness explain {_part(place)}") or "none"
        return f"expected a known key ({told}), got {got!r}{likely(known, got)}"
    if kind == "missing":
        return "expected this key, got none"
    if kind == "value_error":
        return str(complaint["ctx"]["error"])
    likely_meant = ""
    if kind == "literal_error":
        likely_meant = likely(_QUOTED.findall(complaint["ctx"]["expected"]), str(got))
    told = complaint["msg"].removeprefix("Input should be ")
    told = f"a value {told}" if told.startswith(("greater", "less")) else told
    return f"expected {told}, got {_shown(got)}{likely_meant}"


def _shown(got: object) -> str:
    text = repr(got)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def _part(place: Sequence[str | int]) -> str:
    """Return what `harness explain` calls the mapping in which a key stands."""
    around = [step for step in place[:-1] if isinstance(step, str)]
    return {"phases": "phase"}.get(around[-1], around[-1]) if around else "scenario"


def _known_keys(place: Sequence[str | int]) -> list[str]:
    """Return the keys that may stand where an unknown one does, by the JSON Schema."""
    whole = schema.json_schema()
    node: dict[str, Any] = whole
    for step in place[:-1]:
        node = _descend(whole, node, step)
    return sorted(_deref(whole, node).get("properties", {}))


def _descend(whole: dict[str, Any], node: dict[str, Any], step: str | int) -> dict[str, Any]:
    node = _deref(whole, node)
    if isinstance(step, int):
        return dict(node.get("items", {}))
    return dict(node.get("properties", {}).get(step, {}))


def _deref(whole: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    for option in node.get("anyOf", []):
        if "$ref" in option or "properties" in option:
            node = option
    if "$ref" in node:
        return dict(whole["$defs"][node["$ref"].rpartition("/")[2]])
    return node
