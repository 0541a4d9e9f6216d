"""Contract, section 1: which URL is which znode."""

from urllib.parse import quote

import pytest
from integration.rest.exchange import Rest, running
from kazoo.client import KazooClient

from zkmq.rest.upstream.gateway_config import EndpointConfig, GatewayConfig

pytestmark = pytest.mark.docker

BAD_PATHS = {
    "empty-segment": "/a//b",
    "two-slashes": "//",
    "dot": "/a/./b",
    "dot-dot": "/a/../b",
    "encoded-dot-dot": "/a/%2e%2E/b",
    "nul": "/a%00b",
    "control": "/a%1Fb",
    "delete": "/a%7F",
    "c1": "/a%C2%9F",
    "private-use": "/a%EE%80%80",
    "specials": "/a%EF%BF%BD",
    "astral": "/a%F0%9F%98%80",
    "not-utf8": "/a%ff",
    "overlong": "/a%c0%ae",
    "surrogate": "/a%ed%a0%80",
    "lone-percent": "/a%",
    "broken-escape": "/a%zz",
    "unicode-escape": "/a%u0041",
    "trailing-slash": "/a/",
    "encoded-slash": "/a%2Fb",
    "encoded-slash-lower": "/a%2fb",
}


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        pytest.param("GET", "/znodes/v1/", 200, id="1.1-root"),
        pytest.param("HEAD", "/znodes/v1/", 200, id="1.1-root-head"),
        pytest.param("OPTIONS", "/znodes/v1/", 200, id="1.1-options"),
        pytest.param("OPTIONS", "/sessions/v1/x", 200, id="1.1-session-options"),
        pytest.param("POST", "/sessions/v1/?op=create&expire=1", 201, id="1.1-sessions"),
        pytest.param("POST", "/sessions/v1?op=create&expire=1", 201, id="1.1-sessions-no-slash"),
        pytest.param("GET", "/application.wadl", 200, id="1.1-wadl"),
        pytest.param("HEAD", "/application.wadl", 200, id="1.1-wadl-head"),
        pytest.param("GET", "/znodes", 404, id="1.2-znodes"),
        pytest.param("GET", "/znodes/v2/", 404, id="1.2-v2"),
        pytest.param("GET", "/znodes/v1foo", 404, id="1.2-v1foo"),
        pytest.param("GET", "/znodes/v1", 404, id="1.2-v1-no-slash"),
        pytest.param("GET", "/", 404, id="1.2-slash"),
        pytest.param("GET", "/applicationxwadl", 404, id="1.2-wadl-dot"),
        pytest.param("GET", "/sessions/v1/a/b", 404, id="1.2-below-session"),
    ],
)
def test_resources(rest: Rest, method: str, target: str, status: int) -> None:
    """1.1, 1.2: these resources exist, anything else is 404."""
    assert rest.ask(method, target).status == status


def test_the_root_points_to_the_documentation(rest: Rest) -> None:
    """A person who opens the gateway's address in a browser learns where to look."""
    answer = rest.get("/")
    assert b"/openapi.json" in answer.body
    assert answer.headers["link"] == '</openapi.json>; rel="service-desc"'
    assert rest.get("/openapi.json").status == 200


def test_contexts(hosts: str, zk: KazooClient, top: str) -> None:
    """1.2: a context path matches whole segments, and a chroot is where its paths begin."""
    zk.create(f"{top}/kid", b"x")
    endpoint = EndpointConfig(context="/zk", hosts=f"{hosts}{top}")
    with running(GatewayConfig(endpoints=(endpoint,), port=0)) as port:
        rest = Rest("127.0.0.1", port)
        assert rest.get("/zk/znodes/v1/kid").json()["path"] == "/kid"
        assert rest.get("/zkx/znodes/v1/kid").status == 404
        assert rest.get("/znodes/v1/kid").status == 404
        made = rest.post("/zk/znodes/v1/?name=new")
        assert made.json()["path"] == "/new"
        assert made.headers["location"] == f"{rest.base}/zk/znodes/v1/new"
        assert rest.delete("/zk/znodes/v1/").status == 400
        assert rest.get("/zk/znodes/v1/zookeeper").status == 404
        rest.close()
    assert set(zk.get_children(top)) == {"kid", "new"}


def test_missing_chroot(hosts: str, top: str) -> None:
    """7: below a chroot that does not exist every path is 404."""
    endpoint = EndpointConfig(hosts=f"{hosts}{top}/nothing")
    with running(GatewayConfig(endpoints=(endpoint,), port=0)) as port:
        rest = Rest("127.0.0.1", port)
        assert [rest.get(f"/znodes/v1/{name}").status for name in ("", "a")] == [404, 404]
        assert rest.post("/znodes/v1/?name=a").status == 404
        rest.close()


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        pytest.param("a+b", "a+b", id="1.3-plus-is-plus"),
        pytest.param("a%20b", "a b", id="1.3-space"),
        pytest.param("%C3%A9", "\u00e9", id="1.3-utf8"),
        pytest.param("%252F", "%2F", id="1.3-decoded-once"),
        pytest.param("a;x=y", "a;x=y", id="1.4-semicolon-is-literal"),
        pytest.param("a%5Cb", "a\\b", id="1.4-backslash"),
        pytest.param("%2e%2e%2e", "...", id="1.4-three-dots"),
        pytest.param("a?", "a", id="1.3-empty-query"),
    ],
)
def test_path_decoding(rest: Rest, zk: KazooClient, top: str, sent: str, name: str) -> None:
    """1.3: a path is percent-decoded once, as UTF-8; plus and semicolon are themselves."""
    zk.create(f"{top}/{name}", b"here")
    answer = rest.get(f"/znodes/v1{top}/{sent}")
    assert (answer.status, answer.json()["path"]) == (200, f"{top}/{name}")


def test_no_normalisation(rest: Rest, zk: KazooClient, top: str, url: str) -> None:
    """1.3: NFC and NFD are two znodes."""
    zk.create(f"{top}/\u00e9", b"nfc")
    assert rest.get(f"{url}/%C3%A9").status == 200
    assert rest.get(f"{url}/e%CC%81").status == 404


@pytest.mark.parametrize("path", [pytest.param(p, id=f"1.4-{n}") for n, p in BAD_PATHS.items()])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "POST"])
def test_invalid_paths(rest: Rest, method: str, path: str) -> None:
    """1.4: what ZooKeeper would not take as a path is 400 for every method."""
    answer = rest.ask(
        method, f"/znodes/v1{path}?name=n", b"" if method in ("PUT", "POST") else None
    )
    assert answer.status == 400
    assert b"Exception" not in answer.body


def test_raw_bytes_in_a_path(rest: Rest) -> None:
    """1.4: unescaped bytes that are no ASCII are 400, and the connection ends in order."""
    answer = rest.raw("GET /znodes/v1/\u00e9 HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("query", "name"),
    [
        pytest.param("name=a+b", "a b", id="plus-is-space"),
        pytest.param("name=a%2Bb", "a+b", id="escaped-plus"),
        pytest.param("name=first&name=second", "first", id="first-counts"),
        pytest.param("name=n&unknown=%zz&x", "n", id="unknown-ignored"),
        pytest.param("name=n&session=", "n", id="empty-session-is-none"),
        pytest.param("name=%25zz", "%zz", id="escaped-percent"),
    ],
)
def test_query_decoding(
    *, rest: Rest, zk: KazooClient, top: str, url: str, query: str, name: str
) -> None:
    """1.3: query values are form-decoded, the first of a name counts, unknown ones do not."""
    assert rest.post(f"{url}?{query}").status == 201
    assert zk.get_children(top) == [name]


@pytest.mark.parametrize("name", ["%zz", "%ff", "%ed%a0%80"])
def test_broken_query_values(rest: Rest, url: str, name: str) -> None:
    """1.4: a name that cannot be decoded is 400."""
    assert rest.post(f"{url}?name={name}").status == 400


class TestUri:
    """1.5: URLs in answers."""

    def test_as_sent(self, rest: Rest, zk: KazooClient, top: str, url: str) -> None:
        """1.5: `uri` has the Host header and the path as they were sent, and no query."""
        zk.create(f"{top}/a b", b"")
        answer = rest.get(f"{url}/a%20b?dataformat=utf8", Host="Example.org:81")
        assert answer.json()["uri"] == f"http://Example.org:81{url}/a%20b"

    def test_http_1_0(self, rest: Rest) -> None:
        """1.5: HTTP/1.0 without Host gets the listening name."""
        answer = rest.raw(b"GET /znodes/v1/ HTTP/1.0\r\n\r\n")
        assert f'"uri":"{rest.base}/znodes/v1/"'.encode() in answer

    def test_absolute_form(self, rest: Rest) -> None:
        """1.5: a request target in absolute form names the same resource."""
        head = f"GET {rest.base}/znodes/v1/ HTTP/1.1\r\nHost: h:1\r\nConnection: close\r\n\r\n"
        assert b'"uri":"http://h:1/znodes/v1/"' in rest.raw(head.encode())

    def test_forwarded_is_ignored(self, rest: Rest) -> None:
        """1.5: X-Forwarded headers are nobody's business unless configured."""
        answer = rest.get("/znodes/v1/", X_Forwarded_Proto="https", X_Forwarded_Host="evil")
        assert answer.json()["uri"] == f"{rest.base}/znodes/v1/"

    def test_bad_host(self, rest: Rest) -> None:
        """1.5: a Host header that is no authority is 400, not echoed into URLs."""
        assert rest.get("/znodes/v1/", Host='h"><script>').status == 400

    @pytest.mark.parametrize(
        ("settings", "base"),
        [
            pytest.param({"public_url": "https://q.example/"}, "https://q.example", id="fixed"),
            pytest.param({"trust_proxy": True}, "https://front", id="proxy"),
        ],
    )
    def test_behind_a_proxy(self, hosts: str, settings: dict[str, object], base: str) -> None:
        """1.5: a fixed public URL, or a trusted proxy's headers, replace scheme and host."""
        endpoint = EndpointConfig(hosts=hosts)
        config = GatewayConfig(endpoints=(endpoint,), port=0, **settings)  # type: ignore[arg-type]
        with running(config) as port:
            rest = Rest("127.0.0.1", port)
            answer = rest.get("/znodes/v1/", X_Forwarded_Proto="https", X_Forwarded_Host="front")
            assert answer.json()["uri"] == f"{base}/znodes/v1/"
            rest.close()

    def test_round_trip_of_any_name(self, rest: Rest, url: str) -> None:
        """1.5: the Location of a create can be used as it is."""
        made = rest.post(f"{url}?name={quote('a;b%&?#+ é', safe='')}")
        location = made.headers["location"].removeprefix(rest.base)
        assert rest.get(location).json()["path"] == made.json()["path"]
