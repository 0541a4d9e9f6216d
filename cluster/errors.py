"""The cluster's errors.

TargetError (of the harness: exit status 255)
└── ClusterError
    ├── EngineError   no Docker engine, or it refuses
    ├── ImageError    the ZooKeeper image could not be built or is not what was asked for
    └── PortError     a port that was asked for by number is taken
"""

from harness.target import TargetError


class ClusterError(TargetError):
    """Root of what this package raises; the message is one sentence for the user."""


class EngineError(ClusterError):
    """No Docker engine answers, or it refused what was asked."""


class ImageError(ClusterError):
    """An image could not be built, or is not the release that was asked for."""


class PortError(ClusterError):
    """A port that was asked for by number is taken."""
