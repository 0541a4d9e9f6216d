"""What bandwidth and latency have in common: a shape on nodes, seen to hold packets back."""

import time
from collections.abc import Sequence

from harness.harness_errors import TargetError
from harness.target import Evidence, Quorum, Shape

SLOT = "shape"
NO_SHAPE = {"noqueue", "pfifo_fast", "fq_codel"}  # what a device has when nobody shaped it
BITES_WITHIN_S = 3.0
POLL_S = 0.1


def inject(quorum: Quorum, nodes: Sequence[int], shape: Shape) -> Evidence:
    """Shape the nodes, and wait a while until each has held a packet back."""
    shaped = [quorum.nodes[id].shape(shape) for id in nodes]
    deadline = time.monotonic() + BITES_WITHIN_S
    while True:
        seen = [quorum.nodes[id].shaped() for id in nodes]
        if bit({"seen": seen}) or time.monotonic() > deadline:
            return {"shaped": shaped, "seen": seen}
        time.sleep(POLL_S)


def bit(evidence: Evidence) -> bool:
    """Require that packets were held back on every node."""
    return all(seen["held"] for seen in evidence["seen"])


def heal(quorum: Quorum, nodes: Sequence[int]) -> Evidence:
    """Take the shape off; return what it had done by then.

    Raises:
        TargetError: a node still has one.
    """
    seen = [quorum.nodes[id].shaped() for id in nodes]
    for id in nodes:
        quorum.nodes[id].shape(None)
    left = {id: kind for id in nodes if (kind := quorum.nodes[id].shaped()["kind"]) not in NO_SHAPE}
    if left:
        raise TargetError(f"shape: expected none, got {left}")
    return {"seen": seen}
