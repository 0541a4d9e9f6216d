"""The cluster's errors.

TargetError (of the harness: exit status 255)
└── ClusterError
    ├── EngineError   no Docker engine, or it refuses
    │   └── EngineGoneError   it answered before, and now it does not
    ├── CommandKilledError   the engine killed a command in a container
    ├── ContainerGoneError   a container of a quorum is gone
    ├── ImageError    the ZooKeeper image could not be built or is not what was asked for
    └── PortError     a port that was asked for by number is taken
"""

from docker.errors import DockerException

from harness.common.harness_errors import TargetError


class ClusterError(TargetError):
    """Root of what this package raises; the message is one sentence for the user."""


class EngineError(ClusterError):
    """No Docker engine answers, or it refused what was asked."""


class EngineGoneError(EngineError, DockerException):
    """A request to the engine got no answer; docker's own errors are about answers only."""


class CommandKilledError(ClusterError):
    """The engine killed a command in a container, so it may have done a part."""


class ContainerGoneError(ClusterError):
    """A container of a quorum is gone, and it was not us who removed it."""


class ImageError(ClusterError):
    """An image could not be built, or is not the release that was asked for."""


class PortError(ClusterError):
    """A port that was asked for by number is taken."""
