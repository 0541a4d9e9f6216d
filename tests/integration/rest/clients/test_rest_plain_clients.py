"""D4: clients that know only znodes put into, and take from, a queue beside binary clients.

What they do here is the whole protocol, as docs/rest.md tells it: no multi, no queue resource.
"""

import itertools
import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from integration.rest.exchange import OCTETS, Rest, until

import zkmq
from worlds.wire.starvation import unless_starved

pytestmark = pytest.mark.docker

_numbers = itertools.count(1)


class PlainClient:
    """The queue by GET, PUT, POST and DELETE on znodes."""

    def __init__(self, rest: Rest, root: str, *, expire_s: int = 60) -> None:
        self._rest, self._root = rest, f"/znodes/v1{root}"
        made = rest.post(f"/sessions/v1/?op=create&expire={expire_s}")
        self.session = made.json()["id"]
        self.name = ""
        # Until it has its ephemeral node a consumer looks dead, and a janitor may remove it.
        while not self._register(f"consumer-plain-{self.session[:8]}-{next(_numbers)}"):
            pass

    def put(self, data: bytes, priority: int = 100) -> str:
        """Create in the tail segment; again where a purge overtook it."""
        while True:
            tail = self._guard(priority)["tail"]
            segment = f"{tail:010d}"
            made = self._rest.post(
                f"{self._root}/items/{priority:03d}/{segment}"
                f"?name=item-{priority:03d}-{segment}-&sequence=true",
                data,
            )
            if made.status == 201 and tail > self._guard(priority)["purged"]:
                return str(made.json()["path"]).rpartition("/")[2]

    def reserve(self) -> tuple[str, int, bytes] | None:
        """Tag the first item that is free: its URL, version and payload; None if there is none."""
        for url in self._waiting():
            stat = self._rest.get(url).json()
            data = self._rest.get(url, Accept=OCTETS)
            header, payload = split(data.body)
            if self._is_live(header.get("owner")):
                continue
            header |= {"owner": self.name, "deliveries": header.get("deliveries", 0) + 1}
            body = b"ZKMQ1 " + json.dumps(header).encode() + b"\n" + payload
            if self._rest.put(f"{url}?version={stat['version']}", body).status == 200:
                return url, stat["version"] + 1, payload
        return None

    def done(self, url: str, version: int) -> int:
        """Delete what is tagged; the status."""
        return self._rest.delete(f"{url}?version={version}").status

    def release(self, url: str, version: int) -> int:
        """Take the tag off; the status."""
        header, payload = split(self._rest.get(url, Accept=OCTETS).body)
        del header["owner"]
        body = b"ZKMQ1 " + json.dumps(header).encode() + b"\n" + payload
        return self._rest.put(f"{url}?version={version}", body).status

    def die(self) -> None:
        """End the session, as silence does."""
        self._rest.delete(f"/sessions/v1/{self.session}")

    def _register(self, name: str) -> bool:
        self.name = name
        steps = [
            f"/consumers?name={name}",
            f"/consumers/{name}?name=item",
            f"/consumers/{name}?name=active&ephemeral&session={self.session}",
        ]
        for step in steps:
            status = self._rest.post(self._root + step).status
            assert status != 401, "the session has ended"
            if status != 201:
                return False
        return True

    def _guard(self, priority: int) -> dict[str, int]:
        body = self._rest.get(f"{self._root}/items/{priority:03d}", Accept=OCTETS).body
        guard: dict[str, int] = json.loads(body)
        return guard

    def _waiting(self) -> Iterator[str]:
        for priority in self._children("/items"):
            purged = f"{self._guard(int(priority))['purged']:010d}"
            for segment in self._children(f"/items/{priority}"):
                if segment > purged or purged.startswith("-"):
                    for name in self._children(f"/items/{priority}/{segment}"):
                        yield f"{self._root}/items/{priority}/{segment}/{quote(name)}"

    def _children(self, below: str) -> list[str]:
        found = self._rest.get(f"{self._root}{below}?view=children").json()
        return sorted(found.get("children", []))

    def _is_live(self, owner: str | None) -> bool:
        path = f"{self._root}/consumers/{owner}/active"
        return owner is not None and self._rest.ask("HEAD", path).status == 200


def split(data: bytes) -> tuple[dict[str, object], bytes]:
    """Header and payload of an item."""
    if not data.startswith(b"ZKMQ1 "):
        return {}, data
    line, _, payload = data[6:].partition(b"\n")
    return json.loads(line), payload


@pytest.fixture
def binary(hosts: str, top: str) -> Iterator[zkmq.Queue]:
    """A binary client of a queue that has its first priority."""
    with zkmq.Queue.connect(hosts, f"{top}/queue", order="strict") as queue:
        queue.put(b"first")
        queue.done(*queue.reserve(sync=True).items)
        yield queue


def test_put(rest: Rest, binary: zkmq.Queue, top: str) -> None:
    """Puts of both kinds come in the order in which they were made."""
    plain = PlainClient(rest, f"{top}/queue")
    plain.put(b"a")
    binary.put(b"b")
    plain.put(b"c")
    assert [item.data for item in binary.reserve(9, sync=True).items] == [b"a", b"b", b"c"]
    plain.die()


def test_put_after_a_roll(rest: Rest, hosts: str, top: str) -> None:
    """A plain put goes into the segment that binary clients put into, however often it rolled."""
    with zkmq.Queue.connect(hosts, f"{top}/queue", segment_items=3, order="strict") as binary:
        binary.put_many([str(n).encode() for n in range(8)])
        plain = PlainClient(rest, f"{top}/queue")
        plain.put(b"8")
        binary.put(b"9")
        taken: list[int] = []
        while items := binary.reserve(9, sync=True).items:
            taken += [int(item.data) for item in items]
        assert taken == list(range(10))
        plain.die()


def test_take(rest: Rest, binary: zkmq.Queue, top: str) -> None:
    """A tagged item is not given to a binary client; done removes it, release frees it."""
    plain = PlainClient(rest, f"{top}/queue")
    binary.put_many([b"a", b"b", b"c"])
    one, two = plain.reserve(), plain.reserve()
    assert one is not None
    assert two is not None
    assert (one[2], two[2]) == (b"a", b"b")
    assert [item.data for item in binary.reserve(9, sync=True).items] == [b"c"]
    assert plain.done(*one[:2]) == 204
    assert plain.release(*two[:2]) == 200
    (item,) = binary.reserve(9, sync=True).items
    assert (item.data, item.delivery) == (b"b", 2)
    plain.die()


def test_two_plain_clients(rest: Rest, binary: zkmq.Queue, top: str) -> None:
    """Of two plain clients one gets an item: the version decides."""
    one, two = PlainClient(rest, f"{top}/queue"), PlainClient(rest, f"{top}/queue")
    binary.put(b"a")
    assert (one.reserve() is None, two.reserve() is None) == (False, True)
    one.die()
    two.die()


def test_dead_owner(rest: Rest, binary: zkmq.Queue, top: str) -> None:
    """A tag is void when its owner's session ends; a late done of the dead is refused then."""

    def dies() -> None:
        plain = PlainClient(rest, f"{top}/queue", expire_s=1)
        binary.put(b"a")
        held = plain.reserve()
        assert held is not None
        assert binary.reserve(sync=True).items == ()
        until(lambda: binary.reserve(sync=True).items != (), "the tag to become void")
        assert plain.done(*held[:2]) in (404, 412)
        plain.die()

    unless_starved(dies)


def test_plain_after_binary(rest: Rest, hosts: str, binary: zkmq.Queue, top: str) -> None:
    """What a binary client releases can be taken by a plain one, with its delivery counted."""
    plain = PlainClient(rest, f"{top}/queue")
    binary.put(b"a")
    binary.release(*binary.reserve(sync=True).items)
    held = plain.reserve()
    assert held is not None
    header, payload = split(rest.get(held[0], Accept=OCTETS).body)
    assert (payload, header["deliveries"]) == (b"a", 2)
    plain.die()
