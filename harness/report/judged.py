"""The reading side of results.json: a judged run as somebody finds it, perhaps edited by hand.

`harness.results` is the writing side; these types say what every reader may rely on.
"""

from typing import Annotated, Any, Literal, NotRequired, TypedDict

import msgspec
from msgspec import Meta

from harness import files
from harness.harness_errors import ScenarioError
from harness.history.record import DECODE_ERRORS, Ns, Number, Value, Whole, Zxid
from harness.run_folder import RunFolder

MAX_BYTES = 1 << 26

Word = Literal["valid", "unknown", "invalid"]
Seconds = Annotated[float, Meta(ge=0, le=1e9)] | None


class Row(TypedDict):
    """One operation of a witness."""

    index: Number
    process: Value
    f: str
    value: Value | None
    priority: Number | None
    outcome: str
    invoke_ns: Ns
    complete_ns: Ns | None
    zxid: Zxid | None


class Found(TypedDict):
    """One witness."""

    sentence: str
    operations: list[Row]
    values: list[Value]


class FaultFigures(TypedDict):
    """What clients saw of one fault, in the details of `availability`."""

    inject_ns: Ns
    fraction: Seconds
    after_inject_s: NotRequired[Seconds]
    after_heal_s: NotRequired[Seconds]


class KnownDefect(TypedDict):
    """A known defect of the servers that a run met, in the details of `server-logs`."""

    name: str
    issue: str | None
    finding: str | None
    seen: Number
    nodes: list[Number]


class Details(TypedDict):
    """A checker's own figures; readers look only for these."""

    known_defects: NotRequired[list[KnownDefect]]
    faults: NotRequired[list[FaultFigures] | dict[str, Any]]


class Check(TypedDict):
    """What one checker said."""

    name: str
    verdict: Word
    reasons: list[str]
    details: Details
    witnesses: list[Found]
    more_witnesses: Number


class NotRun(TypedDict):
    """A checker whose needs the history did not meet."""

    name: str
    needs: str


class Counts(TypedDict):
    """Counts of distinct items, but for the extra deliveries."""

    attempted: Number
    acknowledged: Number
    delivered: Number
    lost: Number | None
    duplicated: Number
    unexpected: Number
    phantom: Number
    recovered: Number
    redelivered: Number
    completed: Number
    unfinished: Number


class Evidence(TypedDict):
    """What was observed of a fault; readers look only for this."""

    took_ms: NotRequired[Annotated[float, Meta(ge=0, le=1e9)]]


class Fault(TypedDict):
    """One injection."""

    fault: str
    name: str
    target: str | dict[str, Number] | list[str | dict[str, Number]] | None
    nodes: list[Number]
    outcome: str
    inject_ns: Ns
    heal_ns: Ns | None
    heal_outcome: str | None
    evidence: Evidence
    unavailable_s: Seconds


class Availability(TypedDict):
    """How much of the time calls succeeded."""

    fraction: Seconds
    longest_gap_s: Seconds


class Results(TypedDict):
    """All of results.json that readers rely on."""

    scenario: str
    seed: Whole
    verdict: Word
    expect: Word
    because: str | None
    as_expected: bool
    counts: Counts
    checks: list[Check]
    not_run: list[NotRun]
    faults: list[Fault]
    availability: Availability
    interrupted: NotRequired[str]


def load(folder: RunFolder) -> dict[str, Any]:
    """Return a run's results.json, with all that is in it.

    Raises:
        ScenarioError: it has none, or what there is cannot be one.
    """
    if not folder.results.exists():
        raise ScenarioError(
            f"{folder.path}: expected a judged run (with a results.json), got none; "
            f"`harness check` judges it"
        )
    data = files.read(folder.results, "results.json", at_most=MAX_BYTES)
    try:
        results: dict[str, Any] = msgspec.json.decode(data)
        shaped = msgspec.convert(results, Results)
    except DECODE_ERRORS as error:
        raise _damaged(folder, str(error)) from error
    found_invalid = any(check["verdict"] == "invalid" for check in shaped["checks"])
    if shaped["verdict"] == "invalid" and not found_invalid:
        raise _damaged(folder, "the verdict 'invalid' without a check that says so")
    return results


def load_if_any(folder: RunFolder) -> dict[str, Any] | None:
    """Return a run's results.json; None if it was not judged.

    Raises:
        ScenarioError: what there is cannot be one.
    """
    return load(folder) if folder.results.exists() else None


def versions(folder: RunFolder) -> dict[str, Any]:
    """Return a run's versions.json; of one that cannot be read, why."""
    if not folder.versions.exists():
        return {}
    try:
        data = files.read(folder.versions, "versions.json", at_most=MAX_BYTES)
        return msgspec.json.decode(data, type=dict[str, Any])
    except (ScenarioError, *DECODE_ERRORS) as error:
        return {"versions": f"not readable: {error}"}


def _damaged(folder: RunFolder, got: str) -> ScenarioError:
    return ScenarioError(
        f"{folder.results}: expected what `harness check` wrote, got: {got}; "
        f"without the file `harness check` judges the run anew"
    )
