"""The examples of scenarios/examples under their subjects, on a server in memory.

Each example loses nothing; a variant of it that is wrong in the usual way is found.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from kazoo.client import KazooClient

from harness.claim import Claim
from harness.clients.client import Client
from harness.clients.subject import SubjectConfig, Taken
from harness.clients.subject_lookup import connect, places
from harness.common.run_clock import Clock
from harness.common.verdict import Verdict
from harness.history.columns import History
from harness.history.record import HistoryWriter, merge
from harness.judge import judge
from harness.workloads.drain import Drain
from worlds.wire.zookeeper import WireZooKeeper

pytestmark = pytest.mark.medium

EXAMPLES = Path(__file__).parents[4] / "scenarios" / "examples"
SUBJECTS = {
    "webhooks": "under_test:Webhooks",
    "images": "under_test:Images",
    "crawler": "under_test:Crawler",
    "shop": "shop_under_test:Shop",
}
BROKEN = {
    "webhooks": "broken:Webhooks",
    "images": "broken:Images",
    "crawler": "broken:Crawler",
    "shop": "broken_shop:Shop",
}
CLAIM = Claim(level="unordered")
WAIT_S = 60.0


@pytest.fixture
def server() -> Iterator[WireZooKeeper]:
    """Give a server in memory."""
    with WireZooKeeper() as one:
        yield one


def client(server: WireZooKeeper, name: str, path: str = "/queue") -> Any:
    """Open a client of an example, or of its broken variant."""
    config = SubjectConfig(
        kind=SUBJECTS.get(name, name),
        folders=[str(EXAMPLES)],
        hosts=server.address,
        deadline_s=60.0,
        path=path,
    )
    return connect(config, lambda *_: None)


@pytest.fixture
def opened(server: WireZooKeeper) -> Iterator[Callable[[str], Any]]:
    """Opens clients of an example; closes them at the end."""

    def opened(name: str) -> Any:
        subject = client(server, name)
        ends.callback(subject.close)
        return subject

    with ExitStack() as ends:
        yield opened


def put(subject: Any, name: str, value: int) -> None:
    """Put as the scenario of the example does."""
    if name == "images":
        subject.put_in_group(value, 100, "g")
    else:
        subject.put(value, 100)


def taken(subject: Any) -> Taken:
    """The next item that the worker works on."""
    (item,) = subject.reserve(1, WAIT_S, sync=False).items
    assert isinstance(item, Taken)
    return item


@pytest.mark.parametrize("name", SUBJECTS)
def test_what_fails_comes_again_and_what_succeeds_is_gone(
    name: str, opened: Callable[[str], Any]
) -> None:
    """A failed delivery comes again, `done` removes the item, and then the queue is empty."""
    subject = opened(name)
    put(subject, name, 7)
    first = taken(subject)
    assert (first.value, first.delivery, subject.leftover()) == (7, 1, 1)
    subject.release([first])
    again = taken(subject)
    assert (again.value, again.delivery) == (7, 2)
    subject.done([again])
    assert not subject.reserve(1, 0.0, sync=True).items
    assert subject.leftover() == 0


@pytest.mark.parametrize("name", SUBJECTS)
def test_the_end_of_a_client_gives_its_item_back(
    name: str, server: WireZooKeeper, opened: Callable[[str], Any]
) -> None:
    """A client that ends while its worker works leaves the item to the next client."""
    with closing(client(server, name)) as first:
        put(first, name, 1)
        taken(first)
    second = opened(name)
    again = taken(second)
    assert again.value == 1
    second.done([again])


@pytest.mark.parametrize(("name", "most"), [("crawler", 3), ("webhooks", 10)])
def test_what_failed_too_often_is_put_aside_under_its_value(
    name: str, most: int, server: WireZooKeeper, opened: Callable[[str], Any]
) -> None:
    """A run in which that happens has lost nothing, and its last look at the servers shows it."""
    subject = opened(name)
    put(subject, name, 7)
    for _ in range(most):
        subject.release([taken(subject)])
    reader = KazooClient(server.address)
    reader.start(60.0)
    try:
        nodes = dict(copied(reader, "/queue"))
    finally:
        reader.stop()
        reader.close()
    found = places(SUBJECTS[name], [str(EXAMPLES)], nodes, "/queue")
    assert {place: values for place, values in found.items() if values} == {"dead": [7]}


def copied(reader: KazooClient, path: str) -> Iterator[tuple[str, bytes]]:
    """Yield path and data of a node and of all below it."""
    yield path, reader.get(path)[0]
    for child in reader.get_children(path, include_data=True)[0]:
        yield from copied(reader, f"{path}/{child}")


def test_the_edits_of_an_image_are_made_in_order(opened: Callable[[str], Any]) -> None:
    """While an edit of an image is made, the next one of it waits, also for other workers."""
    one, other = opened("images"), opened("images")
    for value in (1, 2):
        put(one, "images", value)
    first = taken(one)
    assert first.value == 1
    one.put_in_group(3, 100, "another")
    beside = taken(other)
    assert beside.value == 3
    other.done([beside])
    one.done([first])
    second = taken(one)
    assert second.value == 2
    one.done([second])


@pytest.mark.parametrize("name", SUBJECTS)
def test_the_usual_mistake_is_found(name: str, server: WireZooKeeper, tmp_path: Path) -> None:
    """The same calls are valid if they are the example's, and invalid if its broken variant's."""
    right = judge(recorded(server, SUBJECTS[name], tmp_path / "right", beside_s=0.5), CLAIM)
    broken = judge(recorded(server, BROKEN[name], tmp_path / "broken", beside_s=WAIT_S), CLAIM)
    assert right.verdict is Verdict.VALID, right
    assert broken.verdict is Verdict.INVALID
    reasons = {reason for each in broken.results for reason in each.reasons}
    assert reasons & {"lost", "group-order"} == {"group-order" if name == "images" else "lost"}


def recorded(server: WireZooKeeper, kind: str, folder: Path, *, beside_s: float) -> History:
    """Put two items, of one group if there are groups; give the first back, and do all.

    With groups a second client does what it gets within `beside_s`, while the first is held.
    """
    with HistoryWriter(folder / "parts/0.jsonl") as writer, ExitStack() as ends:

        def opened(process: int) -> Client:
            made = Client(
                connect=lambda _: client(server, kind, f"/{folder.name}"),
                history=writer,
                clock=clock,
                process=process,
                report=lambda _: None,
                puts_over=lambda: True,
            )
            ends.callback(made.close)
            return made

        clock, group = Clock(), "g" if kind.endswith("Images") else None
        one = opened(1)
        for value in (1, 2):
            one.put(value, group=group)
        first = one.reserve(1, WAIT_S)
        if group:
            other = opened(2)
            if beside := other.reserve(1, beside_s):
                other.done(beside)
            other.close()
        one.release(first)
        Drain().run(one, 0)
    merge(folder / "parts", folder / "history.jsonl")
    return History.load(folder / "history.jsonl")
