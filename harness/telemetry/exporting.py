"""Have a run sent to an OpenTelemetry collector while it goes on.

Without a collector nothing is started and nothing is imported.
"""

import contextlib
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import IO
from urllib.parse import urlsplit

import msgspec

from harness.common import process_group
from harness.common.harness_errors import ScenarioError
from harness.common.run_folder import RunFolder

EXTRA = "zkmq[otlp]"
TIMEOUT_S = 3.0
ENDS_WITHIN_S = 60.0  # the process ends by itself before


def require(url: str) -> None:
    """Refuse, before anything runs, what is no collector's address, or a missing package.

    Raises:
        ScenarioError: the URL cannot be one, or the exporter is not installed.
    """
    try:
        parts = urlsplit(url)
        right = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        right = False
    if not right:
        raise ScenarioError(
            f"--otlp: expected a collector's base URL, such as http://localhost:4318, got {url!r}"
        )
    if parts.username or parts.password:
        raise ScenarioError(
            "--otlp: expected a URL without a password, which others could read in the process "
            "list; set OTEL_EXPORTER_OTLP_HEADERS instead"
        )
    if _missing():
        raise ScenarioError(f"--otlp: it needs opentelemetry: pip install '{EXTRA}'")


@contextmanager
def to(
    url: str | None,
    folder: RunFolder,
    *,
    scenario: str,
    seed: int,
    say: Callable[[str], None],
    environment: dict[str, str],
    timeout_s: float = TIMEOUT_S,
) -> Iterator[None]:
    """Send the run in `folder` to a collector while the context lasts; None sends nothing."""
    if url is None:
        yield
        return
    task = {
        "url": url,
        "parts": str(folder.parts),
        "results": str(folder.results),
        "run": f"{scenario}/{folder.path.name}",
        "scenario": scenario,
        "seed": seed,
        "timeout_s": timeout_s,
    }
    log = folder.logs / "otlp.log"
    with log.open("wb") as errors:
        process = process_group.start(
            ["harness.telemetry.exporter_process"], environment, stderr=errors
        )
    assert process.stdin is not None
    assert process.stdout is not None
    reader = threading.Thread(target=_pass_on, args=(process.stdout, say), daemon=True)
    reader.start()
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(msgspec.json.encode(task) + b"\n")
        process.stdin.flush()
    try:
        yield
    finally:
        _end(process, reader)
        if process.returncode != 0:
            say(f"--otlp: the process that sends the run failed; {log} says why")


def _end(process: subprocess.Popen[bytes], reader: threading.Thread) -> None:
    """Tell it that the run is over, and wait until it has sent the rest."""
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    try:
        process.wait(ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    reader.join()
    process.stdout.close()


def _pass_on(lines: IO[bytes], say: Callable[[str], None]) -> None:
    for line in lines:
        say(line.decode(errors="replace").rstrip())


def _missing() -> bool:
    try:
        return find_spec("opentelemetry.exporter.otlp.proto.http") is None
    except ModuleNotFoundError:
        return True
