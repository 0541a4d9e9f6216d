"""Retry what was not answered: when a retry makes sense, and writes that are idempotent."""

from collections.abc import Collection, Sequence

from zkmq.errors import NoQuorumError
from zkmq.zookeeper.refusal import refusal
from zkmq.zookeeper.store import Code, Committed, Lost, Op, Rejected, Store


def may_retry(store: Store, deadline_s: float) -> bool:
    """Wait until a request can be sent again; False once the deadline has passed."""
    return store.now() < deadline_s and store.wait_connected(deadline_s)


def commit_answered(
    store: Store, label: str, ops: Sequence[Op], deadline_s: float
) -> Committed | Rejected:
    """Commit an idempotent write until it is answered; return the answer to the last copy.

    Raises:
        NoQuorumError: no answer before the deadline. It may have taken effect, which does no harm.
    """
    while isinstance(reply := store.commit(ops, deadline_s), Lost):
        if not may_retry(store, deadline_s):
            raise NoQuorumError(f"{label}: no answer in time ({reply.reason})")
    return reply


def commit_idempotent(
    store: Store, what: str, ops: Sequence[Op], deadline_s: float, *, as_good: Collection[Code]
) -> None:
    """Commit until answered, whoever else does the same. The codes `as_good` count as success.

    Raises:
        NoQuorumError: as `commit_answered`.
        AccessDeniedError: the servers refused the credentials.
        ServerRefusedError: the servers refused by a rule of their own.
        IncompatibleTreeError: any other refusal.
    """
    reply = commit_answered(store, ops[0].path, ops, deadline_s)
    if isinstance(reply, Rejected) and reply.code not in as_good:
        raise refusal(ops[0].path, what, reply.code, reply.number)
