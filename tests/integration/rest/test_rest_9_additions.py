"""Section 9: what the gateway adds to the original's contract."""

import base64
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from integration.rest.exchange import Answer, Rest, until
from kazoo.client import KazooClient

pytestmark = pytest.mark.docker


class TestTags:
    """9: ETag, If-Match, If-None-Match."""

    def test_tag(self, rest: Rest, zk: KazooClient, top: str, url: str) -> None:
        """9: GET, HEAD and PUT carry "<mzxid>-<version>"."""
        for answer in (rest.put(url, b"x"), rest.get(url), rest.ask("HEAD", url)):
            stat = zk.get(top)[1]
            assert answer.headers["etag"] == f'"{stat.mzxid}-{stat.version}"'

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_not_modified(self, rest: Rest, url: str, method: str) -> None:
        """9: If-None-Match with the present tag is 304, with another the full answer."""
        tag = rest.get(url).headers["etag"]
        same = rest.ask(method, url, If_None_Match=f'"0-0", W/{tag}')
        assert (same.status, same.body) == (304, b"")
        assert rest.ask(method, url, If_None_Match='"0-0"').status == 200

    @pytest.mark.parametrize("method", ["PUT", "DELETE"])
    def test_if_match(
        self, *, rest: Rest, zk: KazooClient, top: str, url: str, method: str
    ) -> None:
        """9: a write with a stale or weak tag is 412 and does nothing; with the present, done."""
        zk.create(f"{top}/n", b"old")
        tag = rest.get(f"{url}/n").headers["etag"]
        zk.set(f"{top}/n", b"newer")
        for stale in (tag, f"W/{rest.get(f'{url}/n').headers['etag']}", "junk"):
            assert rest.ask(method, f"{url}/n", If_Match=stale).status == 412
        assert zk.get(f"{top}/n")[0] == b"newer"
        fresh = rest.get(f"{url}/n").headers["etag"]
        assert rest.ask(method, f"{url}/n?version=7", If_Match=fresh).status == 412
        assert rest.ask(method, f"{url}/n", If_Match=f"{tag}, {fresh}").status in (200, 204)

    def test_recreated(self, rest: Rest, zk: KazooClient, top: str, url: str) -> None:
        """9: a tag is not fooled by a znode made anew with the same version."""
        zk.create(f"{top}/n", b"old")
        tag = rest.get(f"{url}/n").headers["etag"]
        zk.delete(f"{top}/n")
        zk.create(f"{top}/n", b"new")
        assert rest.put(f"{url}/n", b"x", If_Match=tag).status == 412
        assert rest.put(f"{url}/n", b"x", If_Match="*").status == 200
        assert rest.put(f"{url}/n", b"y", If_None_Match="*").status == 412


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
            assert 0.3 < time.monotonic() - started < 1.5

    @pytest.mark.parametrize("since", ["since", "now"])
    def test_event(self, *, rest: Rest, zk: KazooClient, top: str, url: str, since: str) -> None:
        """9: a change is answered when it happens."""
        stat = zk.exists(top)
        query = f"&since={stat.mzxid}" if since == "since" else ""
        thread, answers = in_background(rest, f"{url}?watch=data&wait=10{query}")
        until(lambda: waiting(rest) == 1, "the waiter")
        time.sleep(0.1)
        zk.set(top, b"news")
        thread.join(5)
        assert base64.b64decode(answers[0].json()["data64"]) == b"news"
        assert waiting(rest) == 0

    def test_children(self, rest: Rest, zk: KazooClient, top: str, url: str) -> None:
        """9: a new child is answered with CHILD, compared by pzxid."""
        before = rest.get(f"{url}?view=children").headers["zookeeper-pzxid"]
        thread, answers = in_background(rest, f"{url}?watch=children&since={before}&wait=10")
        until(lambda: waiting(rest) == 1, "the waiter")
        zk.set(top, b"no news for this one")
        time.sleep(0.2)
        assert answers == []
        zk.create(f"{top}/kid")
        thread.join(5)
        assert answers[0].json()["children"] == ["kid"]

    def test_exists(self, rest: Rest, zk: KazooClient, top: str, url: str) -> None:
        """9: `exists` waits for a znode to be made; its end is 404."""
        thread, answers = in_background(rest, f"{url}/n?watch=exists&wait=10")
        until(lambda: waiting(rest) == 1, "the waiter")
        zk.create(f"{top}/n", b"x")
        thread.join(5)
        fields = answers[0].json()
        assert (fields["path"], "data64" in fields) == (f"{top}/n", False)
        thread, answers = in_background(
            rest, f"{url}/n?watch=exists&since={fields['mzxid']}&wait=10"
        )
        until(lambda: waiting(rest) == 1, "the waiter")
        zk.delete(f"{top}/n")
        thread.join(5)
        assert answers[0].status == 404

    def test_missing(self, rest: Rest, url: str) -> None:
        """9: data and children of no znode are 404 at once."""
        for watch in ("data", "children"):
            assert rest.get(f"{url}/none?watch={watch}&wait=10").status == 404

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
        thread.join(5)
        assert seen == sorted(set(seen))

    def test_one_watch_for_many(self, rest: Rest, zk: KazooClient, top: str, url: str) -> None:
        """9: forty waiters share one ZooKeeper watch, and all are answered."""
        waiters = [in_background(rest, f"{url}?watch=data&wait=10") for _ in range(40)]
        until(lambda: waiting(rest) == 40, "the waiters")
        time.sleep(0.3)
        before = watches_in_zookeeper(zk)
        zk.set(top, b"x")
        for thread, answers in waiters:
            thread.join(5)
            assert answers[0].json()["version"] == 1
        assert before - watches_in_zookeeper(zk) <= 1


def watches_in_zookeeper(zk: KazooClient) -> int:
    """How many watches the server holds."""
    text = str(zk.command(b"wchs"))
    return int(text.rpartition(":")[2]) if ":" in text else 0


@contextmanager
def events(rest: Rest, target: str, **headers: str) -> Iterator[Any]:
    """Read a stream of events: yields a function that returns the next."""
    with socket.create_connection((rest.host, rest.port), 10) as sock:
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


class TestPages:
    """9: pagination of children."""

    def test_pages(self, rest: Rest, zk: KazooClient, top: str, url: str) -> None:
        """9: sorted pages follow each other by `next`, and end without one."""
        names = [f"n{number:02}" for number in range(25)]
        for name in names:
            zk.create(f"{top}/{name}")
        seen: list[str] = []
        after = ""
        while True:
            page = rest.get(f"{url}?view=children&limit=10{after}").json()
            seen += page["children"]
            if "next" not in page:
                break
            after = f"&after={page['next']}"
        assert seen == names

    def test_stats(self, rest: Rest, zk: KazooClient, top: str, url: str) -> None:
        """9: `stat=true` brings each child's metadata."""
        zk.create(f"{top}/a", b"12345")
        (entry,) = rest.get(f"{url}?view=children&stat=true").json()["stats"]
        assert (entry["name"], entry["dataLength"]) == ("a", 5)
        xml = rest.get(f"{url}?view=children&stat=true", Accept="application/xml").xml()
        assert xml.findtext("stats/stat/dataLength") == "5"

    @pytest.mark.parametrize("limit", ["0", "-1", "x", "99999999999"])
    def test_refused(self, rest: Rest, url: str, limit: str) -> None:
        """9: a limit that is none is 400."""
        assert rest.get(f"{url}?view=children&limit={limit}").status == 400


class TestMulti:
    """9: transactions."""

    def multi(self, rest: Rest, operations: object, query: str = "") -> Answer:
        """Post a transaction."""
        return rest.post(
            f"/multi/v1/{query}", json.dumps(operations).encode(), Content_Type="application/json"
        )

    def test_all(self, rest: Rest, zk: KazooClient, top: str) -> None:
        """9: all operations are applied, with one zxid, and answered in order."""
        zk.create(f"{top}/old", b"")
        answer = self.multi(
            rest,
            [
                {"op": "check", "path": top, "version": 0},
                {"op": "create", "path": f"{top}/n-", "data64": "eA==", "sequence": True},
                {"op": "set", "path": top, "data64": "eQ==", "version": 0},
                {"op": "delete", "path": f"{top}/old"},
                {"op": "create", "path": f"{top}/null", "data64": None},
            ],
        )
        results = answer.json()["results"]
        assert [result["op"] for result in results] == [
            "check",
            "create",
            "set",
            "delete",
            "create",
        ]
        assert results[1]["path"] == f"{top}/n-0000000001"
        assert results[2]["version"] == 1
        assert zk.get(top)[0] == b"y"
        assert zk.get(f"{top}/null")[0] is None
        assert zk.get(f"{top}/n-0000000001")[1].czxid == zk.get(top)[1].mzxid

    def test_none(self, rest: Rest, zk: KazooClient, top: str) -> None:
        """9: one that fails gives its status and index, and nothing is applied."""
        answer = self.multi(
            rest,
            [
                {"op": "create", "path": f"{top}/a"},
                {"op": "set", "path": top, "data64": "", "version": 5},
                {"op": "delete", "path": f"{top}/none"},
            ],
        )
        assert (answer.status, answer.json()["index"]) == (412, 1)
        assert zk.get_children(top) == []

    @pytest.mark.parametrize(
        ("operation", "status"),
        [
            ({"op": "create", "path": "/rest"}, 409),
            ({"op": "create", "path": "/none/a"}, 404),
            ({"op": "delete", "path": "/rest"}, 409),
            ({"op": "check", "path": "/none"}, 404),
            ({"op": "delete", "path": "/"}, 400),
            ({"op": "delete", "path": "/zookeeper"}, 400),
            ({"op": "x", "path": "/a"}, 400),
            ({"op": ["create"], "path": "/a"}, 400),
            ({"path": "/a"}, 400),
            ({"op": "create"}, 400),
            ({"op": "create", "path": 5}, 400),
            ({"op": "create", "path": "a"}, 400),
            ({"op": "create", "path": "/a//b"}, 400),
            ({"op": "create", "path": "/\ud800"}, 400),
            ({"op": "create", "path": "/a", "data64": "?"}, 400),
            ({"op": "create", "path": "/a", "data64": 5}, 400),
            ({"op": "create", "path": "/a", "typo": 1}, 400),
            ({"op": "create", "path": "/a", "ephemeral": True}, 400),
            ({"op": "create", "path": "/a", "sequence": "true"}, 400),
            ({"op": "set", "path": "/a", "version": "0"}, 400),
            ({"op": "set", "path": "/a", "version": True}, 400),
            ({"op": "set", "path": "/a", "version": 2**31}, 400),
            ("create", 400),
        ],
    )
    def test_refused(self, rest: Rest, operation: object, status: int) -> None:
        """9: a bad operation has its index, and the transaction does nothing."""
        answer = self.multi(rest, [{"op": "check", "path": "/"}, operation])
        assert (answer.status, answer.json()["index"]) == (status, 1)

    @pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"nonsense", b"\xff", b"[" * 100_000])
    def test_no_list(self, rest: Rest, body: bytes) -> None:
        """9: a body that is no list of operations is 400."""
        assert rest.post("/multi/v1/", body).status == 400

    def test_ephemeral(self, rest: Rest, zk: KazooClient, top: str) -> None:
        """9: ephemeral znodes belong to the session named."""
        session = rest.post("/sessions/v1/?op=create").json()["id"]
        operation = {"op": "create", "path": f"{top}/e", "ephemeral": True}
        assert self.multi(rest, [operation], f"?session={session}").status == 200
        assert zk.get(f"{top}/e")[1].ephemeralOwner != 0
        rest.delete(f"/sessions/v1/{session}")
        assert zk.get_children(top) == []

    def test_too_large(self, rest: Rest, zk: KazooClient, top: str) -> None:
        """9: more than ZooKeeper takes in one request is 413."""
        half = base64.b64encode(bytes(550_000)).decode()
        operations = [
            {"op": "create", "path": f"{top}/{name}", "data64": half} for name in ("a", "b")
        ]
        assert self.multi(rest, operations).status == 413
        assert self.multi(rest, operations[:1]).status == 200
        assert self.multi(rest, [{"op": "check", "path": "/"}] * 1001).status == 413

    def test_other_types(self, rest: Rest) -> None:
        """9: a body announced as something else is 415; XML answers are fine."""
        body = b'[{"op":"check","path":"/"}]'
        assert rest.post("/multi/v1/", body, Content_Type="text/plain").status == 415
        root = rest.post("/multi/v1/", body, Accept="application/xml").xml()
        assert root.findtext("results/item/op") == "check"


def test_metrics(rest: Rest, url: str) -> None:
    """9: requests are counted by method, resource and status, never by path."""
    rest.get(f"{url}/none")
    text = rest.get("/metrics").body.decode()
    assert 'zkmq_rest_requests_total{method="GET",route="znodes",status="404"}' in text
    assert 'zkmq_rest_request_seconds_bucket{route="znodes",le="+Inf"}' in text
    assert url not in text


def test_request_id(rest: Rest) -> None:
    """9: each answer has a request id, the client's own if it is one."""
    assert rest.get("/healthz", X_Request_Id="mine-7").headers["x-request-id"] == "mine-7"
    two = {rest.get("/healthz", X_Request_Id="<bad>").headers["x-request-id"] for _ in range(2)}
    assert len(two) == 2
    assert "<bad>" not in two
