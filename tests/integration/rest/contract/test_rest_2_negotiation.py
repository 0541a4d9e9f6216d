"""Contract, section 2: representations of answers, and bodies of requests."""

import pytest
from integration.rest.exchange import OCTETS, Rest
from kazoo.client import KazooClient

pytestmark = pytest.mark.docker

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        pytest.param(None, "application/json", id="none"),
        pytest.param("", "application/json", id="empty"),
        pytest.param("*/*", "application/json", id="any"),
        pytest.param("application/*", "application/json", id="any-application"),
        pytest.param("application/json", "application/json", id="json"),
        pytest.param("Application/JSON; charset=utf-8", "application/json", id="case-parameters"),
        pytest.param("application/javascript", "application/javascript", id="jsonp"),
        pytest.param("application/xml", "application/xml", id="xml"),
        pytest.param(OCTETS, OCTETS, id="octets"),
        pytest.param(BROWSER, "application/xml", id="browser"),
        pytest.param("application/json;q=0.2, application/xml;q=0.8", "application/xml", id="q"),
        pytest.param("application/xml, application/json", "application/xml", id="order"),
        pytest.param("application/json;q=0, */*;q=0.1", "application/javascript", id="q0-excludes"),
        pytest.param("text/html, image/gif, *; q=.2, */*; q=.2", "application/json", id="java"),
        pytest.param("text/plain, application/xml;q=0.1", "application/xml", id="only-usable"),
        pytest.param("garbage, application/xml", "application/xml", id="malformed-part"),
    ],
)
def test_answer_type(rest: Rest, url: str, accept: str | None, expected: str) -> None:
    """2.1: the best acceptable representation is sent; JSON where the client has no wish."""
    headers = {} if accept is None else {"Accept": accept}
    assert rest.get(url, **headers).type == expected


@pytest.mark.parametrize(
    "accept",
    ["text/plain", "text/html", "text/xml", "text/javascript", "image/png", "a", "a/b;q=x", "/",
     "application/json;q=0", "application/json;q=2"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST", "DELETE"])
def test_nothing_acceptable(
    *, rest: Rest, zk: KazooClient, top: str, url: str, method: str, accept: str
) -> None:
    """2.1: 406 for every method, and nothing is done."""
    body = b"new" if method in ("PUT", "POST") else None
    assert rest.ask(method, f"{url}?name=n", body, Accept=accept).status == 406
    data, stat = zk.get(top)
    assert (data, stat.version, stat.numChildren) == (b"", 0, 0)


@pytest.mark.parametrize(
    "content_type",
    [None, OCTETS, "Application/Octet-Stream", "application/octet-stream; x=y"],
)
@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_taken_content_types(rest: Rest, url: str, method: str, content_type: str | None) -> None:
    """2.2: octets, however spelt, or no type at all."""
    headers = {} if content_type is None else {"Content-Type": content_type}
    assert rest.ask(method, f"{url}?name=n", b"x", **headers).status in (200, 201)


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/json", "application/x-www-form-urlencoded", "junk"]
)
@pytest.mark.parametrize("accept", ["application/json", "text/plain"])
@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_refused_content_types(
    *, rest: Rest, zk: KazooClient, top: str, url: str, method: str, content_type: str, accept: str
) -> None:
    """2.2: any other type is 415, whatever Accept says, and nothing is done."""
    answer = rest.ask(method, f"{url}?name=n", b"x", Content_Type=content_type, Accept=accept)
    assert answer.status == 415
    assert zk.get(top)[1].version == 0
    assert zk.get_children(top) == []


def test_content_type_of_sessions(rest: Rest) -> None:
    """2.2: creating a session and every DELETE ignore the type; a heart-beat does not."""
    made = rest.post("/sessions/v1/?op=create&expire=60", b"x", Content_Type="text/plain")
    session = f"/sessions/v1/{made.json()['id']}"
    assert rest.put(session, Content_Type="text/plain").status == 415
    assert rest.put(session, Content_Type=OCTETS).status == 200
    assert rest.delete(session, Content_Type="text/plain").status == 204


@pytest.mark.parametrize(
    "body", [b"", b"!!!", b"aGVsbG8=", bytes(range(256))], ids=["empty", "marks", "base64", "bytes"]
)
@pytest.mark.parametrize("dataformat", ["base64", "utf8", "hex"])
def test_body_is_raw(
    *, rest: Rest, zk: KazooClient, top: str, url: str, body: bytes, dataformat: str
) -> None:
    """2.3: dataformat never decodes a body; the empty body is empty data, not null."""
    assert rest.put(f"{url}?dataformat={dataformat}", body).status == 200
    assert zk.get(top)[0] == body
    assert rest.post(f"{url}?name=n&dataformat={dataformat}", body).status == 201
    assert zk.get(f"{top}/n")[0] == body


def test_chunked_body(rest: Rest, zk: KazooClient, top: str, url: str) -> None:
    """2.3: Transfer-Encoding: chunked works."""
    head = f"PUT {url} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n"
    answer = rest.raw(head.encode() + b"\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert zk.get(top)[0] == b"abcdefg"


def test_expect_continue(rest: Rest, zk: KazooClient, top: str, url: str) -> None:
    """2.3: Expect: 100-continue works."""
    head = f"PUT {url} HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n"
    answer = rest.raw(head.encode() + b"Connection: close\r\n\r\nok")
    assert answer.startswith(b"HTTP/1.1 100 ")
    assert b"HTTP/1.1 200 " in answer
    assert zk.get(top)[0] == b"ok"


def test_no_length_is_an_empty_body(rest: Rest, zk: KazooClient, top: str, url: str) -> None:
    """2.3: a POST or PUT without Content-Length has an empty body."""
    for method in ("PUT", "POST"):
        head = f"{method} {url}?name=n HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
        assert rest.raw(head.encode()).split()[1] in (b"200", b"201")
    assert zk.get(top)[0] == b""
    assert zk.get(f"{top}/n")[0] == b""


class TestJsonp:
    """2.4: JSONP."""

    @pytest.mark.parametrize(
        ("query", "start"),
        [("", b"callback({"), ("?callback=my_Fn9", b"my_Fn9({")],
    )
    def test_wraps(self, rest: Rest, url: str, query: str, start: bytes) -> None:
        """2.4: the body is NAME(JSON), by default with the name `callback`."""
        answer = rest.get(url + query, Accept="application/javascript")
        assert answer.body.startswith(start)
        assert answer.body.endswith(b"})")
        assert answer.headers["x-content-type-options"] == "nosniff"

    @pytest.mark.parametrize("name", ["", "a.b", "alert(1)//", "a-b", "%C3%A9", "a%0Ab"])
    def test_bad_names(self, rest: Rest, url: str, name: str) -> None:
        """2.4: anything but letters, digits and underscores is 400, and is not echoed."""
        answer = rest.get(f"{url}?callback={name}", Accept="application/javascript")
        assert answer.status == 400
        assert answer.body.startswith(b"callback(")

    @pytest.mark.parametrize("accept", ["application/json", "application/xml"])
    def test_ignored_elsewhere(self, rest: Rest, url: str, accept: str) -> None:
        """2.4: `callback` means nothing to JSON and XML."""
        answer = rest.get(f"{url}?callback=!", Accept=accept)
        assert (answer.status, answer.type) == (200, accept)

    def test_everywhere(self, rest: Rest, url: str) -> None:
        """2.4: the callback is honoured in answers to POST and PUT too."""
        for answer in (
            rest.post(f"{url}?name=n&callback=f", Accept="application/javascript"),
            rest.put(f"{url}?callback=f", Accept="application/javascript"),
        ):
            assert answer.body.startswith(b"f({")

    def test_line_separators(self, rest: Rest, url: str) -> None:
        """2.4: U+2028, which ends a line of JavaScript, is escaped."""
        rest.put(url, "\u2028".encode())
        answer = rest.get(f"{url}?dataformat=utf8", Accept="application/javascript")
        assert b"\\u2028" in answer.body
