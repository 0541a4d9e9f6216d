"""report.html: one file with everything in it, that opens without a network."""

import importlib.resources
import json
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from harness import words
from harness.common import files
from harness.common.harness_errors import ScenarioError
from harness.common.run_folder import RunFolder
from harness.history.columns import History
from harness.history.record import Value
from harness.report import call_errors, client_lives, judged, log_lines, server_trees
from harness.report.charts import figure, rates, sample, spans
from harness.report.story import story
from harness.scenario import catalogue, loading

FILE = "report.html"
CHART_STYLE = "vendor/uPlot.min.css"
COUNTS = {
    "attempted": "puts attempted",
    "acknowledged": "puts acknowledged",
    "delivered": "items delivered",
    "completed": "items done",
    "lost": "items lost",
    "duplicated": "unexplained deliveries",
    "redelivered": "explained redeliveries",
    "recovered": "recovered: put unknown, delivered",
    "unexpected": "delivered, never put",
    "phantom": "delivered, put failed",
    "unfinished": "delivered, not done",
}
BAD = {"lost", "duplicated", "unexpected", "phantom"}


def write(folder: RunFolder, items: Iterable[str] = ()) -> Path:
    """Build the report of a judged run; it always includes the lives of `items`.

    Raises:
        ScenarioError: the run has not been judged, or an item is not in its history.
    """
    results = judged.load(folder)
    history = History.load(folder.history)
    page = render(history, results, folder, _known(history, items))
    target = folder.path / FILE
    files.write(target, page.encode())
    return target


def render(
    history: History, results: Mapping[str, Any], folder: RunFolder, items: Sequence[Value] = ()
) -> str:
    """Return the page of a run whose history and results are loaded already."""
    picture = figure.draw(history, results)
    servers = server_trees.compare(history)
    checks = words.gravest_first(results["checks"])
    return template("report.html.j2").render(
        run=folder.path.name,
        results=results,
        headline=words.headline(results, servers.read),
        description=_description(folder),
        story=story.tell(history, results),
        findings=[check for check in checks if check["verdict"] != "valid"],
        checks=checks,
        counts=[(label, results["counts"].get(key), key in BAD) for key, label in COUNTS.items()],
        faults=list(_faults(results)),
        events=list(_events(history, results)),
        picture=picture,
        drawn=len(picture.rows),
        least_for_median=rates.LEAST_FOR_MEDIAN,
        least_for_p99=rates.LEAST_FOR_P99,
        servers=servers,
        logs=sorted(path.name for path in folder.logs.glob("node-*.log")),
        versions=versions(folder),
        scenario=text(folder.scenario, "scenario"),
        plan=text(folder.plan, "plan"),
        data=script({"figure": picture.data} | _told(history, results, folder, picture, items)),
        scripts=(*chart_scripts(), resource("report.js")),
        css=resource(CHART_STYLE) + resource("report.css"),
        path=_shown(folder.path),
        again=_again(folder, results),
        intervals=_intervals,
        words=words,
    )


def _shown(path: Path) -> str:
    """Return a path for a command line: from the current folder if it is inside, else whole."""
    inside = path.is_relative_to(Path.cwd())
    return shlex.quote(str(path.relative_to(Path.cwd()) if inside else path))


def _again(folder: RunFolder, results: Mapping[str, Any]) -> str:
    """Return what names the scenario on a command line; the run's copy if it is not ours."""
    try:
        return catalogue.argument(catalogue.find(Path(results["scenario"])))
    except ScenarioError:
        return _shown(folder.scenario)


def _told(
    history: History,
    results: Mapping[str, Any],
    folder: RunFolder,
    picture: figure.Picture,
    items: Sequence[Value],
) -> dict[str, Any]:
    """Return what report.js tells of single calls and items."""
    calls = picture.data["calls"]
    important_s = [calls["from_s"][place] for place in calls["witness"]]
    important_s += [fault["inject_ns"] / 1e9 for fault in results["faults"]]
    return client_lives.tell(history, results, items) | {
        "errors": call_errors.read(folder.history, history, picture.rows),
        "logs": log_lines.tell(history, folder, important_s),
    }


def _description(folder: RunFolder) -> str:
    """Return what the scenario says of itself; nothing if a later release cannot read it."""
    try:
        return loading.load(folder.scenario).description.strip()
    except ScenarioError:
        return ""


def versions(folder: RunFolder) -> list[tuple[str, str]]:
    """Return versions.json flat, one line where all servers are the same."""
    rows = []
    for name, value in judged.versions(folder).items():
        if isinstance(value, dict) and len(set(map(str, value.values()))) == 1 and len(value) > 1:
            rows.append((name, f"{next(iter(value.values()))} (all {len(value)})"))
        elif isinstance(value, dict):
            rows += [(f"{name} {key}", str(inner)) for key, inner in value.items()]
        else:
            rows.append((name, str(value)))
    return rows


def template(name: str) -> jinja2.Template:
    """Return a template of this package; it escapes all values, so none is taken for markup."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(resource),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def resource(name: str) -> str:
    """Return one of this package's files."""
    return (importlib.resources.files("harness.report") / name).read_text(encoding="utf-8")


def _known(history: History, items: Iterable[str]) -> list[Value]:
    """Return the item ids that these words mean; a word may be a number or a string."""
    by_word = {str(value): value for value in history.values} if items else {}
    for item in items:
        if item not in by_word:
            raise ScenarioError(f"--item: expected an item of this history, got {item!r}")
    return [by_word[item] for item in items]


def _faults(results: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield each fault with what clients saw of it; figures exist for those that bit."""
    figures: dict[int, Mapping[str, Any]] = {}
    for check in results["checks"]:
        rows = check["details"].get("faults")
        if check["name"] == "availability" and isinstance(rows, list):
            figures = {row["inject_ns"]: row for row in rows}
    for fault in results["faults"]:
        yield dict(fault) | {"figures": figures.get(fault["inject_ns"], {})}


def _intervals(
    operations: Sequence[Mapping[str, Any]],
) -> Iterator[tuple[Mapping[str, Any], dict[str, float]]]:
    """Yield each operation with its bar in percent, by ranks of times so that short ones show."""
    begins = [row["invoke_ns"] for row in operations]
    ends = [row["complete_ns"] for row in operations if row["complete_ns"] is not None]
    rank = {at_ns: place for place, at_ns in enumerate(sorted({*begins, *ends}))}
    last = len(rank)
    for row in sorted(operations, key=lambda row: row["invoke_ns"]):
        begin = rank[row["invoke_ns"]]
        end = last if row["complete_ns"] is None else rank[row["complete_ns"]]
        left, width = 100 * begin / last, 100 * (end - begin) / last
        yield row, {"left": round(left, 1), "width": round(width, 1)}


def _events(history: History, results: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """Yield what the timeline shows, as (time_ns, sentence) in order: the same for every reader."""
    found = [
        (at_ns, f"{words.nodes([node])} leads") for at_ns, node in spans.leader_changes(history)
    ]
    for fault in results["faults"]:
        what = words.fault(fault)
        found.append((fault["inject_ns"], f"{what}: {fault['outcome']}"))
        if fault["heal_ns"] is not None:
            found.append((fault["heal_ns"], f"{what}: healed"))
    found += [
        (end.time_ns, f"session of process {end.process} ended: {end.why}")
        for end in spans.session_ends(history)
    ]
    for row in np.flatnonzero(sample.witness_rows(history, results)).tolist():
        call = history.operation(row)
        told = f"witness: process {call.process}, {call.f} {call.value}: {call.outcome}"
        found.append((call.invoke_ns, told))
    yield from sorted(found)


def text(path: Path, kind: str) -> str:
    """Return a file's text, or why there is none to show."""
    try:
        return files.read(path, kind, at_most=judged.MAX_BYTES).decode(errors="replace")
    except ScenarioError as error:
        return str(error) if path.exists() else ""


def script(data: Mapping[str, Any]) -> str:
    """Return JSON that is safe inside a script element: it cannot close it."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def chart_scripts() -> tuple[str, ...]:
    """Return the scripts that a page with charts needs, in order: uPlot (docs/adr/) and ours."""
    return resource("vendor/uPlot.iife.min.js"), resource("charts.js")
