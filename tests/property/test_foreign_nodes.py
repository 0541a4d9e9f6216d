"""Whatever anybody makes in a queue's tree, a workload succeeds and nothing of it is lost."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from worlds.memory.queues import janitor_of
from worlds.memory.store import MemoryStore, World
from zkmq import Queue
from zkmq.tree.guards import Guard
from zkmq.zookeeper.store import Create, Op

TREE_PLACES = ("items", "consumers", "producers", "partial", "dead", "delayed", "dedup", "waiting")
SEGMENT = "items/100/0000000000"
# Near misses of what clients make, and anything else that a node may be called.
KNOWN = st.sampled_from(
    [
        "5", "007", "100", "²", "\u0663\u0664\u0665", "1000", "-01", " 12", "note", "active",
        "item", "0000000000", "0000000001", "0000000000r", "0028333333", "0000472222", "9999999999",
        "-000000001", "item-100-0000000000-0000000000", "item-100-0000000000-0000000001.001",
        "item-100-0000000000-0000000004", "item-007-0000000000-0000000001", "item-100-0000000003",
        "item-999-9999999999-9999999999.999", "item-100-0000000000--2147483648",
        "consumer-0123456789abcdef", "consumer-²", "producer-0123456789abcdef", "d-100-x", "d-²",
        "w-00000000-0000000000", "w-x", "w-1-2147483647",
    ]
)  # fmt: skip
ANYTHING = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/"), min_size=1, max_size=12
).filter(lambda name: name not in {".", ".."})
# Stands for as much as a server takes, which would make a long report.
LARGE = b"large"
NAME = KNOWN | ANYTHING
PARENT = st.sampled_from([*TREE_PLACES, "items/100", "items/007", SEGMENT, "", "skipped"])
HEADER = st.sampled_from(
    [
        b'{"deliveries":"two"}', b'{"ttr_s":"x"}', b'{"delay_s":-1}', b'{"priority":5000}', b"[1]",
        b'{"ttr_s":NaN}', b'{"owner":"consumer-x"}', b'{"owner":".."}', b"{", b"[" * 50_000,
        b'{"put_zxid":"x"}', b'{"reason":1}', b'{"forgiven":1e400}', b'{"delay_s":1e300}',
    ]
)  # fmt: skip
DATA = (
    st.binary(max_size=30)
    | HEADER.map(lambda header: b"ZKMQ1 " + header + b"\nraw")
    | st.sampled_from([b'{"tail": -1}', b'{"tail": "x"}', b'{"path": 5}', b"9" * 30])
    | st.just(LARGE)
)
FOREIGN = st.tuples(PARENT, st.lists(NAME, min_size=1, max_size=3), DATA)


def _make(world: World, nodes: list[tuple[str, list[str], bytes]]) -> None:
    """Make what can be made; each path's parents first."""
    store = world.client("anybody")
    for parent, names, data in nodes:
        path = f"/queue/{parent}".rstrip("/")
        for name in names:
            path = f"{path}/{name}"
            if path == "/queue/items/100" and Guard.read(data, 0) is None:
                break  # puts into a damaged priority are refused, and say so
            create: list[Op] = [Create(path, b"z" * 1_048_300 if data == LARGE else data)]
            store.commit(create, store.now() + 9)
    store.close()
    world.scheduler.sleep(0.1)


def _below_the_living(world: World, data: bytes) -> None:
    """Make children below what clients have made: items, claims, registrations, tickets."""
    store = world.client("anybody")
    paths = [path for path, node in world.leader.tree.nodes.items() if not node.owner]
    for path in sorted(paths)[::3]:
        if path.count("/") > 2 and len(path) < 150:
            store.commit([Create(f"{path}/below", data)], store.now() + 9)
    store.close()
    world.scheduler.sleep(0.1)


def _worked(queue: Queue, world: World, first: int) -> None:
    """Put in all ways, and take and return some."""
    queue.put_many([b"ours-%d" % number for number in range(first, first + 5)])
    queue.put(b"ours-%d" % (first + 5), dedup_id=f"id-{first}", ttr_s=1)
    queue.put(b"ours-%d" % (first + 6), delay_s=1)
    items = queue.reserve(4, timeout_s=0.5).items
    if len(items) == 4:
        queue.release(items[0])
        queue.release(items[1], to="back")
        queue.release(items[2], delay_s=1)
        queue.bury(items[3], reason="bad")
    else:
        for item in items:
            queue.release(item)
    queue.stats()
    queue.peek(100)
    queue.peek(10, place="dead")
    queue.kick(10)


def _drained(queue: Queue) -> list[bytes]:
    got: list[bytes] = []
    while items := queue.reserve(50, sync=True).items:
        queue.done(*items)
        got += [item.data for item in items]
    return got


@given(st.lists(FOREIGN, max_size=12), st.lists(FOREIGN, max_size=12), st.integers(0, 2**32))
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_nothing_of_ours_is_lost_and_nobody_is_stopped(
    before: list[tuple[str, list[str], bytes]],
    amid: list[tuple[str, list[str], bytes]],
    seed: int,
) -> None:
    """No call raises, no step of the janitor does, and each item is delivered or put aside."""
    world = World(seed)
    queue = Queue(world.client("first"), janitor=False, segment_items=3)
    _make(world, before)
    janitor = janitor_of(world)
    _worked(queue, world, 0)
    crashed = Queue(world.client("crashed"), janitor=False)
    held = crashed.reserve(3).items
    _make(
        world,
        [(f"consumers/{held[0].consumer}/item", names, data) for _, names, data in amid]
        if held
        else [],
    )
    _make(world, amid)
    store = crashed._store
    assert isinstance(store, MemoryStore)
    store.crash()
    world.scheduler.sleep(world.session_timeout_s + 1)
    for _ in range(3):
        assert janitor.step(world.scheduler.now_s + 30)
    _worked(queue, world, 7)
    world.scheduler.sleep(3)
    for _ in range(5):
        assert janitor.step(world.scheduler.now_s + 30)
    queue.kick(1000)
    got = [each for each in _drained(queue) if each.startswith(b"ours-")]
    assert sorted(got + _held_up(world)) == sorted(b"ours-%d" % number for number in range(14))


@given(st.integers(0, 2**32), DATA)
@settings(max_examples=40, deadline=None)
def test_children_below_our_nodes_hold_up_those_alone(seed: int, data: bytes) -> None:
    """What has no child is delivered; what has one is still there, whole."""
    world = World(seed)
    queue = Queue(world.client("first"), janitor=False, segment_items=3)
    janitor = janitor_of(world)
    _worked(queue, world, 0)
    _below_the_living(world, data)
    world.scheduler.sleep(3)
    for _ in range(3):
        assert janitor.step(world.scheduler.now_s + 30)
    queue.kick(1000)
    got = [each for each in _drained(queue) if each.startswith(b"ours-")]
    assert sorted(got + _held_up(world)) == sorted(b"ours-%d" % number for number in range(7))


def _held_up(world: World) -> list[bytes]:
    """Items of ours below which somebody has made a node; no other may be left."""
    nodes = world.leader.tree.nodes.items()
    left = [(node, value) for _, node in nodes if (value := _ours(node.data))]
    assert all(node.children for node, _ in left)
    return [value for _, value in left]


def _ours(data: bytes) -> bytes | None:
    _, mark, rest = data.rpartition(b"ours-")
    return mark + rest if mark else None
