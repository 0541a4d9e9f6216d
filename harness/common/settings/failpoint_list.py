"""The points of a server's code at which a scenario can stop it, and which releases have each.

A name is `Class.method:enter`, or `Class.method:call:before` or `...:after` of each call that the
method makes to one of that name. The agent in a server (cluster/failpoints) finds them by it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Final, get_args

from pydantic import AfterValidator, Field

from harness.common.harness_errors import listed
from harness.common.settings.quorum_config import Release

RELEASES: Final = frozenset(get_args(Release))
NEAREST = 3  # names that an error suggests
_SERVER = "org/apache/zookeeper/server/"
_SINCE_3_9 = RELEASES - {"3.8.0"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerPoint:
    """A point of a server's code.

    Attributes:
        package: of its class, below ZooKeeper's server.
        here: what has happened when a thread is there, and what has not.
        releases: those of ours that have it; a build of the user's own is looked at when it starts.
    """

    name: str
    package: str
    here: str
    releases: frozenset[str] = RELEASES

    @property
    def line(self) -> str:
        """Return its class, as in bytecode, and its name: a line of what the agent reads."""
        return f"{_SERVER}{self.package}{self.name.partition('.')[0]} {self.name}"


_QUORUM = {
    # A follower finds its leader, catches up, and follows.
    "Learner.registerWithLeader:setAcceptedEpoch:before": "A follower knows the leader's epoch "
    "and has not accepted it.",
    "Learner.registerWithLeader:setAcceptedEpoch:after": "A follower has accepted the epoch on "
    "its disk, and the leader does not know.",
    "Learner.syncWithLeader:enter": "A follower is about to catch up with its leader.",
    "Learner.syncWithLeader:truncateLog:after": "A follower has cut from its log what the leader "
    "does not have, and has not caught up.",
    "Learner.syncWithLeader:takeSnapshot:before": "A follower has what it missed in memory, and "
    "has not begun the snapshot that keeps it.",
    "Learner.syncWithLeader:takeSnapshot:after": "A follower has written the snapshot.",
    "Learner.syncWithLeader:setCurrentEpoch:before": "A follower got NEWLEADER and is in the old "
    "epoch.",
    "Learner.syncWithLeader:setCurrentEpoch:after": "A follower has the new epoch on its disk, "
    "and has not acknowledged NEWLEADER.",
    "Learner.syncWithLeader:writePacket:before": "A follower is about to acknowledge NEWLEADER, "
    "and then UPTODATE.",
    "Learner.syncWithLeader:writePacket:after": "A follower has acknowledged NEWLEADER, and then "
    "UPTODATE.",
    "Learner.syncWithLeader:startup:before": "A follower has acknowledged UPTODATE and does not "
    "serve.",
    "Learner.syncWithLeader:logRequest:before": "A follower is about to log what came while it "
    "caught up.",
    "Follower.processPacket:logRequest:before": "A follower has a proposal and has not logged it.",
    "Follower.processPacket:commit:before": "A follower has a COMMIT and has not applied it.",
    "SendAckRequestProcessor.processRequest:writePacket:before": "A follower has a proposal on "
    "its disk and has not acknowledged it.",
    "LearnerZooKeeperServer.revalidateSession:getLearner:before": "A follower is about to ask the "
    "leader for the session of a client that reconnects.",
    "FollowerRequestProcessor.run:getFollower:before": "A follower is about to send a "
    "client's write to the leader.",
    "LearnerZooKeeperServer.shutdown:enter": "A follower stops following.",
    # A leader begins, proposes, and ends.
    "Leader.lead:setCurrentEpoch:before": "A quorum has accepted the leader's epoch, which it is "
    "not in.",
    "Leader.lead:waitForNewLeaderAck:after": "A quorum has acknowledged NEWLEADER, and the leader "
    "does not serve.",
    "Leader.propose:sendPacket:before": "The leader has a proposal and has sent it to nobody.",
    "Leader.tryToCommit:commit:before": "A quorum has acknowledged a proposal, and nobody knows "
    "of its commit.",
    "Leader.shutdown:enter": "A leader gives up.",
    "LearnerHandler.syncFollower:enter": "The leader is about to tell how a follower catches up.",
    # All of them.
    "FastLeaderElection.lookForLeader:enter": "A server begins to look for a leader.",
    "QuorumPeer.setCurrentEpoch:writeLongToFile:before": "A server is about to write its epoch to "
    "its disk.",
}
_ANY = {
    "SyncRequestProcessor.flush:commit:before": "A server has requests in its log and has not "
    "fsynced them.",
    "SyncRequestProcessor.flush:commit:after": "A server has fsynced requests and has told nobody.",
    "FinalRequestProcessor.processRequest:sendResponse:before": "A server has applied a request "
    "and has not answered its client.",
}
_PERSISTENCE = {
    "FileTxnLog.rollLog:enter": "A server is about to begin another log file.",
    "FileTxnSnapLog.save:serialize:before": "A server is about to write a snapshot.",
}
_ONLY_IN = {
    "Learner.syncWithLeader:startup:before": _SINCE_3_9,
    "LearnerZooKeeperServer.shutdown:enter": RELEASES - _SINCE_3_9,
}
FAILPOINTS: Final[Mapping[str, ServerPoint]] = {
    name: ServerPoint(
        name=name, package=package, here=here, releases=_ONLY_IN.get(name, RELEASES)
    )
    for package, points in (("quorum/", _QUORUM), ("", _ANY), ("persistence/", _PERSISTENCE))
    for name, here in points.items()
}  # fmt: skip


def complaint(name: str, release: object) -> str | None:
    """Return what is wrong with a point in a release of ours; None for any other build."""
    if release not in RELEASES or release in (point := FAILPOINTS[name]).releases:
        return None
    having = ", ".join(sorted(point.releases))
    return f"expected a point of ZooKeeper {release}, got {name!r}, which is in {having} only"


def _known(name: str) -> str:
    if name in FAILPOINTS:
        return name
    near = get_close_matches(name, FAILPOINTS, n=NEAREST, cutoff=0.0)
    known = listed(FAILPOINTS, see="harness explain failpoint")
    raise ValueError(f"expected one of {known}, got {name!r}: nearest are {', '.join(near)}")


FailpointName = Annotated[
    str,
    Field(max_length=200, json_schema_extra={"enum": list(FAILPOINTS)}),
    AfterValidator(_known),
]
