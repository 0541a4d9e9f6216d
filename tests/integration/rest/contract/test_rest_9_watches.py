"""Section 9: news of a znode, by a long poll or as a stream of events."""

import base64
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from integration.rest.exchange import HANGS_S, Answer, Rest, until
from kazoo.client import KazooClient

from cluster.pods.probe import four_letter_word

pytestmark = pytest.mark.docker


def in_background(rest: Rest, target: str) -> tuple[threading.Thread, list[Answer]]:
    """Ask on a connection of its own."""
    answers: list[Answer] = []

    def ask() -> None:
        client = Rest(rest.host, rest.port)
        answers.append(client.get(target))
        client.close()

    thread = threading.Thread(target=ask)
    thread.start()
    return thread, answers


def waiting(rest: Rest) -> int:
    """How many clients wait for news."""
    lines = rest.get("/metrics").body.decode().splitlines()
    return int(next(line for line in lines if line.startswith("zkmq_rest_watches{")).split()[-1])


class TestLongPoll:
    """9: `watch=`."""

    def test_news_at_once(self, rest: Rest, zk: KazooClient, top: str, url: str) -> None:
        """9: what is newer than `since` is answered at once."""
        stat = zk.set(top, b"x")
        answer = rest.get(f"{url}?watch=data&since={stat.mzxid - 1}&wait=5")
        assert answer.json()["data64"] == "eA=="

    def test_deadline(self, rest: Rest, zk: KazooClient, top: str, url: str) -> None:
        """9: no news is 304 at the deadline, with and without `since`."""
        stat = zk.set(top, b"x")
        for query in (f"&since={stat.mzxid}", ""):
            started = time.monotonic()
            assert rest.get(f"{url}?watch=data&wait=0.4{query}").status == 304
            assert time.monotonic() - started > 0.3

    @pytest.mark.parametrize("since", ["since", "now"])
    def test_event(self, *, rest: Rest, zk: KazooClient, top: str, url: str, since: str) -> None:
        """9: a change is answered when it happens."""
        stat = zk.exists(top)
        query = f"&since={stat.mzxid}" if since == "since" else ""
        thread, answers = in_background(rest, f"{url}?watch=data&wait=60{query}")
        until(lambda: waiting(rest) == 1, "the waiter")
        until(lambda: top in watched(zk), "its watch")
        zk.set(top, b"news")
        thread.join(60)
        assert base64.b64decode(answers[0].json()["data64"]) == b"news"
        until(lambda: waiting(rest) == 0, "the waiter to be counted no more")

    def test_children(self, rest: Rest, zk: KazooClient, top: str, url: str) -> None:
        """9: a new child is answered with CHILD, compared by pzxid."""
        before = rest.get(f"{url}?view=children").headers["zookeeper-pzxid"]
        thread, answers = in_background(rest, f"{url}?watch=children&since={before}&wait=60")
        until(lambda: waiting(rest) == 1, "the waiter")
        zk.set(top, b"no news for this one")
        time.sleep(0.2)
        assert answers == []
        zk.create(f"{top}/kid")
        thread.join(60)
        assert answers[0].json()["children"] == ["kid"]

    def test_exists(self, rest: Rest, zk: KazooClient, top: str, url: str) -> None:
        """9: `exists` waits for a znode to be made; its end is 404."""
        thread, answers = in_background(rest, f"{url}/n?watch=exists&wait=60")
        until(lambda: waiting(rest) == 1, "the waiter")
        zk.create(f"{top}/n", b"x")
        thread.join(60)
        fields = answers[0].json()
        assert (fields["path"], "data64" in fields) == (f"{top}/n", False)
        assert rest.get(f"{url}/n?watch=exists&wait=60").json() == fields  # it does: at once
        thread, answers = in_background(
            rest, f"{url}/n?watch=exists&since={fields['mzxid']}&wait=60"
        )
        until(lambda: waiting(rest) == 1, "the waiter")
        zk.delete(f"{top}/n")
        thread.join(60)
        assert answers[0].status == 404

    def test_missing(self, rest: Rest, url: str) -> None:
        """9: data and children of no znode are 404 at once."""
        for watch in ("data", "children"):
            assert rest.get(f"{url}/none?watch={watch}&wait=60").status == 404

    @pytest.mark.parametrize(
        "query", ["watch=x", "watch=data&wait=x", "watch=data&wait=-1", "watch=data&wait=99999",
                  "watch=data&since=x", "watch=data&since=-1", f"watch=data&since={10**20}",
        ],
    )  # fmt: skip
    def test_refused(self, rest: Rest, url: str, query: str) -> None:
        """9: what cannot be meant is 400."""
        assert rest.get(f"{url}?{query}").status == 400

    def test_no_event_is_lost(self, rest: Rest, zk: KazooClient, top: str, url: str) -> None:
        """9: a reader that follows `since` sees the last of 200 quick changes, never an old one."""
        done = threading.Event()
        seen: list[int] = []

        def follow() -> None:
            client = Rest(rest.host, rest.port)
            since = 0
            while not done.is_set():
                answer = client.get(f"{url}?watch=data&since={since}&wait=1&dataformat=utf8")
                if answer.status == 200:
                    since = answer.json()["mzxid"]
                    seen.append(int(answer.json()["dataUtf8"] or -1))
            client.close()

        thread = threading.Thread(target=follow)
        thread.start()
        for number in range(200):
            zk.set(top, str(number).encode())
        until(lambda: seen[-1:] == [199], "the last change")
        done.set()
        thread.join(60)
        assert seen == sorted(set(seen))

    def test_one_watch_for_many(self, rest: Rest, zk: KazooClient, top: str, url: str) -> None:
        """9: forty waiters share one ZooKeeper watch, and all are answered."""
        waiters = [in_background(rest, f"{url}?watch=data&wait=60") for _ in range(40)]
        until(lambda: waiting(rest) == 40, "the waiters")
        until(lambda: top in watched(zk), "their watch")
        before = watches_in_zookeeper(zk)
        zk.set(top, b"x")
        for thread, answers in waiters:
            thread.join(60)
            assert answers[0].json()["version"] == 1
        assert before - watches_in_zookeeper(zk) <= 1


def watched(zk: KazooClient) -> set[str]:
    """The znodes of which the server holds watches: all, of which kazoo would read a part."""
    told = four_letter_word(zk.hosts[0], "wchp", timeout_s=HANGS_S)
    return {line for line in told.splitlines() if line.startswith("/")}


def watches_in_zookeeper(zk: KazooClient) -> int:
    """How many watches the server holds."""
    text = str(zk.command(b"wchs"))
    return int(text.rpartition(":")[2]) if ":" in text else 0


@contextmanager
def events(rest: Rest, target: str, **headers: str) -> Iterator[Any]:
    """Read a stream of events: yields a function that returns the next."""
    with socket.create_connection((rest.host, rest.port), HANGS_S) as sock:
        lines = [f"GET {target} HTTP/1.1", "Host: h", "Accept: text/event-stream"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        stream = sock.makefile("rb")
        status = stream.readline()
        assert b" 200 " in status, status
        while stream.readline().strip():
            pass

        def event() -> dict[str, str]:
            fields: dict[str, str] = {}
            while True:
                line = stream.readline().decode().rstrip("\r\n")
                name, colon, value = line.partition(": ")
                if not line and fields:
                    return fields
                if colon and name in ("event", "id", "data"):
                    fields[name] = value

        try:
            yield event
        finally:
            stream.close()


class TestStream:
    """9: server-sent events."""

    def test_follows(self, rest: Rest, zk: KazooClient, top: str, url: str) -> None:
        """9: the present state, then each change, also the znode's end and return."""
        zk.create(f"{top}/n", b"0")
        with events(rest, f"{url}/n") as event:
            first = event()
            assert json.loads(first["data"])["data64"] == "MA=="
            assert first["id"] == str(zk.get(f"{top}/n")[1].mzxid)
            zk.set(f"{top}/n", b"1")
            assert json.loads(event()["data"])["data64"] == "MQ=="
            zk.delete(f"{top}/n")
            assert event()["event"] == "absent"
            zk.create(f"{top}/n", b"2")
            assert json.loads(event()["data"])["data64"] == "Mg=="
        until(lambda: waiting(rest) == 0, "the watch to be dropped")

    def test_resumes(self, rest: Rest, zk: KazooClient, top: str, url: str) -> None:
        """9: Last-Event-ID leaves out what was seen."""
        seen = zk.set(top, b"1").mzxid
        with events(rest, url, Last_Event_ID=str(seen)) as event:
            time.sleep(0.2)
            zk.set(top, b"2")
            assert json.loads(event()["data"])["data64"] == "Mg=="

    def test_children(self, rest: Rest, zk: KazooClient, top: str, url: str) -> None:
        """9: `view=children` streams CHILD."""
        with events(rest, f"{url}?view=children") as event:
            assert json.loads(event()["data"])["children"] == []
            zk.create(f"{top}/a")
            assert json.loads(event()["data"])["children"] == ["a"]

    def test_is_not_default(self, rest: Rest, url: str) -> None:
        """9: only a client that asks for events gets them."""
        assert rest.get(url, Accept="*/*").type == "application/json"
        assert rest.ask("PUT", url, b"", Accept="text/event-stream").status == 406
