"""The system under test as the harness sees it, so that faults and workloads never see Docker."""

from harness.target.node import DOWN, Evidence, Node
from harness.target.system import (
    Clients,
    Gateway,
    Ledger,
    Quorum,
    RoundTrips,
    System,
    Target,
)

__all__ = [
    "DOWN",
    "Clients",
    "Evidence",
    "Gateway",
    "Ledger",
    "Node",
    "Quorum",
    "RoundTrips",
    "System",
    "Target",
]
