"""`harness doctor`: what this machine can run, and what is missing for the rest."""

import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cluster import abilities
from cluster.cluster_errors import ClusterError
from cluster.engine import docker_endpoint as endpoint
from cluster.engine import engine
from cluster.software import image
from harness.commands.manual import standing
from harness.commands.options import DEFAULT_RUNS, RunsOption
from harness.common.harness_errors import HarnessError, ScenarioError
from harness.common.settings.quorum_config import QuorumConfig
from harness.faults import faults
from harness.report.terminal import Terminal
from harness.scenario import catalogue, loading
from harness.scenario.schema import Scenario

ALL, NOT_ALL, NOT_KNOWN = 0, 1, 2
LEAST_FREE_GB = 1.0  # for runs; a long one leaves 100 MB
IMAGES_GB = 2.0  # free for the engine, where images have still to be made
# What a fault needs of the kernel, by the slot or the key of `cluster` that it names.
_OF_SLOT = {"cut": "nft", "late": "nfqueue", "loss": "nft"}
_OF_KEY = {
    "faketime": "clock",
    "data_mb": "full-disk",
    "disk_shim": "disk-shim",
    "failpoints": "failpoints",
}
_OF_FAULT = {"bandwidth": "tbf", "pause": "freezer"}
_REMEDIES = {
    "engine": "docs/installing.md says how to get one",
    "images": "`harness doctor --build` gets them, and so does the first run",
    "tbf": "load the kernel's module sch_tbf",
    "nft": "load the kernel's module nf_tables",
    "nfqueue": "load the kernel's modules nfnetlink_queue and xt_NFQUEUE",
    "freezer": "a rootless engine needs cgroup v2",
    "clock": "use an image whose libc is 2.34 or newer",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkup:
    """One thing that was looked at.

    Attributes:
        works: None if that is not known.
        told: what was seen, or why it does not work.
    """

    name: str
    works: bool | None
    told: str
    remedy: str = ""


def register(app: typer.Typer) -> None:
    """Add the command of this file to the command line."""
    app.command(epilog="Example: harness doctor --build && make run")(doctor)


def doctor(
    keep_in: RunsOption = DEFAULT_RUNS,
    *,
    build: Annotated[
        bool, typer.Option("--build", help="Get images that are not here; takes minutes.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Say what this machine can run: engine, kernel, memory, disk, ports, scenarios.

    Starts one server for a few seconds and tries what faults need on it. Ends with 0 if everything
    can run, 1 if something cannot, 2 if that is not known yet.
    """
    say = Terminal(Console(stderr=True, highlight=False)).say
    findings = list(_of_machine(keep_in, say, build=build))
    families = list(_families({one.name: one for one in findings}))
    status = _status([*findings, *families])
    if as_json:
        told = {"findings": findings, "families": families}
        rows = {name: [asdict(one) for one in ones] for name, ones in told.items()}
        sys.stdout.write(json.dumps({"status": status, **rows}, indent=2) + "\n")
    else:
        _print(findings, families)
    return status


def _of_machine(keep_in: Path, say: Any, *, build: bool) -> Iterator[Checkup]:
    try:
        client = engine.connect()
    except ClusterError as error:
        yield _finding("engine", works=False, told=str(error))
        yield from (_finding(name, works=None, told="no engine") for name in _OF_ENGINE)
    else:
        yield from _of_engine(client, say, build=build)
        client.close()
    yield _disk("runs-disk", keep_in, LEAST_FREE_GB)
    yield _ports()


_OF_ENGINE = ("images", "memory", *abilities.ATTEMPTS)


def _of_engine(client: Any, say: Any, *, build: bool) -> Iterator[Checkup]:
    info = client.info()
    rootless = any("rootless" in option for option in info.get("SecurityOptions") or [])
    linux = info.get("OSType") == "linux"
    kind = ", rootless" if rootless else "" if linux else ", for Windows containers"
    cgroup = f"cgroup v{info.get('CgroupVersion', 1)}"
    told = f"Docker {info['ServerVersion']} at {endpoint.find()}{kind}, {cgroup}"
    yield _finding("engine", works=linux, told=f"{told}, {info['NCPU']} CPUs")
    memory_mb = int(info["MemTotal"]) >> 20
    yield _finding("memory", works=memory_mb >= _heaps_mb(QuorumConfig()), told=f"{memory_mb} MB")
    images = _images(client, say, build=build)
    yield images
    if (root := Path(str(info.get("DockerRootDir", "")))).is_dir():
        yield _disk("engine-disk", root, 0.1 if images.works else IMAGES_GB)
    if images.works:
        yield from _abilities(say)
    else:
        yield from (_finding(name, works=None, told="needs images") for name in abilities.ATTEMPTS)


def _images(client: Any, say: Any, *, build: bool) -> Checkup:
    try:
        if build:
            image.sandbox(client, say)
            image.server(client, QuorumConfig(), say)
        found = image.here(client, QuorumConfig())
    except HarnessError as error:
        return _finding("images", works=False, told=str(error))
    if found is None:
        return _finding("images", works=None, told="not built or pulled yet")
    return _finding("images", works=True, told=f"ZooKeeper {found.release} from {found.origin}")


def _abilities(say: Any) -> Iterator[Checkup]:
    try:
        tried = abilities.tried(say)
    except HarnessError as error:
        why = f"no server could be started: {error}"
        tried = dict.fromkeys(abilities.ATTEMPTS, why)
    for name, why_not in tried.items():
        used_by = ", ".join(fault for fault in faults if name in means_of(fault))
        yield _finding(name, works=why_not is None, told=why_not or f"for {used_by or 'no fault'}")


def _disk(name: str, wanted: Path, least_gb: float) -> Checkup:
    place = next(path for path in (wanted.resolve(), *wanted.resolve().parents) if path.exists())
    free_gb = shutil.disk_usage(place).free / 1e9
    told = f"{free_gb:.1f} GB free at {place}, of {least_gb:g} GB at least"
    return _finding(name, works=free_gb >= least_gb, told=told)


def _ports() -> Checkup:
    try:
        said: list[str] = []
        standing.hold(None, said.append).close()
    except OSError as error:
        return _finding("ports", works=False, told=f"no port of loopback can be had: {error}")
    return _finding("ports", works=True, told=said[0] if said else "the gateway's is free")


def means_of(fault: str) -> set[str]:
    """Return what a fault needs of the kernel, by the names of cluster.abilities."""
    kind = faults[fault]
    found = {_OF_FAULT.get(fault), _OF_SLOT.get(kind.slot or "")}
    return {name for name in found | {_OF_KEY.get(key) for key in kind.needs} if name is not None}


def needs(scenario: Scenario) -> set[str]:
    """Return what a scenario needs to run: means of faults, releases, memory."""
    kinds = {entry.kind for entry in scenario.fault_entries if entry.fault is not None}
    found = {name for kind in kinds for name in means_of(kind)}
    found |= {_OF_KEY[key] for key in _OF_KEY if getattr(scenario.cluster, key)}
    named = [scenario.cluster.zookeeper] if scenario.cluster.exact else []
    found |= {f"ZooKeeper {wanted}" for wanted in (*named, *scenario.upgrades)}
    return found | {"ports"} if scenario.transport == "rest" else found


def _families(seen: Mapping[str, Checkup]) -> Iterator[Checkup]:
    """Say of each folder of scenarios what it needs, and whether it can run here."""
    by_folder: dict[str, list[tuple[str, Scenario]]] = {}
    for name, path in catalogue.names(catalogue.folder()):
        try:
            by_folder.setdefault(name.partition("/")[0], []).append((name, loading.load(path)))
        except ScenarioError:
            continue  # `harness list` tells what is wrong with it
    for folder, scenarios in by_folder.items():
        yield _family(folder, scenarios, seen)


def _family(
    folder: str, scenarios: Sequence[tuple[str, Scenario]], seen: Mapping[str, Checkup]
) -> Checkup:
    wanted = {name: needs(scenario) for name, scenario in scenarios}
    heap_mb = max(_heaps_mb(scenario.cluster) for _, scenario in scenarios)
    lacking = sorted(
        f"{name} ({', '.join(sorted(missing))})"
        for name, means in wanted.items()
        if (missing := {one for one in means if one in seen and seen[one].works is False})
    )
    base = [seen[name].works for name in ("engine", "memory", "images")]
    works = None if None in base else all(base)
    everything = sorted(set().union(*wanted.values()))
    told = f"{len(scenarios)} scenarios, {heap_mb} MB for heaps"
    told += f"; need {', '.join(everything)}" if everything else ""
    if lacking:
        return Checkup(
            name=folder, works=False, told=told, remedy=f"cannot run: {', '.join(lacking)}"
        )
    return Checkup(name=folder, works=works, told=told)


def _heaps_mb(config: QuorumConfig) -> int:
    return sum(node.heap_mb or config.heap_mb for node in config.each.values())


def _finding(name: str, *, works: bool | None, told: str) -> Checkup:
    return Checkup(
        name=name, works=works, told=told, remedy="" if works else _REMEDIES.get(name, "")
    )


def _status(findings: Sequence[Checkup]) -> int:
    if any(one.works is False for one in findings):
        return NOT_ALL
    return NOT_KNOWN if any(one.works is None for one in findings) else ALL


def _print(findings: Sequence[Checkup], families: Sequence[Checkup]) -> None:
    words = {True: "[green]ok[/]", False: "[red]no[/]", None: "[yellow]unknown[/]"}
    console = Console(highlight=False)
    for title, rows in (("This machine", findings), ("Scenarios, by folder", families)):
        table = Table(
            box=None, show_header=False, pad_edge=False, title=title, title_justify="left"
        )
        for one in rows:
            remedy = f"\n{one.remedy}" if one.remedy else ""
            table.add_row(one.name, words[one.works], f"{one.told}{remedy}")
        console.print(table)
