"""Section 10: what the original's own clients do, done with Python's urllib as they do it."""

import base64
import json
import threading
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import pytest
from integration.rest.exchange import Rest, until
from kazoo.client import KazooClient

from worlds.wire.starvation import unless_starved

pytestmark = pytest.mark.docker


class Client:
    """A client as of 2010: no Accept header, octets in, JSON out, flags always sent."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.session: str | None = None

    def call(self, url: str, method: str = "GET", data: bytes | None = None) -> Any:
        """One request; the JSON of the answer, None without a body."""
        request = urllib.request.Request(url, data=data, method=method)  # noqa: S310 -- loopback
        if data is not None or method in ("PUT", "POST"):
            request.data = data or b""
            request.add_header("Content-Type", "application/octet-stream")
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
            body = response.read()
        return json.loads(body) if body else None

    def status(self, url: str, method: str = "GET") -> int:
        """The status of a request that fails."""
        with pytest.raises(urllib.error.HTTPError) as caught:
            self.call(url, method)
        caught.value.close()
        return caught.value.code

    def start_session(self, expire_s: int = 60) -> None:
        """Open a session."""
        url = f"{self.base}/sessions/v1/?op=create&expire={expire_s}"
        self.session = self.call(url, "POST")["id"]

    def create(
        self, path: str, data: bytes | None = None, *, sequence: bool = False,
        ephemeral: bool = False,
    ) -> str:  # fmt: skip
        """Create, and tell the real path."""
        parent, _, name = path.rpartition("/")
        flags = {
            "op": "create",
            "name": name,
            "null": "false" if data is not None else "true",
            "ephemeral": str(ephemeral).lower(),
            "sequence": str(sequence).lower(),
        }
        if self.session:
            flags["session"] = self.session
        url = f"{self.base}/znodes/v1{urllib.parse.quote(parent)}?{urllib.parse.urlencode(flags)}"
        return str(self.call(url, "POST", data)["path"])

    def get(self, path: str) -> Any:
        """A STAT with the data decoded."""
        stat = self.call(f"{self.base}/znodes/v1{path}")
        stat["data"] = None if "data64" not in stat else base64.b64decode(stat["data64"])
        return stat

    def children(self, path: str) -> list[str]:
        """URLs of the children, made by the template."""
        child = self.call(f"{self.base}/znodes/v1{path}?view=children")
        template = child["child_uri_template"]
        return [
            template.replace("{child}", urllib.parse.quote(name))
            for name in sorted(child.get("children", []))
        ]


@pytest.fixture
def client(rest: Rest) -> Client:
    """Such a client."""
    return Client(rest.base)


def test_library(client: Client, top: str) -> None:
    """10: create, get, set, delete, and the statuses that the library turns into exceptions."""
    base = f"{client.base}/znodes/v1"
    assert client.create(f"{top}/n", b"data") == f"{top}/n"
    assert client.get(f"{top}/n")["data"] == b"data"
    assert client.create(f"{top}/null") == f"{top}/null"
    assert client.get(f"{top}/null")["data"] is None
    assert client.call(f"{base}{top}/n?version=0", "PUT", b"new")["version"] == 1
    assert client.status(f"{base}{top}/n?version=0", "PUT") == 412
    assert client.status(f"{base}{top}/none") == 404
    assert client.status(f"{base}{top}", "DELETE") == 409
    assert client.call(f"{base}{top}/n?version=1", "DELETE") is None
    with pytest.raises(urllib.error.HTTPError) as caught:
        client.create(f"{top}/null")
    assert caught.value.code == 409
    caught.value.close()


def test_expired_session(client: Client, top: str) -> None:
    """10: a session in use that expired is 401."""

    def used() -> None:
        client.start_session(1)
        client.create(f"{top}/e", b"", ephemeral=True)

    unless_starved(used)
    url = f"{client.base}/znodes/v1{top}?session={client.session}"
    until(lambda: _is_refused(client, url), "the session's end")
    assert client.status(url) == 401


def _is_refused(client: Client, url: str) -> bool:
    try:
        client.call(url)
    except urllib.error.HTTPError as error:
        error.close()
        return True
    return False


def test_queue(client: Client, top: str) -> None:
    """10: the queue demo: sequential children, lowest first, deleted with their version."""
    for number in range(10):
        client.create(f"{top}/item-", str(number).encode(), sequence=True)
    taken = []
    while found := client.children(top):
        stat = client.call(found[0])
        client.call(f"{found[0]}?version={stat['version']}", "DELETE")
        taken.append(int(base64.b64decode(stat["data64"])))
    assert taken == list(range(10))


def test_master_election(rest: Rest, zk: KazooClient, top: str) -> None:
    """10: fifteen agents elect a master among their ephemerals; when it goes, the next is it."""
    agents = [Client(rest.base) for _ in range(15)]

    def join(agent: Client) -> None:
        agent.start_session(60)
        agent.create(f"{top}/agent-", agent.session and agent.session.encode(), sequence=True,
                     ephemeral=True)  # fmt: skip

    threads = [threading.Thread(target=join, args=(agent,)) for agent in agents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    masters = []
    while found := agents[0].children(top):
        master = base64.b64decode(agents[0].call(found[0])["data64"]).decode()
        masters.append(master)
        agents[0].call(f"{rest.base}/sessions/v1/{master}", "DELETE")
    assert sorted(masters) == sorted(str(agent.session) for agent in agents)
    assert zk.get_children(top) == []


def test_dump_tree(client: Client, top: str) -> None:
    """10: a tree is walked by `uri` + ?view=children and the template, as they are."""
    for path in ("a", "a/b c", "a/b c/d", "e"):
        client.create(f"{top}/{path}", b"")

    def walk(url: str) -> list[str]:
        stat = client.call(url)
        child = client.call(f"{stat['uri']}?view=children")
        names = sorted(child.get("children", []))
        template = child["child_uri_template"]
        below = [template.replace("{child}", urllib.parse.quote(name)) for name in names]
        return [stat["path"], *(path for each in below for path in walk(each))]

    assert walk(f"{client.base}/znodes/v1{top}") == [
        top, f"{top}/a", f"{top}/a/b c", f"{top}/a/b c/d", f"{top}/e",
    ]  # fmt: skip
