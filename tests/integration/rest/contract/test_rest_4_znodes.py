"""Contract, section 4: operations on znodes."""

import pytest
from integration.rest.exchange import OCTETS, Answer, Rest
from kazoo.client import KazooClient

pytestmark = pytest.mark.docker

ACCEPTS = ["application/json", "application/xml", "application/javascript", OCTETS]
NOT_NUMBERS = ["", "abc", "1.0", "1e3", "0x1", "%201", "99999999999", "-", "1_0", "%D9%A1"]


def set_null(zk: KazooClient, path: str) -> None:
    """Give a znode null data."""
    zk.set_async(path, None).get(10)


class TestGet:
    """4.1: GET."""

    @pytest.mark.parametrize("view", ["", "?view=data", "?view=", "?view=CHILDREN", "?view=x"])
    def test_views_of_data(self, rest: Rest, url: str, view: str) -> None:
        """4.1: any view but exactly `children` is data."""
        answer = rest.get(url + view)
        assert (answer.status, "data64" in answer.json()) == (200, True)

    def test_octets(self, rest: Rest, zk: KazooClient, top: str, url: str) -> None:
        """4.1: octets are the raw data, whatever the view."""
        zk.set(top, b"\x00\xffraw")
        for view in ("", "?view=children", "?dataformat=utf8"):
            answer = rest.get(url + view, Accept=OCTETS)
            assert (answer.status, answer.body) == (200, b"\x00\xffraw")

    def test_octets_of_null(self, rest: Rest, zk: KazooClient, top: str, url: str) -> None:
        """4.1: null data as octets is 204, empty data 200."""
        assert rest.get(url, Accept=OCTETS).status == 200
        set_null(zk, top)
        answer = rest.get(url, Accept=OCTETS)
        assert (answer.status, answer.body) == (204, b"")

    @pytest.mark.parametrize("accept", ACCEPTS)
    @pytest.mark.parametrize("view", ["data", "children"])
    def test_missing(self, rest: Rest, url: str, accept: str, view: str) -> None:
        """4.1: no such znode is 404."""
        assert rest.get(f"{url}/none?view={view}", Accept=accept).status == 404


@pytest.mark.parametrize(("accept", "status"), [(a, 204 if a == OCTETS else 200) for a in ACCEPTS])
def test_head(rest: Rest, url: str, accept: str, status: int) -> None:
    """4.2: HEAD is 200, or 204 for octets, without a body; the connection survives."""
    for _ in range(3):
        answer = rest.ask("HEAD", url, Accept=accept)
        assert (answer.status, answer.body) == (status, b"")
    assert rest.ask("HEAD", f"{url}/none", Accept=accept).status == 404
    assert rest.get(url).status == 200


def test_pipelined_head(rest: Rest, url: str) -> None:
    """4.2: requests pipelined behind a HEAD and an error get their own answers."""
    head = f"HEAD {url} HTTP/1.1\r\nHost: h\r\n\r\n"
    bad = f"GET {url}/none HTTP/1.1\r\nHost: h\r\n\r\n"
    last = f"GET {url} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    received = rest.raw((head + bad + last).encode())
    assert [part[:3] for part in received.split(b"HTTP/1.1 ")[1:]] == [b"200", b"404", b"200"]


class TestPut:
    """4.3: PUT."""

    @pytest.mark.parametrize("accept", ACCEPTS)
    def test_sets(self, *, rest: Rest, zk: KazooClient, top: str, url: str, accept: str) -> None:
        """4.3: sets the data; answers a STAT without data, or 204 for octets."""
        answer = rest.put(url, b"new", Accept=accept)
        assert zk.get(top)[0] == b"new"
        assert answer.status == (204 if accept == OCTETS else 200)
        assert b"data64" not in answer.body
        if accept == "application/json":
            assert answer.json()["version"] == 1

    @pytest.mark.parametrize(
        ("null", "expected"), [("true", None), ("TRUE", b"b"), ("", b"b"), ("1", b"b")]
    )
    def test_null(
        self, *, rest: Rest, zk: KazooClient, top: str, url: str, null: str, expected: bytes | None
    ) -> None:
        """4.3: `null=true`, exactly, stores null and ignores the body."""
        assert rest.put(f"{url}?null={null}", b"b").status == 200
        assert zk.get(top)[0] == expected

    @pytest.mark.parametrize(
        ("version", "status"),
        [("0", 200), ("-1", 200), ("00", 200), ("1", 412), ("-2", 412), ("2147483647", 412),
         ("-2147483648", 412)],
    )  # fmt: skip
    def test_versions(
        self, *, rest: Rest, zk: KazooClient, top: str, url: str, version: str, status: int
    ) -> None:
        """4.3: the version must match, -1 always does."""
        assert rest.put(f"{url}?version={version}", b"new").status == status
        assert zk.get(top)[0] == (b"new" if status == 200 else b"")

    @pytest.mark.parametrize("version", NOT_NUMBERS)
    def test_not_a_version(
        self, *, rest: Rest, zk: KazooClient, top: str, url: str, version: str
    ) -> None:
        """4.3: what is not a 32-bit decimal integer is 400, and nothing is changed."""
        assert rest.put(f"{url}?version={version}", b"new").status == 400
        assert zk.get(top)[0] == b""

    @pytest.mark.parametrize("query", ["", "?version=3", "?null=true"])
    def test_missing(self, *, rest: Rest, zk: KazooClient, top: str, url: str, query: str) -> None:
        """4.3: no such znode is 404, also with a version, and none is made."""
        assert rest.put(f"{url}/none{query}", b"x").status == 404
        assert zk.get_children(top) == []


class TestPost:
    """4.4: POST."""

    @pytest.mark.parametrize("query", ["name=n", "name=n&op=create"])
    @pytest.mark.parametrize("accept", ACCEPTS)
    def test_creates(
        self, *, rest: Rest, zk: KazooClient, top: str, url: str, query: str, accept: str
    ) -> None:
        """4.4: 201 with a Location; the znode has the body and the open ACL."""
        answer = rest.post(f"{url}?{query}", b"data", Accept=accept)
        assert answer.status == 201
        assert answer.headers["location"] == f"{rest.base}{url}/n"
        assert zk.get(f"{top}/n")[0] == b"data"
        (acl,) = zk.get_acls(f"{top}/n")[0]
        assert (acl.perms, acl.id.scheme, acl.id.id) == (31, "world", "anyone")
        if accept == OCTETS:
            assert answer.body == f"{top}/n".encode()

    @pytest.mark.parametrize("operation", ["", "CREATE", "delete", "x"])
    def test_operation(
        self, *, rest: Rest, zk: KazooClient, top: str, url: str, operation: str
    ) -> None:
        """4.4: any `op` but `create` is 400."""
        assert rest.post(f"{url}?name=n&op={operation}").status == 400
        assert zk.get_children(top) == []

    @pytest.mark.parametrize(
        "query",
        ["", "name=", "sequence=true", "name=.", "name=..", "name=/x", "name=x/", "name=a//b",
         "name=%00", "name=%EF%BF%BD", "name=%F0%9F%98%80", "name=&sequence=TRUE"],
    )  # fmt: skip
    def test_bad_names(
        self, *, rest: Rest, zk: KazooClient, top: str, url: str, query: str
    ) -> None:
        """4.4: a missing, empty or invalid name is 400, and nothing is made."""
        assert rest.post(f"{url}?{query}").status == 400
        assert zk.get_children(top) == []

    def test_inner_slash(self, rest: Rest, zk: KazooClient, top: str, url: str) -> None:
        """4.4: a name with a slash creates deeper where that level exists."""
        assert rest.post(f"{url}?name=a/b").status == 404
        zk.create(f"{top}/a")
        answer = rest.post(f"{url}?name=a/b")
        assert answer.json()["path"] == f"{top}/a/b"
        assert answer.headers["location"] == f"{rest.base}{url}/a/b"

    @pytest.mark.parametrize(
        ("name", "made"), [("c-", "c-0000000001"), ("", "0000000001"), ("x%20", "x 0000000001")]
    )
    def test_sequence(
        self, *, rest: Rest, zk: KazooClient, top: str, url: str, name: str, made: str
    ) -> None:
        """4.4: `sequence=true` appends the parent's counter, shared with binary clients."""
        zk.create(f"{top}/b-", sequence=True)
        answer = rest.post(f"{url}?name={name}&sequence=true")
        assert answer.json()["path"] == f"{top}/{made}"
        assert zk.create(f"{top}/b-", sequence=True) == f"{top}/b-0000000002"

    @pytest.mark.parametrize("flag", ["", "false", "TRUE", "1"])
    def test_sequence_is_exact(self, rest: Rest, top: str, url: str, flag: str) -> None:
        """4.4: only the word `true` makes a sequence."""
        assert rest.post(f"{url}?name=n&sequence={flag}").json()["path"] == f"{top}/n"

    def test_null(self, rest: Rest, zk: KazooClient, top: str, url: str) -> None:
        """4.4: `null=true` makes a znode with null data; without it an empty body is empty data."""
        rest.post(f"{url}?name=n&null=true", b"ignored")
        rest.post(f"{url}?name=e")
        assert zk.get(f"{top}/n")[0] is None
        assert zk.get(f"{top}/e")[0] == b""

    @pytest.mark.parametrize("flag", ["ephemeral=true", "ephemeral=", "ephemeral", "ephemeral=x"])
    @pytest.mark.parametrize("accept", ["application/json", OCTETS])
    def test_ephemeral(
        self, *, rest: Rest, zk: KazooClient, top: str, url: str, flag: str, accept: str
    ) -> None:
        """4.4: any value but `false` is ephemeral, owned by the session, in every format."""
        session = rest.post("/sessions/v1/?op=create&expire=60").json()["id"]
        made = rest.post(f"{url}?name=n&{flag}&session={session}", Accept=accept)
        assert made.status == 201
        assert zk.get(f"{top}/n")[1].ephemeralOwner != 0
        rest.delete(f"/sessions/v1/{session}")

    def test_ephemeral_false(self, rest: Rest, zk: KazooClient, top: str, url: str) -> None:
        """4.4: `ephemeral=false` is persistent."""
        assert rest.post(f"{url}?name=n&ephemeral=false").status == 201
        assert zk.get(f"{top}/n")[1].ephemeralOwner == 0

    def test_ephemeral_needs_a_session(
        self, rest: Rest, zk: KazooClient, top: str, url: str
    ) -> None:
        """4.4: without a session an ephemeral znode is refused, never made persistent."""
        assert rest.post(f"{url}?name=n&ephemeral=true").status == 400
        assert zk.get_children(top) == []

    def test_existing(self, rest: Rest, zk: KazooClient, top: str, url: str) -> None:
        """4.4: what exists is 409, and stays as it was."""
        zk.create(f"{top}/n", b"old")
        assert rest.post(f"{url}?name=n", b"new").status == 409
        assert zk.get(f"{top}/n")[0] == b"old"

    def test_missing_parent(self, rest: Rest, url: str) -> None:
        """4.4: no parent is 404."""
        assert rest.post(f"{url}/none?name=n").status == 404

    def test_below_an_ephemeral(self, rest: Rest, zk: KazooClient, top: str, url: str) -> None:
        """4.4: an ephemeral znode has no children: 400."""
        zk.create(f"{top}/e", ephemeral=True)
        assert rest.post(f"{url}/e?name=n").status == 400


def test_location_below_the_root(rest: Rest, zk: KazooClient, top: str) -> None:
    """4.5: Location is the new znode's URL, below the root and deeper."""
    name = top.replace("/", "-")
    made = rest.post(f"/znodes/v1/?name={name}")
    assert made.headers["location"] == f"{rest.base}/znodes/v1/{name}"
    deeper = rest.post(f"/znodes/v1/{name}?name=kid")
    assert deeper.headers["location"] == f"{rest.base}/znodes/v1/{name}/kid"
    zk.delete(f"/{name}", recursive=True)


class TestDelete:
    """4.6: DELETE."""

    @pytest.mark.parametrize("accept", ACCEPTS)
    def test_deletes(self, *, rest: Rest, zk: KazooClient, top: str, url: str, accept: str) -> None:
        """4.6: 204 for every format."""
        zk.create(f"{top}/n")
        answer = rest.delete(f"{url}/n", Accept=accept)
        assert (answer.status, answer.body) == (204, b"")
        assert zk.get_children(top) == []

    @pytest.mark.parametrize(
        ("query", "status"),
        [("?version=0", 204), ("?version=-1", 204), ("?version=1", 412), ("?version=-2", 412)]
        + [(f"?version={text}", 400) for text in NOT_NUMBERS],
    )
    def test_versions(
        self, *, rest: Rest, zk: KazooClient, top: str, url: str, query: str, status: int
    ) -> None:
        """4.6: a wrong version is 412, none at all 400, and nothing is deleted."""
        zk.create(f"{top}/n")
        assert rest.delete(f"{url}/n{query}").status == status
        assert zk.get_children(top) == ([] if status == 204 else ["n"])

    def test_missing(self, rest: Rest, url: str) -> None:
        """4.6: no such znode is 404."""
        assert rest.delete(f"{url}/none").status == 404

    def test_children(self, rest: Rest, zk: KazooClient, top: str, url: str) -> None:
        """4.6: a znode with children is 409."""
        zk.create(f"{top}/n")
        assert rest.delete(url).status == 409

    @pytest.mark.parametrize("path", ["/", "/zookeeper", "/zookeeper/quota"])
    def test_system_znodes(self, rest: Rest, path: str) -> None:
        """4.6: the root and ZooKeeper's own znodes are 400."""
        assert rest.delete(f"/znodes/v1{path}").status == 400


def test_options(rest: Rest, url: str) -> None:
    """4.7: OPTIONS is 200 with all methods in Allow."""
    answer = rest.ask("OPTIONS", url)
    assert answer.status == 200
    allow = {method.strip() for method in answer.headers["allow"].split(",")}
    assert allow == {"OPTIONS", "GET", "HEAD", "PUT", "POST", "DELETE"}


@pytest.mark.parametrize("method", ["PATCH", "TRACE", "FOO", "PROPFIND"])
def test_other_methods(rest: Rest, zk: KazooClient, top: str, url: str, method: str) -> None:
    """4.7: any other method is 405 with Allow, and does nothing."""
    answer = rest.ask(method, url, b"" if method == "PATCH" else None)
    assert answer.status == 405
    assert "PUT" in answer.headers["allow"]
    assert zk.get(top)[1].version == 0


def test_connect(rest: Rest) -> None:
    """4.7: CONNECT, whose target is no path, is refused in order."""
    answer = rest.raw(b"CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\nConnection: close\r\n\r\n")
    assert answer.split()[1] in (b"404", b"405")


def test_method_override(rest: Rest, zk: KazooClient, top: str, url: str) -> None:
    """4.7: X-HTTP-Method-Override has no effect."""
    zk.create(f"{top}/n")
    rest.get(f"{url}/n", X_HTTP_Method_Override="DELETE")
    assert zk.get_children(top) == ["n"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH"])
@pytest.mark.parametrize("suffix", ["", "/none"])
@pytest.mark.parametrize("accept", [*ACCEPTS, "text/html"])
def test_unknown_session(
    *, rest: Rest, zk: KazooClient, top: str, url: str, method: str, suffix: str, accept: str
) -> None:
    """4: an unknown session is 401 before anything else is looked at, without a challenge."""
    body = b"x" if method in ("PUT", "POST") else None
    answer: Answer = rest.ask(
        method, f"{url}{suffix}?session=nope&name=n&version=abc", body, Accept=accept
    )
    assert answer.status == 401
    assert "www-authenticate" not in answer.headers
    assert zk.get(top)[1].version == 0
    assert zk.get_children(top) == []
