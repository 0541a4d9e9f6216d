"""Lend a quorum to a run: a new one for each, or one that is kept for many."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from docker.errors import DockerException

from cluster import starting
from cluster.cluster_errors import ClusterError
from cluster.quorum import DockerQuorum
from cluster.starting import remove_all_the_same
from harness.common.settings.quorum_config import QuorumConfig


@contextmanager
def started(
    config: QuorumConfig,
    *,
    by_hand: bool,
    say: Callable[[str], None],
    keep_disks: Path | None = None,
) -> Iterator[DockerQuorum]:
    """Start a quorum, and remove it when the context ends; `by_hand` leaves it up.

    `keep_disks` is a folder for the servers' disks, if nothing fails. What cannot be removed is
    said, and is no failure: the record of a run is whole by then.
    """
    up = starting.up(config, by_hand=by_hand, say=say)
    try:
        with _as_ours(up):
            yield up
            if keep_disks is not None:
                up.keep_disks(keep_disks)
    except BaseException:
        if not by_hand:
            remove_all_the_same(up.run, up.down, say)
        raise
    if not by_hand:
        remove_all_the_same(up.run, up.down, say)


@contextmanager
def _as_ours(up: DockerQuorum) -> Iterator[None]:
    """Turn what docker raises when the engine refuses into an error for the user."""
    try:
        yield
    except DockerException as error:
        if isinstance(error, ClusterError):
            raise
        raise ClusterError(f"quorum {up.run}: the Docker engine says: {error}") from error


class Kept:
    """One quorum for many runs, one after the other; each gets new servers with empty disks.

    After a run that failed, and for a run that needs other sandboxes, it starts another quorum.
    Not thread-safe.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._up: DockerQuorum | None = None
        self._config = QuorumConfig()

    @contextmanager
    def lend(self, config: QuorumConfig) -> Iterator[DockerQuorum]:
        """Lend a quorum with these settings, and take it back when the context ends."""
        if self._up is not None and config.place != self._config.place:
            self.close()
        if self._up is None:
            self._up = starting.up(config, say=self._say)
        else:
            self._renew(self._up, config)
        self._config = config
        try:
            with _as_ours(self._up):
                yield self._up
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Remove the quorum, if there is one; what cannot be removed is said, as by `started`."""
        up, self._up = self._up, None
        if up is not None:
            remove_all_the_same(up.run, up.down, self._say)

    def _renew(self, up: DockerQuorum, config: QuorumConfig) -> None:
        try:
            up.renew(config, say=self._say)
        except BaseException:
            self.close()
            raise
