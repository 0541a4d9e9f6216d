"""An engine whose containers end at once, each with a status and an output."""

from collections.abc import Callable
from typing import Any


class _Ended:
    def __init__(self, status: int, output: bytes) -> None:
        self._status, self._output = status, output

    def start(self) -> None:
        """Start, and be over."""

    def wait(self, *, timeout: float) -> dict[str, int]:
        """Return the status."""
        return {"StatusCode": self._status}

    def logs(self, *, stdout: bool, stderr: bool) -> bytes:
        """Return what was written to one of the two; errors if it failed."""
        return self._output if stdout is not bool(self._status) and stdout is not stderr else b""

    def remove(self, **_: Any) -> None:
        """Go."""


class CommandEngine:
    """A client of it; `ends` says how the next container ends. Notes what each was made with."""

    def __init__(self, ends: Callable[[], tuple[int, bytes]]) -> None:
        self._ends = ends
        self.containers = self
        self.started: list[dict[str, Any]] = []

    def create(self, image: str, command: list[str], **how: Any) -> _Ended:
        """Make a container."""
        self.started.append({"image": image, "command": command, **how})
        return _Ended(*self._ends())
