"""Read every server's tree from that server alone, for comparing replicas.

Only this shows a server that serves less than the others (ZOOKEEPER-4925): every other client asks
whoever answers first.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException, NoNodeError
from kazoo.handlers.threading import KazooTimeoutError

from cluster.engine.each import each
from cluster.pods.pod import Pod
from cluster.quorum import DockerQuorum

CONNECT_TIMEOUT_S = 15.0
READ_TIMEOUT_S = 10.0
LOOK_AGAIN_S = 0.5
LOOKS = 10  # of servers that differ and change: 5 s and more, for sessions that end meanwhile
AHEAD = 64  # requests under way at once; a client that waits for each would take minutes
_silent = logging.getLogger("cluster.trees.kazoo")
_silent.addHandler(logging.NullHandler())
_silent.propagate = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """One server's nodes under a root.

    Attributes:
        data: each node's data by its path; None if the server could not be read.
        zxid: the newest one that any node under the root was made or changed at.
        digest: SHA-256 over sorted paths, versions and data; equal trees have equal digests.
        error: why it could not be read.
        settled: whether all servers agreed, or this one was the same in two looks in a row.
    """

    node: int
    data: dict[str, bytes] | None = None
    zxid: int | None = None
    digest: str | None = None
    error: str | None = None
    settled: bool = False


def read_all(quorum: DockerQuorum, root: str) -> list[Tree]:
    """Read all servers at once, each through a session of its own, after a sync.

    Servers that differ are read again: an ephemeral may have gone between two reads.
    """
    return settle(lambda: each(quorum.nodes.values(), lambda pod: read(pod, root)))


def settle(look: Callable[[], list[Tree]], *, wait_s: float = LOOK_AGAIN_S) -> list[Tree]:
    """Look until all trees are equal, or none changed since the look before; at most LOOKS times.

    Every read of a look begins after all reads of the one before and after a sync, so what one
    server had applied then the others have now: trees that differ and did not change differ.
    """
    trees = _compared(look())
    for _ in range(LOOKS - 1):
        if all(tree.settled for tree in trees):
            break
        time.sleep(wait_s)
        trees = _compared(look(), before=trees)
    return trees


def _compared(trees: list[Tree], *, before: Sequence[Tree] = ()) -> list[Tree]:
    """Mark those that are settled; one that could not be read is not worth another look."""
    digests = {tree.digest for tree in trees} - {None}
    old = {tree.node: tree.digest for tree in before}
    return [
        replace(tree, settled=len(digests) < 2 or tree.digest in {None, old.get(tree.node)})
        for tree in trees
    ]


def read(pod: Pod, root: str) -> Tree:
    """Read one server's nodes under `root`; a server that can't be read is told, not raised."""
    client = KazooClient(hosts=pod.client_address, logger=_silent, timeout=READ_TIMEOUT_S)
    try:
        client.start(timeout=CONNECT_TIMEOUT_S)
        client.sync_async("/").get(timeout=READ_TIMEOUT_S)
        return _tree(pod.id, list(_walk(client, root)))
    except (KazooException, KazooTimeoutError) as error:
        return Tree(node=pod.id, error=f"{type(error).__name__}: {error}")
    finally:
        client.stop()
        client.close()


def _walk(client: KazooClient, root: str) -> Iterator[tuple[str, bytes, int, int]]:
    """Give path, data, version and mzxid of every node, breadth first, many requests at a time."""
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
                    continue  # an ephemeral that went, or a queue nobody ever used
                yield path, data, stat.version, stat.mzxid
                below += [f"{path.rstrip('/')}/{name}" for name in names]
        level = below


def _tree(node: int, nodes: list[tuple[str, bytes, int, int]]) -> Tree:
    digest = hashlib.sha256()
    for path, data, version, _ in sorted(nodes):
        digest.update(f"{path}\0{version}\0{len(data)}\0".encode() + data)
    return Tree(
        node=node,
        data={path: data for path, data, _, _ in nodes},
        zxid=max((zxid for *_, zxid in nodes), default=None),
        digest=digest.hexdigest(),
    )
