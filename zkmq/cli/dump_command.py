"""`zkmq dump`: a part of ZooKeeper's tree with its data."""

import json
from itertools import chain, islice
from typing import Annotated

import typer

from zkmq import checks
from zkmq.cli.invocation import JsonOption, Status, complain, described
from zkmq.operating.tree_dump import DumpedNode, TreeDump
from zkmq.zookeeper.store import Znode

INDENT = "  "


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: zkmq dump /jobs/consumers --depth 2")(dump)


def dump(  # noqa: PLR0917 - typer makes options of them
    context: typer.Context,
    znode: Annotated[
        str | None, typer.Argument(metavar="[ZNODE]", help="Where to begin; the queue's root.")
    ] = None,
    depth: Annotated[int, typer.Option(help="How many levels to go down.", min=0, max=100)] = 5,
    children: Annotated[int, typer.Option(help="How many children of a node to show.", min=0)] = 20,
    size: Annotated[
        int, typer.Option("--bytes", help="How many bytes of a node's data to show.", min=0)
    ] = 200,
    nodes: Annotated[int, typer.Option(help="How many nodes to show at most.", min=1)] = 1000,
    *,
    as_json: JsonOption = False,
) -> int:
    """Show the nodes below ZNODE with their data; status 1 if there is no such node.

    ZNODE may be any node, also one of no queue. Nothing is changed. What the limits leave out is
    said, and counted.
    """
    settings = context.obj
    store = settings.store()
    try:
        # At the root of a chroot, the path that follows it is empty.
        root = "" if "/" in settings.hosts else "/"
        path = root if znode == "/" else checks.path(znode or settings.path)
        walking = TreeDump(
            store,
            depth=depth,
            most_children=children,
            deadline=lambda: store.now() + settings.deadline_s,
        )
        found = walking.walk(path)
        first = next(found, None)
        if first is None:
            complain(f"dump: {path}: expected a node, found none")
            return Status.EMPTY
        for each in chain([first], islice(found, nodes - 1)):
            print(json.dumps(_record(each, size)) if as_json else _line(each, size))
        if next(found, None) is not None:
            complain(f"dump: stopped after {nodes} nodes; give --nodes, or a ZNODE further down")
    finally:
        store.close(store.now() + settings.deadline_s)
    return Status.OK


def _line(each: DumpedNode, size: int) -> str:
    name = each.path if not each.level else each.path.rpartition("/")[2]
    parts = [f"{INDENT * each.level}{name}"]
    if each.node is not None and each.node.data:
        parts.append(_shown(each.node.data, size))
    if each.denied:
        parts.append("(its ACL does not let us read it)")
    if each.node is not None and each.node.owner:
        parts.append(f"(ephemeral, session {each.node.owner:#x})")
    if each.unshown:
        parts.append(f"(and {each.unshown} more below)")
    return "  ".join(parts)


def _shown(data: bytes, size: int) -> str:
    kind, text = described(data[:size]).popitem()
    shown = text.encode("unicode_escape").decode() if kind == "data" else f"hex {text}"
    return shown if len(data) <= size else f"{shown}... ({len(data)} bytes)"


def _record(each: DumpedNode, size: int) -> dict[str, object]:
    node = dict.fromkeys(Znode._fields) if each.node is None else each.node._asdict()
    data = node.pop("data") or b""
    return {
        "path": each.path,
        **described(data[:size]),
        "bytes": len(data),
        **node,
        "unshown": each.unshown,
        "denied": each.denied,
    }
