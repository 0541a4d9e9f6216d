"""The lease on the faults in a sandbox: the harness renews it, and sandbox.sh enforces it.

If the harness is killed, sandbox.sh takes off every rule after TERM_S at the latest.
"""

import math
import threading
import time
from collections.abc import Callable

from cluster.cluster_errors import ClusterError

TERM_S = 30  # a machine that stands still for less takes no rule off
RENEW_S = 4.0
AGAIN_S = 1.0  # after a renewal that failed


class Lease:
    """One sandbox's lease, renewed by a thread once it is taken.

    Args:
        run: runs a shell command in the sandbox.
        term_s: how long it lasts without renewal.
        renewed: whether to renew it. A command that injects a fault by hand ends at once, and so
            its lease lasts `term_s` from the last call of `take`.
    """

    def __init__(
        self, run: Callable[[str], object], *, term_s: int = TERM_S, renewed: bool = True
    ) -> None:
        self._run, self._term_s, self._renewed = run, term_s, renewed
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._renewed_s = math.inf  # when, on the monotonic clock; it is not renewed yet
        self._failed = ""  # what was said of the renewals that failed since then
        self._failure: ClusterError | None = None

    def take(self) -> str:
        """Begin to renew the lease; return the shell command that sets it to a full term.

        The caller runs that command in the sandbox, in one script with what the lease is for.

        Raises:
            ClusterError: it was not renewed in time before, so rules may have ended by themselves.
        """
        self.check()
        if self._renewed and self._thread is None:
            self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
            self._thread.start()
        return self._command()

    def unrenewed(self, term_s: int) -> "Lease":
        """Return a lease for the same sandbox that lasts `term_s` and is not renewed."""
        return Lease(self._run, term_s=term_s, renewed=False)

    def check(self) -> None:
        """Raise ClusterError if it was not renewed in time: what it covered may have ended."""
        late = self._late()  # its thread may wait for the engine
        if (failure := self._failure or late) is not None:
            raise ClusterError(f"lease: {failure}") from failure

    def end(self) -> None:
        """Stop the thread that renews it; what it covers ends within a term."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _command(self) -> str:
        return (
            "mkdir -p /run/nemesis && read -r now _ < /proc/uptime "
            # Replaced atomically: a sandbox that reads an empty file ends the lease.
            f"&& echo $(( ${{now%%.*}} + {self._term_s} )) > /run/nemesis/lease.$$ "
            "&& mv /run/nemesis/lease.$$ /run/nemesis/lease"
        )

    def _keep(self) -> None:
        """Renew it, again and again; a renewal that fails is tried again until the term is over."""
        self._renewed_s, failed = time.monotonic(), 0
        while not self._over.wait(AGAIN_S if failed else RENEW_S):
            try:
                self._run(self._command())
                renewed = True
            except Exception as error:  # noqa: BLE001 -- a thread
                renewed, failed = False, failed + 1
                self._failed = f"; {failed} tries failed, the last one: {error}"
            if (late := self._late()) is not None:
                self._failure = late  # also if it is renewed now: rules may have ended before
                return
            if renewed:
                self._renewed_s, self._failed, failed = time.monotonic(), "", 0

    def _late(self) -> ClusterError | None:
        """Return the error if the term is over since it was renewed last."""
        late_s = time.monotonic() - self._renewed_s
        if late_s <= self._term_s or self._over.is_set():
            return None
        why = self._failed or ": this machine or its engine stood still; run less beside it"
        return ClusterError(
            f"expected a renewal within {self._term_s} s, got none for {late_s:.0f} s{why}"
        )
