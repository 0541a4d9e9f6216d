"""What a server's refusal means where the protocol has no answer to it."""

from zkmq.errors import AccessDeniedError, IncompatibleTreeError, NotAppliedError
from zkmq.store import Code, Rejected, Reply


def refusal(path: str, what: str, code: Code) -> NotAppliedError:
    """The error to raise: the credentials are at fault, or the tree is."""
    if code is Code.NO_AUTH:
        return AccessDeniedError(f"{path}: {what}: the servers refused these credentials")
    if code is Code.NOT_EMPTY:
        return IncompatibleTreeError(
            f"{path}: {what}: expected an item, got a node with children, which no client of a "
            "queue makes; delete the children"
        )
    return IncompatibleTreeError(
        f"{path}: {what}: expected the tree of a queue, got {code.name} from the servers"
    )


def demand_access(path: str, reply: Reply) -> None:
    """Raise if a creation was refused for its credentials; others' work explains the rest."""
    if isinstance(reply, Rejected) and reply.code is Code.NO_AUTH:
        raise refusal(path, "create", reply.code)
