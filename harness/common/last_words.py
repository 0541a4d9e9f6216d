"""The last trouble in the log of each server that does not serve, for error messages."""

import re
from collections.abc import Mapping, Sequence
from typing import Protocol

from harness.common.harness_errors import TargetError
from harness.common.server_states import NodeStatus

# Frames of a stack, and what every server that ends by itself says.
TELLS_NOTHING = re.compile(r"^at |Exiting JVM|exiting abnormally")
TROUBLE = re.compile(r"\b(WARN|ERROR|FATAL|Exception|\w+(Exception|Error))\b")


class Server(Protocol):
    """What is asked of one server; `harness.target.Node` has it."""

    @property
    def process(self) -> str: ...  # noqa: D102 -- see Node

    def log(self) -> bytes: ...  # noqa: D102


def last_words(servers: Mapping[int, Server], seen: Sequence[NodeStatus]) -> str:
    """Return a clause for each server that does not serve: its process, and its last trouble.

    Each clause begins with a semicolon. If all servers serve, the result is empty. If a log has no
    trouble, the clause has its last line. If a log cannot be read, the clause says why.
    """
    return "".join(f"; {s.node}: {_words_of(servers[s.node])}" for s in seen if not s.serving)


def _words_of(server: Server) -> str:
    try:
        process, lines = server.process, server.log().decode(errors="replace").split("\n")
    except TargetError as error:
        return str(error)
    lines = [line.strip() for line in lines if line.strip()]
    troubles = [line for line in lines if TROUBLE.search(line) and not TELLS_NOTHING.search(line)]
    return f"{process}, and its log ends with {(troubles or lines or ['nothing'])[-1]!r}"
