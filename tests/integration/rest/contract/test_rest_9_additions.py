"""Section 9: what the gateway adds to the original's contract."""

import base64
import json

import pytest
from integration.rest.exchange import Answer, Rest
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
        session = rest.post("/sessions/v1/?op=create&expire=60").json()["id"]
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
