"""A digest of the code that runs here, to refuse workers that would judge by other code."""

import hashlib
import platform
from functools import cache
from pathlib import Path

PACKAGES = ("zkmq", "harness", "cluster")


@cache
def digest() -> str:
    """Return a short digest of Python's minor version and of every module of ours. About 50 ms."""
    root = Path(__file__).parents[2]
    found = hashlib.sha256(".".join(platform.python_version_tuple()[:2]).encode())
    for package in PACKAGES:
        for file in sorted((root / package).rglob("*.py")):
            found.update(file.relative_to(root).as_posix().encode() + b"\0")
            found.update(file.read_bytes())
    return found.hexdigest()[:12]
