"""Turn a server's refusal into an error, where the protocol has no other answer to it."""

import ssl

from zkmq.errors import (
    AccessDeniedError,
    IncompatibleTreeError,
    NoQuorumError,
    NotAppliedError,
    ServerRefusedError,
)
from zkmq.zookeeper.store import Code, Rejected, Reply

# ZooKeeper's error numbers (KeeperException.Code) that the protocol does not expect.
NAMES = {
    -5: "MarshallingError",
    -6: "Unimplemented",
    -8: "BadArguments",
    -108: "NoChildrenForEphemerals",
    -114: "InvalidACL: they know no identity of this session; do they ask for certificates?",
    -119: "NotReadOnly",
    -120: "EphemeralOnLocalSession",
    -125: "QuotaExceeded: a quota of the tree is used up; raise it with setquota, or make room",
    -127: "ThrottledOp",
}
SASL_REQUIRED = -124
API_ERROR = -100
SYSTEM_REFUSALS = frozenset({-5, -6, -8})
# The session expired or moved, or the request took too long. A write may have taken effect.
UNCERTAIN = frozenset({-112, -118, -122})


def is_refusal(number: int) -> bool:
    """Whether a request that was answered with this error certainly took no effect."""
    return number in SYSTEM_REFUSALS or (number <= API_ERROR and number not in UNCERTAIN)


def why_refused(code: Code, number: int = 0) -> str:
    """Say why a node could not be moved or deleted, for the mark of a skipped node."""
    if code is Code.NOT_EMPTY:
        return "it has children"
    return f"refused: {NAMES.get(number, f'error {number}') if code is Code.OTHER else code.name}"


def refusal(path: str, what: str, code: Code, number: int = 0) -> NotAppliedError:
    """The error to raise: about the credentials, a rule of the servers, or the tree."""
    if number == SASL_REQUIRED:
        return AccessDeniedError(
            f"{path}: {what}: the servers let in only clients that authenticate by SASL"
        )
    if code is Code.NO_AUTH:
        return AccessDeniedError(
            f"{path}: {what}: the servers refused these credentials; connect with those that the "
            "queue was made with"
        )
    if code is Code.NOT_EMPTY:
        return IncompatibleTreeError(
            f"{path}: {what}: expected an item, got a node with children, which no client of a "
            "queue makes; delete the children"
        )
    if code is Code.OTHER:
        return ServerRefusedError(f"{path}: {what}", number, NAMES.get(number, "unknown"))
    return IncompatibleTreeError(
        f"{path}: {what}: expected the tree of a queue, got {code.name} from the servers"
    )


def refused_session(failure: Exception) -> NotAppliedError:
    """The error to raise when the servers, or this client, will not begin a session."""
    if isinstance(failure, ssl.SSLCertVerificationError):
        return NoQuorumError(f"no server's certificate can be believed: {failure.verify_message}")
    if isinstance(failure, ssl.SSLError):
        return AccessDeniedError(
            f"the servers refused the TLS handshake ({failure.reason}); if they ask for a "
            "certificate, give one that they believe, with its key"
        )
    return AccessDeniedError(
        f"the servers refused the credentials ({str(failure) or type(failure).__name__}); "
        "are user and password right?"
    )


def require_access(path: str, reply: Reply) -> None:
    """Raise if the servers' rules refused a creation. Other refusals mean that it was done already.

    Raises:
        AccessDeniedError: the servers refused the credentials.
        ServerRefusedError: the servers refused by a rule of their own.
    """
    if isinstance(reply, Rejected) and reply.code in {Code.NO_AUTH, Code.OTHER}:
        raise refusal(path, "create", reply.code, reply.number)
