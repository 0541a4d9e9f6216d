"""Contract, section 3: what answers look like, key by key."""

import base64
import re

import pytest
from integration.rest.exchange import OCTETS, Rest
from kazoo.client import KazooClient

pytestmark = pytest.mark.docker

NUMBERS = ["czxid", "mzxid", "ctime", "mtime", "version", "cversion", "aversion",
           "ephemeralOwner", "dataLength", "numChildren", "pzxid"]  # fmt: skip


def test_stat_json(rest: Rest, zk: KazooClient, top: str, url: str) -> None:
    """3.1: STAT is flat, with these keys in this order, its numbers those of ZooKeeper."""
    stat = zk.set(top, b"hello")
    fields = rest.get(url).json()
    assert list(fields) == ["path", "uri", "data64", *NUMBERS]
    assert fields["path"] == top
    assert fields["uri"] == rest.base + url
    assert fields["data64"] == "aGVsbG8="
    assert {name: fields[name] for name in NUMBERS} == {
        name: getattr(stat, name) for name in NUMBERS
    }


def test_stat_xml(rest: Rest, zk: KazooClient, top: str, url: str) -> None:
    """3.1, 3.5: the same as XML elements of `<stat>`, without a namespace, in UTF-8."""
    zk.set(top, b"hello")
    answer = rest.get(url, Accept="application/xml")
    assert answer.body.startswith(b'<?xml version="1.0" encoding="UTF-8"?><stat><path>')
    assert [element.tag for element in answer.xml()] == ["path", "uri", "data64", *NUMBERS]
    assert answer.xml().findtext("data64") == "aGVsbG8="


def test_64_bit_numbers(rest: Rest, zk: KazooClient, top: str, url: str) -> None:
    """3.1: ephemeralOwner, above 2^53, is exact, and a number."""
    zk.create(f"{top}/e", b"", ephemeral=True)
    owner = rest.get(f"{url}/e").json()["ephemeralOwner"]
    assert owner == zk.client_id[0]
    assert owner > 2**53


@pytest.mark.parametrize(
    ("data", "dataformat", "expected"),
    [
        pytest.param(b"", "", {"data64": ""}, id="empty"),
        pytest.param(b"", "?dataformat=utf8", {"dataUtf8": ""}, id="empty-utf8"),
        pytest.param(None, "", {}, id="null"),
        pytest.param(None, "?dataformat=utf8", {}, id="null-utf8"),
        pytest.param("é\u20ac".encode(), "?dataformat=utf8", {"dataUtf8": "é\u20ac"}, id="utf8"),
        pytest.param(b"a\xffb", "?dataformat=utf8", {"dataUtf8": "a\ufffdb"}, id="not-utf8"),
        pytest.param(b"x", "?dataformat=UTF8", {"data64": "eA=="}, id="UTF8-is-base64"),
        pytest.param(b"x", "?dataformat=hex", {"data64": "eA=="}, id="hex-is-base64"),
        pytest.param(
            bytes(range(256)) * 4, "",
            {"data64": base64.b64encode(bytes(range(256)) * 4).decode()}, id="unwrapped",
        ),
    ],
)  # fmt: skip
def test_data_keys(
    *,
    rest: Rest,
    zk: KazooClient,
    top: str,
    url: str,
    data: bytes | None,
    dataformat: str,
    expected: dict[str, str],
) -> None:
    """3.1: one data key, by dataformat; none at all for null data."""
    zk.set_async(top, data).get(10)
    fields = rest.get(url + dataformat).json()
    assert {
        k: v for k, v in fields.items() if k.startswith("data") and k != "dataLength"
    } == expected


def test_control_characters(rest: Rest, zk: KazooClient, top: str, url: str) -> None:
    """3.1: control characters are JSON escapes, and U+FFFD where XML cannot hold them."""
    zk.set(top, b"a\x01\x0b<&>\"'\r\n\x7f\xef\xbf\xbe")
    as_json = rest.get(f"{url}?dataformat=utf8").json()["dataUtf8"]
    assert as_json == "a\x01\x0b<&>\"'\r\n\x7f\ufffe"
    as_xml = rest.get(f"{url}?dataformat=utf8", Accept="application/xml").xml()
    assert as_xml.findtext("dataUtf8") == "a\ufffd\ufffd<&>\"'\r\n\x7f\ufffd"


class TestChild:
    """3.2: CHILD."""

    def test_json(self, rest: Rest, zk: KazooClient, top: str, url: str) -> None:
        """3.2: names only, in an array also for one child."""
        zk.create(f"{top}/n1")
        fields = rest.get(f"{url}?view=children").json()
        assert list(fields) == ["path", "uri", "child_uri_template", "children"]
        assert fields["children"] == ["n1"]
        assert fields["child_uri_template"] == f"{rest.base}{url}/{{child}}"
        template = fields["child_uri_template"].removeprefix(rest.base)
        assert rest.get(template.replace("{child}", "n1")).status == 200

    def test_empty(self, rest: Rest, url: str) -> None:
        """3.2: no children are an empty array, and an empty element."""
        assert rest.get(f"{url}?view=children").json()["children"] == []
        answer = rest.get(f"{url}?view=children", Accept="application/xml")
        assert b"<children/>" in answer.body

    def test_root(self, rest: Rest) -> None:
        """3.2: the root's template has one slash."""
        template = rest.get("/znodes/v1/?view=children").json()["child_uri_template"]
        assert template == f"{rest.base}/znodes/v1/{{child}}"

    def test_xml(self, rest: Rest, zk: KazooClient, top: str, url: str) -> None:
        """3.2: XML nests `<child>` in `<children>`."""
        for name in ("n1", "a<b"):
            zk.create(f"{top}/{name}")
        root = rest.get(f"{url}?view=children", Accept="application/xml").xml()
        assert root.tag == "child"
        assert sorted(e.text or "" for e in root.findall("children/child")) == ["a<b", "n1"]


@pytest.mark.parametrize("accept", ["application/json", "application/xml"])
def test_path(rest: Rest, top: str, url: str, accept: str) -> None:
    """3.3: PATH has the real new path, and the URL that was posted to."""
    answer = rest.post(f"{url}?name=c-&sequence=true", Accept=accept)
    if accept == "application/json":
        fields = answer.json()
        assert list(fields) == ["path", "uri"]
    else:
        root = answer.xml()
        assert root.tag == "path"
        fields = {element.tag: element.text for element in root}
    assert fields == {"path": f"{top}/c-0000000000", "uri": rest.base + url}


@pytest.mark.parametrize("accept", ["application/json", "application/xml"])
def test_session(rest: Rest, accept: str) -> None:
    """3.4: SESSION has a UUID and its URL."""
    answer = rest.post("/sessions/v1/?op=create&expire=1", Accept=accept)
    if accept == "application/json":
        fields = answer.json()
    else:
        fields = {element.tag: element.text for element in answer.xml()}
    assert list(fields) == ["id", "uri"]
    assert re.fullmatch("[0-9a-f-]{36}", fields["id"])
    assert fields["uri"] == f"{rest.base}/sessions/v1/{fields['id']}"
    assert answer.headers["location"] == fields["uri"]


class TestError:
    """3.6: ERROR."""

    @pytest.mark.parametrize(
        ("accept", "type_"),
        [(None, "application/json"), ("*/*", "application/json"),
         ("application/json", "application/json"), ("application/xml", "application/xml"),
         ("application/javascript", "application/javascript"), (OCTETS, OCTETS)],
    )  # fmt: skip
    def test_formats(
        self, *, rest: Rest, top: str, url: str, accept: str | None, type_: str
    ) -> None:
        """3.6: in the requested format, JSON by default, with URL and message."""
        headers = {} if accept is None else {"Accept": accept}
        answer = rest.get(f"{url}/no%3C?x=1&y", **headers)
        assert (answer.status, answer.type) == (404, type_)
        message = f"{top}/no< not found"
        request = f"{rest.base}{url}/no%3C?x=1&y"
        if type_ == OCTETS:
            assert answer.body == message.encode()
        elif type_ == "application/xml":
            assert [(e.tag, e.text) for e in answer.xml()] == [
                ("request", request), ("message", message)]  # fmt: skip
        elif type_ == "application/json":
            assert answer.json() == {"request": request, "message": message}
        else:
            assert answer.body.startswith(b'callback({"request":')

    @pytest.mark.parametrize(
        ("method", "suffix", "message"),
        [
            ("GET", "/none", "{top}/none not found"),
            ("POST", "?name=kid", "{top}/kid already exists"),
            ("DELETE", "", "{top} not empty"),
            ("PUT", "?version=7", "{top} bad version"),
            ("PUT", "?version=abc", "{top} bad version abc"),
            ("POST", "?op=x&name=n", "{top} bad operation x"),
        ],
    )
    def test_messages(
        self, *, rest: Rest, zk: KazooClient, top: str, url: str, method: str, suffix: str,
        message: str,
    ) -> None:  # fmt: skip
        """3.6: the messages clients know, with the znode's path in them."""
        zk.create(f"{top}/kid")
        body = b"" if method in ("PUT", "POST") else None
        assert rest.ask(method, url + suffix, body).json()["message"] == message.format(top=top)

    def test_session_message(self, rest: Rest) -> None:
        """3.6: an unknown session is named."""
        assert rest.put("/sessions/v1/nope").json()["message"] == "nope not found"

    @pytest.mark.parametrize(
        ("method", "target", "headers", "status"),
        [
            ("GET", "/nothing", {}, 404),
            ("PATCH", "/znodes/v1/", {}, 405),
            ("GET", "/znodes/v1/", {"Accept": "text/html"}, 406),
            ("PUT", "/znodes/v1/", {"Content-Type": "text/plain"}, 415),
            ("GET", "/znodes/v1/?session=x", {}, 401),
        ],
    )
    def test_always_a_body(
        self, *, rest: Rest, method: str, target: str, headers: dict[str, str], status: int
    ) -> None:
        """3.6: unknown resources, methods, types and sessions have the ERROR body too."""
        answer = rest.ask(method, target, **headers)
        assert answer.status == status
        assert set(answer.json()) == {"request", "message"}

    def test_head_has_no_body(self, rest: Rest, url: str) -> None:
        """3.6: an error on HEAD has no body."""
        answer = rest.ask("HEAD", f"{url}/none")
        assert (answer.status, answer.body) == (404, b"")
