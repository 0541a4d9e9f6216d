"""A table of known defects of ZooKeeper releases.

A scenario about the queue must not fail because of them, and a run must not hide them, so
`server-logs` counts each by name. Any other exception is a finding. An entry names the method that
fails and the releases in which it does, so that a new defect is not taken for a known one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

SERVER = "org.apache.zookeeper.server."
QUORUM = f"{SERVER}quorum."


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerDefect:
    """One known defect.

    Attributes:
        name: stands in results, and in `because` of a scenario that is about it.
        pattern: the pattern of `server-log` notes whose lines it explains.
        at: the methods in which the exception is thrown.
        through: a method that must be in the stack trace too; empty for none.
        releases: those in which it was seen, or is in the source; None: any.
        issue: in ZooKeeper's tracker; None if it has not been reported.
        finding: the scenario that shows it; None if it needs luck or a failpoint.
        what: what happens, in one sentence.
    """

    name: str
    pattern: str = "null-pointer"
    at: tuple[str, ...]
    through: str = ""
    releases: frozenset[str] | None
    issue: str | None
    finding: str | None
    what: str

    def explains(self, trace: Mapping[str, Any]) -> bool:
        """Tell whether a stack trace of a note is this defect's."""
        frames = list(trace.get("frames") or [""])
        here = frames[0] in self.at and (not self.through or self.through in frames)
        return here and trace.get("pattern") == self.pattern and self._in(trace.get("release"))

    def _in(self, release: object) -> bool:
        return self.releases is None or release in self.releases


DEFECTS: Final = (
    ServerDefect(
        name="zookeeper-4394",
        at=(f"{QUORUM}Learner.syncWithLeader",),
        releases=frozenset({"3.8.0"}),
        issue="ZOOKEEPER-4394",
        finding="scenarios/findings/zookeeper-4394.yaml",
        what="A follower that comes back under load forgets a proposal before its commit comes, "
        "and starts anew.",
    ),
    ServerDefect(
        name="zookeeper-4409",
        at=(
            f"{QUORUM}SendAckRequestProcessor.flush",
            f"{QUORUM}SendAckRequestProcessor.processRequest",
        ),
        releases=frozenset({"3.8.0"}),
        issue="ZOOKEEPER-4409",
        finding=None,
        what="A follower acknowledges to a leader whose connection it has just closed.",
    ),
    ServerDefect(
        name="revalidate-session",
        at=(
            f"{QUORUM}LearnerZooKeeperServer.revalidateSession",
            f"{QUORUM}Learner.validateSession",
            f"{QUORUM}Learner.writePacketNow",
        ),
        through=f"{QUORUM}LearnerZooKeeperServer.revalidateSession",
        releases=frozenset({"3.8.0", "3.9.3", "3.9.6"}),
        issue=None,
        finding="scenarios/findings/revalidate-session.yaml",
        what="A client reconnects while the server changes its role; its connection is closed, "
        "and it reconnects once more.",
    ),
    # ServerCnxnFactory.zkServer becomes null when a server ends its role.
    ServerDefect(
        name="reconnect-while-ending",
        at=(f"{SERVER}ServerCnxnFactory.registerConnection",),
        through=f"{SERVER}ZooKeeperServer.finishSessionInit",
        releases=frozenset({"3.9.6"}),
        issue=None,
        finding=None,
        what="A leader that ends at that moment cannot register a reconnected client with JMX; it "
        "logs that, and closes the connection as it does all.",
    ),
    # LeaderZooKeeperServer.getLeader is QuorumPeer's field, which becomes null when a leader ends.
    # The thread of PrepRequestProcessor is told to end and not waited for.
    ServerDefect(
        name="request-after-leading",
        at=(f"{QUORUM}ProposalRequestProcessor.processRequest",),
        through=f"{SERVER}PrepRequestProcessor.run",
        releases=frozenset({"3.9.6"}),
        issue=None,
        finding=None,
        what="A leader that has just ended goes on with a request that waited; it is proposed to "
        "nobody, and its client hears nothing of it.",
    ),
    ServerDefect(
        name="request-after-following",
        at=(f"{QUORUM}FollowerRequestProcessor.run", f"{QUORUM}Learner.writePacketNow"),
        through=f"{QUORUM}FollowerRequestProcessor.run",
        releases=frozenset({"3.8.0", "3.9.3", "3.9.6"}),
        issue=None,
        finding="scenarios/findings/request-after-following.yaml",
        what="A follower that has just lost its leader goes on with a write that waited; it goes "
        "to nobody, and its client hears nothing of it.",
    ),
    ServerDefect(
        name="command-while-starting",
        at=(f"{SERVER}ZooKeeperServer.removeCnxn",),
        through=f"{SERVER}ServerCnxn.cleanupWriterSocket",
        releases=None,
        issue=None,
        finding=None,
        what="A server that stands alone answers a four-letter word before it has a database; "
        "the harness asks `srvr` to see when it serves.",
    ),
)


def known(trace: Mapping[str, Any]) -> ServerDefect | None:
    """Return the defect that explains a stack trace; None for one that is new."""
    return next((defect for defect in DEFECTS if defect.explains(trace)), None)
