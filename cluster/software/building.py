"""Build an image from a Dockerfile and files, and report its progress."""

import hashlib
import io
import os
import re
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import docker
from docker.errors import DockerException, ImageNotFound
from docker.models.images import Image

from cluster.cluster_errors import ImageError

HERE = Path(__file__).parent
TOLD_EVERY_S = 10.0
LAST_LINES = 2000  # characters of a failed build's output
# Predefined by every builder: they reach the build's commands and change no layer.
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")

_STEP = re.compile(r"^Step (\d+)/(\d+) :", re.MULTILINE)

Say = Callable[[str], None]


def find(client: docker.DockerClient, name: str) -> Image | None:
    """Return the image of that name or id; None if the engine has none."""
    try:
        return client.images.get(name)
    except ImageNotFound:
        return None
    except DockerException as error:
        raise ImageError(f"image {name!r}: {error}") from error


def build(
    client: docker.DockerClient,
    files: Mapping[str, bytes],
    *,
    what: str,
    say: Say,
    **settings: Any,
) -> Image:
    """Build an image and return it.

    Args:
        client: on the engine that builds it.
        files: the build's context by path, the Dockerfile too. Scripts (`.sh`) are executable.
        what: what is built, for people.
        say: gets each step that takes longer than a moment.
        settings: as of docker's `build`.

    Raises:
        ImageError: the build failed; has its last lines.
    """
    try:
        lines = client.api.build(
            fileobj=_context(files),
            custom_context=True,
            decode=True,
            rm=True,
            forcerm=True,
            **{**settings, "buildargs": {**proxies(), **settings.get("buildargs", {})}},
        )
        return client.images.get(_followed(lines, what, say))
    except DockerException as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(f"{what}: {error}") from error


def reason(error: DockerException) -> str:
    """Return the last clause of the engine's own words; before it stands what it had tried."""
    return str(getattr(error, "explanation", None) or error).rpartition(": ")[2]


def fingerprint(files: Mapping[str, bytes]) -> str:
    """Return a hash of all files, names too."""
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def proxies() -> dict[str, str]:
    """Return the proxies of this environment, which a build's own commands need too."""
    known = {name: os.environ.get(name) or os.environ.get(name.upper()) for name in _PROXIES}
    return {name: value for name, value in known.items() if value}


def _context(files: Mapping[str, bytes]) -> io.BytesIO:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755 if name.endswith(".sh") else 0o644
            tar.addfile(entry, io.BytesIO(content))
    packed.seek(0)
    return packed


def _followed(lines: Iterator[Mapping[str, Any]], what: str, say: Say) -> str:
    """Read a build's messages to their end; return the image's id."""
    output, id, began_s = "", "", time.monotonic()
    told_s = began_s
    for line in lines:
        if "error" in line:
            raise ImageError(
                f"{what}: {line['error']}; the build's last lines:\n{output[-LAST_LINES:]}"
            )
        output += str(line.get("stream", ""))
        id = str(line.get("aux", {}).get("ID", id))
        now_s = time.monotonic()
        if now_s - told_s > TOLD_EVERY_S and (steps := _STEP.findall(output)):
            told_s = now_s
            say(f"{what}: step {' of '.join(steps[-1])}, {now_s - began_s:.0f} s so far")
    if not id:
        raise ImageError(f"{what}: expected an image, got: {output[-LAST_LINES:]}")
    return id
