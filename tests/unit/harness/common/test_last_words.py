"""An error about servers that do not serve says what they said last."""

from dataclasses import dataclass

import pytest

from harness.common.harness_errors import TargetError
from harness.common.last_words import last_words
from harness.common.server_states import NodeStatus


@dataclass
class Server:
    """A server with a log, or none that can be read."""

    written: bytes | None
    process: str = "exited"

    def log(self) -> bytes:
        """Return the log."""
        if self.written is None:
            raise TargetError("node 1: the engine is gone")
        return self.written


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (b"INFO up\nERROR no disk\nINFO bye\n\n", "exited, and its log ends with 'ERROR no disk'"),
        (
            b"a\njava.io.EOFException: x\n  at a.FileException.b(c.java:6)\n",
            "ends with 'java.io.EOFException: x'",
        ),
        (b"ERROR it broke\nERROR Exiting JVM with code 2\n", "ends with 'ERROR it broke'"),
        (b"INFO up\n\xffINFO bye", "ends with '\N{REPLACEMENT CHARACTER}INFO bye'"),
        (b"", "ends with 'nothing'"),
        (None, "the engine is gone"),
    ],
)
def test_the_last_trouble_is_told(written: bytes | None, told: str) -> None:
    """The last line that tells of trouble, else the last line, whatever is in it."""
    words = last_words({1: Server(written)}, [NodeStatus(node=1, mode="down")])
    assert words.startswith("; 1: ")
    assert words.endswith(told)


def test_servers_that_serve_are_left_out() -> None:
    """Only those that do not serve explain what went wrong."""
    seen = [NodeStatus(node=1, mode="leader"), NodeStatus(node=2, mode="looking")]
    assert last_words({1: Server(b"one"), 2: Server(b"two", "running")}, seen) == (
        "; 2: running, and its log ends with 'two'"
    )
