"""Ask one server for its state with ZooKeeper's four-letter words, each over a new connection.

Source: ZooKeeper Administrator's Guide, "The Four Letter Words" (srvr, mntr).
"""

import socket

from harness.common.server_states import NodeStatus

TIMEOUT_S = 0.5


def four_letter_word(address: tuple[str, int], word: str, *, timeout_s: float = TIMEOUT_S) -> str:
    """Return the answer to one word.

    Raises:
        OSError: refused, reset, or (TimeoutError) silent for `timeout_s`.
    """
    with socket.create_connection(address, timeout=timeout_s) as connection:
        connection.sendall(word.encode())
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts).decode(errors="replace")


def look(node: int, address: tuple[str, int], *, metrics: bool = False) -> NodeStatus:
    """Return a server's role if it serves, else `looking`, `silent` or `down`."""
    try:
        answer = four_letter_word(address, "srvr")
        told = four_letter_word(address, "mntr") if metrics and answer else ""
    except TimeoutError:
        return NodeStatus(node=node, mode="silent")
    except OSError:
        return NodeStatus(node=node, mode="down")
    fields = parse_srvr(answer)
    if "Mode" not in fields:
        # An empty answer comes from the proxy of a published port with no server behind it.
        return NodeStatus(node=node, mode="looking" if answer else "down")
    return NodeStatus(
        node=node,
        mode=fields["Mode"],
        zxid=int(fields["Zxid"], 16),
        metrics=parse_mntr(told) if metrics else None,
    )


def parse_srvr(answer: str) -> dict[str, str]:
    """Read the `Key: value` lines of an answer to `srvr`."""
    lines = (line.partition(":") for line in answer.splitlines())
    return {key.strip(): value.strip() for key, colon, value in lines if colon}


def parse_mntr(answer: str) -> dict[str, str]:
    """Read the tab-separated lines of an answer to `mntr`."""
    lines = (line.partition("\t") for line in answer.splitlines())
    return {key: value.strip() for key, tab, value in lines if tab}
