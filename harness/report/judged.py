"""Reading results.json, which may have been cut or edited by hand.

`harness.results` writes it. The shapes here are checked once, at loading, so that every reader can
rely on them; other keys are left as they are.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import msgspec
from msgspec import Meta

from harness.common import files
from harness.common.harness_errors import ScenarioError
from harness.common.run_folder import RunFolder
from harness.history.record import DECODE_ERRORS, Ns, Number, Value, Whole, Zxid

MAX_BYTES = 1 << 26

Word = Literal["valid", "unknown", "invalid"]
Seconds = Annotated[float, Meta(ge=0, le=1e9)] | None


class OperationShape(TypedDict):
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


class WitnessShape(TypedDict):
    """A sentence, and the operations and values that prove it."""

    sentence: str
    operations: list[OperationShape]
    values: list[Value]


class FaultFiguresShape(TypedDict):
    """What clients saw of one fault, in the details of `availability`."""

    inject_ns: Ns
    fraction: Seconds
    after_inject_s: NotRequired[Seconds]
    after_heal_s: NotRequired[Seconds]


class PutOutageShape(TypedDict):
    """A time without a successful put, in the details of `availability`."""

    begin_ns: Ns
    length_s: Annotated[float, Meta(ge=0, le=1e9)]


class KnownDefectShape(TypedDict):
    """A known defect of the servers that a run met, in the details of `server-logs`."""

    name: str
    issue: str | None
    finding: str | None
    seen: Number
    nodes: list[Number]


class DetailsShape(TypedDict):
    """A checker's own figures, of which readers use only these."""

    known_defects: NotRequired[list[KnownDefectShape]]
    faults: NotRequired[list[FaultFiguresShape] | dict[str, Any]]
    put_outages: NotRequired[list[PutOutageShape]]


class FindingShape(TypedDict):
    """All violations of one kind: how many, and of which items, as runs of numbers or texts."""

    reason: str
    count: Number
    items: list[Annotated[list[int], Meta(min_length=2, max_length=2)] | str]


class CheckShape(TypedDict):
    """One checker's verdict, as CheckResult.as_json wrote it."""

    name: str
    verdict: Word
    reasons: list[str]
    details: DetailsShape
    witnesses: list[WitnessShape]
    more_witnesses: Number
    findings: NotRequired[list[FindingShape]]


class NotRunShape(TypedDict):
    """A checker whose needs the history did not meet."""

    name: str
    needs: str


class CountsShape(TypedDict):
    """Numbers of distinct items; `duplicated` and `redelivered` count deliveries."""

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


class EvidenceShape(TypedDict):
    """What was observed of a fault, of which readers use only this."""

    took_ms: NotRequired[Annotated[float, Meta(ge=0, le=1e9)]]


class FaultShape(TypedDict):
    """One injection, and its heal if there was one."""

    fault: str
    name: str
    what: NotRequired[str]
    settings: NotRequired[dict[str, Any]]
    target: str | dict[str, Number] | list[str | dict[str, Number]] | None
    nodes: list[Number]
    outcome: str
    inject_ns: Ns
    heal_ns: Ns | None
    heal_outcome: str | None
    evidence: EvidenceShape
    unavailable_s: Seconds


class AvailabilityShape(TypedDict):
    """How much of the time calls succeeded."""

    fraction: Seconds
    longest_gap_s: Seconds


class ResultsShape(TypedDict):
    """All of results.json that readers rely on."""

    scenario: str
    seed: Whole
    verdict: Word
    expect: Word
    because: str | None
    as_expected: bool
    counts: CountsShape
    checks: list[CheckShape]
    not_run: list[NotRunShape]
    faults: list[FaultShape]
    availability: AvailabilityShape
    interrupted: NotRequired[str]


def load(folder: RunFolder) -> dict[str, Any]:
    """Return a run's results.json, with all that is in it.

    Raises:
        ScenarioError: it has none, or what is there is not one.
    """
    if not folder.results.exists():
        raise ScenarioError(
            f"{folder.path}: expected a judged run (with a results.json), got none; "
            f"`harness check` judges it"
        )
    data = files.read(folder.results, "results.json", at_most=MAX_BYTES)
    try:
        results: dict[str, Any] = msgspec.json.decode(data)
        shaped = msgspec.convert(results, ResultsShape)
    except DECODE_ERRORS as error:
        raise _damaged(folder, str(error)) from error
    found_invalid = any(check["verdict"] == "invalid" for check in shaped["checks"])
    if shaped["verdict"] == "invalid" and not found_invalid:
        raise _damaged(folder, "the verdict 'invalid' without a check that says so")
    return results


def load_if_any(folder: RunFolder) -> dict[str, Any] | None:
    """Return a run's results.json; None if it was not judged.

    Raises:
        ScenarioError: what is there is not one.
    """
    return load(folder) if folder.results.exists() else None


def broken_off(results: Mapping[str, Any]) -> bool:
    """Tell whether a run was interrupted before it found anything: it says nothing."""
    return "interrupted" in results and results["verdict"] == "unknown"


def versions(folder: RunFolder) -> dict[str, Any]:
    """Return a run's versions.json; if it cannot be read, the reason under `versions`."""
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
