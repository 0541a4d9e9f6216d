"""bench/results.json: one row per figure, written by whichever benchmark measured it last."""

import platform
from pathlib import Path
from typing import Any

import msgspec

RESULTS = Path(__file__).with_name("results.json")


def write_row(row: dict[str, Any]) -> None:
    """Put one row into the file, in place of an older one of its name.

    A row has name, ours, peer, peer_name, unit, ratio and spread ([least, most] of the rounds);
    more keys are welcome.
    """
    old = msgspec.json.decode(RESULTS.read_bytes()) if RESULTS.exists() else {"rows": []}
    rows = [r for r in old["rows"] if r["name"] != row["name"]] + [row]
    machine = {
        "machine": platform.machine(),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }
    data = {"machine": machine, "rows": sorted(rows, key=lambda r: str(r["name"]))}
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(data), indent=2) + b"\n")


def limit_row(
    name: str, figure: float, limit: float | None, unit: str, **more: Any
) -> dict[str, Any]:
    """Return the row of a figure that is to stay below a limit, or has none."""
    ratio = limit and round(figure / limit, 2)
    return {
        "name": name,
        "ours": round(figure, 3),
        "peer": limit,
        "peer_name": "limit",
        "unit": unit,
        "ratio": ratio,
        "spread": ratio and [ratio, ratio],
        **more,
    }
