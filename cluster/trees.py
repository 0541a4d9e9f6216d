"""Read every server's tree from that server alone, for comparing replicas.

Only this shows a server that serves less than the others (ZOOKEEPER-4925): every other client reads
from whichever server answers first.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException, NoNodeError
from kazoo.handlers.threading import KazooTimeoutError

from cluster.cluster_errors import ClusterError
from cluster.engine.each import each
from cluster.pods.pod import Pod
from harness.common.server_states import ServerTree
from harness.target import DOWN

CONNECT_TIMEOUT_S = 30.0
READ_TIMEOUT_S = 30.0
LOOK_AGAIN_S = 0.5
LOOKS = 10  # of servers that still change: 5 s and more, in which sessions may end
AHEAD = 64  # requests under way at once; a client that waits for each would take minutes
_silent = logging.getLogger("cluster.trees.kazoo")
_silent.addHandler(logging.NullHandler())
_silent.propagate = False


def read_all(pods: Iterable[Pod], root: str) -> list[ServerTree]:
    """Read all servers at once, each through its own session, after a sync.

    Servers that differ are read again: an ephemeral may have gone between two reads.
    """
    members = list(pods)
    return settle(lambda: each(members, lambda pod: read(pod, root)))


def settle(
    look: Callable[[], list[ServerTree]], *, wait_s: float = LOOK_AGAIN_S
) -> list[ServerTree]:
    """Look until all trees are equal, or none changed since the look before; at most LOOKS times.

    A look begins with a sync, after the look before has ended. So every server now has all that any
    server had then: trees that still differ, and did not change, really differ.
    """
    trees = _compared(look())
    for _ in range(LOOKS - 1):
        if all(tree.settled for tree in trees):
            break
        time.sleep(wait_s)
        trees = _compared(look(), before=trees)
    return trees


def _compared(trees: list[ServerTree], *, before: Sequence[ServerTree] = ()) -> list[ServerTree]:
    """Mark those that are settled, also those that could not be read: no look would help."""
    digests = {tree.digest for tree in trees} - {None}
    old = {tree.node: tree.digest for tree in before}
    return [
        replace(tree, settled=len(digests) < 2 or tree.digest in {None, old.get(tree.node)})
        for tree in trees
    ]


def read(pod: Pod, root: str) -> ServerTree:
    """Read one server's nodes under `root`; a server that can't be read gives an `error`."""
    if (why := _down(pod)) is not None:
        return ServerTree(node=pod.id, error=why)
    client = KazooClient(hosts=pod.client_address, logger=_silent, timeout=READ_TIMEOUT_S)
    try:
        client.start(timeout=CONNECT_TIMEOUT_S)
        client.sync_async("/").get(timeout=READ_TIMEOUT_S)
        return _tree(pod.id, list(_walk(client, root)))
    except (KazooException, KazooTimeoutError) as error:
        return ServerTree(node=pod.id, error=f"{type(error).__name__}: {error}")
    finally:
        client.stop()
        client.close()


def _down(pod: Pod) -> str | None:
    """Return that a server is down, so that nobody waits for it; None if it may answer."""
    try:
        state = pod.process
    except ClusterError:
        return None  # its engine is gone, which does not mean that the server is
    return f"the server is down: {state}" if state in DOWN else None


def _walk(client: KazooClient, root: str) -> Iterator[tuple[str, bytes, int, int]]:
    """Yield path, data, version and mzxid of each node, breadth first, AHEAD requests at once."""
    level = [root]
    while level:
        below: list[str] = []
        for start in range(0, len(level), AHEAD):
            asked = [
                (path, client.get_async(path), client.get_children_async(path))
                for path in level[start : start + AHEAD]
            ]
            for path, node, children in asked:
                try:
                    data, stat = node.get(timeout=READ_TIMEOUT_S)
                    names = children.get(timeout=READ_TIMEOUT_S)
                except NoNodeError:
                    continue  # an ephemeral that has gone, or a queue that was never used
                yield path, data, stat.version, stat.mzxid
                below += [f"{path.rstrip('/')}/{name}" for name in names]
        level = below


def _tree(node: int, nodes: list[tuple[str, bytes, int, int]]) -> ServerTree:
    digest = hashlib.sha256()
    for path, data, version, _ in sorted(nodes):
        digest.update(f"{path}\0{version}\0{len(data)}\0".encode() + data)
    return ServerTree(
        node=node,
        data={path: data for path, data, _, _ in nodes},
        zxid=max((zxid for *_, zxid in nodes), default=None),
        digest=digest.hexdigest(),
    )
