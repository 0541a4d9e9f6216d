"""Whatever is sent, the answer is in order: never a 5xx but 502 to 504, never a stack trace."""

import itertools
import json
import socket
from collections.abc import Iterator
from urllib.parse import quote

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from integration.rest.exchange import OCTETS, Answer, Rest, running
from kazoo.client import KazooClient
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from zkmq.rest.upstream.gateway_config import EndpointConfig, GatewayConfig, Limits

pytestmark = pytest.mark.docker

BOUNDED = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

METHODS = st.sampled_from(["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH", "FOO"])
# Percent-encoded anything: bytes that are no UTF-8, slashes, dots, controls.
PIECES = st.one_of(
    st.sampled_from(["a", "b", "/", ".", "..", "%2F", "%2e", "%", "+", ";", "\\", "%00", "%ff"]),
    st.binary(max_size=3).map(lambda raw: quote(raw, safe="")),
    st.text(max_size=3).map(lambda text: quote(text.encode("utf-8", "surrogatepass"), safe="/")),
)
PATHS = st.lists(PIECES, max_size=6).map("".join)
NAMES = st.sampled_from(
    ["name", "op", "version", "null", "sequence", "ephemeral", "session", "view", "limit", "after",
     "stat", "dataformat", "callback", "watch", "since", "wait", "expire", "x"]
)  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(["", "true", "false", "create", "children", "data", "-1", "0", "utf8", "0.01"]),
    PIECES,
)
QUERIES = st.lists(st.tuples(NAMES, VALUES), max_size=5).map(
    lambda pairs: "&".join(f"{name}={value}" for name, value in pairs) + "&wait=0.01"
)
HEADERS = st.dictionaries(
    st.sampled_from(
        ["Accept", "Content-Type", "If-Match", "If-None-Match", "Authorization", "X-Request-Id"]
    ),
    st.one_of(
        st.sampled_from(
            ["*/*", "application/json", "application/xml", "application/javascript",
             "application/octet-stream", "application/*;q=0.5", '"1-0"', "*", "Basic YTpi"]
        ),
        st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"))
        .map(str.strip)
        .filter(lambda text: "\x85" not in text and "\xa0" not in text),
    ),
    max_size=3,
)  # fmt: skip


@pytest.fixture(scope="module")
def sandbox(hosts: str, zk: KazooClient) -> Iterator[Rest]:
    """A gateway whose root is a subtree of its own; its sessions end soon."""
    zk.ensure_path("/rest/sandbox/a/b")
    endpoint = EndpointConfig(hosts=f"{hosts}/rest/sandbox")
    limits = Limits(expire_s=1, sessions=10_000, body_timeout_s=1)
    with running(GatewayConfig(endpoints=(endpoint,), port=0, limits=limits)) as port:
        rest = Rest("127.0.0.1", port)
        yield rest
        rest.close()


def in_order(answer: Answer) -> None:
    """Demand a status that is no fault of the gateway's, and a body that is no trace."""
    assert answer.status < 500 or answer.status in (502, 503, 504), answer
    assert b"Traceback" not in answer.body
    assert b"Exception" not in answer.body
    if answer.type == "application/json" and answer.body:
        answer.json()
    elif answer.type == "application/xml" and answer.body:
        answer.xml()


@BOUNDED
@given(
    method=METHODS,
    path=PATHS,
    query=QUERIES,
    headers=HEADERS,
    body=st.binary(max_size=64),
)
def test_any_znode_request(
    *, sandbox: Rest, method: str, path: str, query: str, headers: dict[str, str], body: bytes
) -> None:
    """Any path, query, headers and body on the znode resource is answered in order."""
    in_order(sandbox.ask(method, f"/znodes/v1/{path}?{query}", body, **headers))


@BOUNDED
@given(method=METHODS, path=PATHS, query=QUERIES, headers=HEADERS)
def test_any_resource(
    *, sandbox: Rest, method: str, path: str, query: str, headers: dict[str, str]
) -> None:
    """Any path at all is answered in order."""
    for prefix in ("/", "/sessions/v1/", "/queues/v1/", "/multi/v1/", "/znodes/"):
        in_order(sandbox.ask(method, f"{prefix}{path}?{query}", b"", **headers))


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda values: (
        st.lists(values, max_size=3)
        | st.dictionaries(
            st.sampled_from(["op", "path", "data64", "version", "ids", "n", "done"]),
            values,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@BOUNDED
@given(value=JSON_VALUES)
def test_any_transaction(sandbox: Rest, value: object) -> None:
    """Any JSON as a transaction is answered in order."""
    in_order(sandbox.post("/multi/v1/", json.dumps(value).encode()))
    in_order(sandbox.post("/multi/v1/", json.dumps([value]).encode()))


@BOUNDED
@given(data=st.binary(max_size=200))
def test_any_bytes(sandbox: Rest, data: bytes) -> None:
    """Any bytes are answered in order or not at all, and the gateway goes on."""
    with socket.create_connection((sandbox.host, sandbox.port), 10) as sock:
        sock.sendall(data + b"\r\n\r\n")
        sock.shutdown(socket.SHUT_WR)
        received = b""
        while chunk := sock.recv(65536):
            received += chunk
    assert b"HTTP/1.1 500" not in received
    assert b"Traceback" not in received
    assert sandbox.get("/healthz").status == 200


NODE_NAMES = st.text(
    st.characters(
        exclude_categories=["Cs", "Cc", "Co"], max_codepoint=0xFFEF, exclude_characters="/"
    ),
    min_size=1,
    max_size=12,
).filter(lambda name: name not in (".", ".."))

_names = itertools.count(1)


@BOUNDED
@given(name=NODE_NAMES, data=st.none() | st.binary(max_size=300))
def test_round_trip(sandbox: Rest, name: str, data: bytes | None) -> None:
    """Any name and data come back as they were put, by Location and in the parent's list."""
    parent = f"p{next(_names)}"
    assert sandbox.post(f"/znodes/v1/?name={parent}").status == 201
    null = "&null=true" if data is None else ""
    made = sandbox.post(f"/znodes/v1/{parent}?name={quote(name, safe='')}{null}", data or b"")
    assert made.status == 201
    assert made.json()["path"] == f"/{parent}/{name}"
    found = sandbox.get(
        made.headers["location"].removeprefix(sandbox.base), Accept="application/octet-stream"
    )
    assert (found.status, found.body) == ((204, b"") if data is None else (200, data))
    listed = sandbox.get(f"/znodes/v1/{parent}?view=children")
    assert listed.json()["children"] == [name]
    as_xml = sandbox.get(f"/znodes/v1/{parent}?view=children", Accept="application/xml").xml()
    assert [e.text for e in as_xml.findall("children/child")] == [name]


ACCEPTS = ["application/json", "application/xml", "application/javascript", OCTETS, "*/*"]


def steer(case: schemathesis.Case, count: int, consumer: str) -> None:
    """Lead a case to what exists, so that more than 404 is seen."""
    where = case.path_parameters or {}
    only_json = "queue" in where and count % 5
    case.headers["Accept"] = "*/*" if only_json else ACCEPTS[count % len(ACCEPTS)]
    if "path" in where:
        where["path"] = "ab"[count % 2]
    if "queue" in where:
        where["queue"] = "q"
    if "consumer" in where and count % 4 and case.method != "DELETE":
        where["consumer"] = consumer
    query = case.query or {}
    if "name" in query and count % 3:
        query["name"] = "b"
    if "watch" in query:
        query["wait"] = 0.01
    if isinstance(case.body, dict) and "wait_s" in case.body:
        case.body["wait_s"] = 0.01


class TestOpenApi:
    """Schemathesis: the gateway does what its own OpenAPI document says."""

    def test_conformance(self, sandbox: Rest) -> None:
        """Statuses, types and bodies are the documented ones, for requests made from it."""
        schema = schemathesis.openapi.from_url(f"{sandbox.base}/openapi.json")
        checks = [
            not_a_server_error,
            status_code_conformance,
            content_type_conformance,
            response_schema_conformance,
        ]
        count = 0
        opened = sandbox.post("/queues/v1/q/consumers", b'{"session_s": 60}')
        consumer = opened.json()["consumer"]
        for result in schema.get_all_operations():
            operation = result.ok()

            @settings(BOUNDED, max_examples=25)
            @given(case=operation.as_strategy())
            def conforms(case: schemathesis.Case) -> None:
                nonlocal count
                count += 1
                steer(case, count, consumer)
                case.call_and_validate(base_url=sandbox.base, checks=checks, timeout=60)

            conforms()
        assert count > 200
