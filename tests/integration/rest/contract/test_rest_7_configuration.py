"""Contract, section 7: properties, authentication, TLS, WADL."""

import base64
import datetime as dt
import http.client
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from integration.rest.exchange import HANGS_S, Rest, process, running, until
from integration.rest.outage import Relay
from kazoo.client import KazooClient

from zkmq.rest.upstream.gateway_config import EndpointConfig, GatewayConfig, Tls
from zkmq.rest.upstream.properties_file import configure, parse

pytestmark = pytest.mark.docker


def basic(credentials: bytes) -> str:
    """An Authorization header."""
    return "Basic " + base64.b64encode(credentials).decode()


def test_properties_of_the_original(hosts: str, zk: KazooClient, top: str) -> None:
    """7: a properties file of the original, two endpoints and users, is served as it says."""
    text = f"""
        rest.port=0
        rest.endpoint.1=/;{hosts}
        rest.endpoint.2=/zk;{hosts}{top}
        rest.endpoint.2.http.auth=user:pass,other:word
        rest.endpoint.2.zk.digest=u:p
        rest.endpoint.4=/never;{hosts}
    """
    with running(configure(parse(text), folder=Path())) as port:
        rest = Rest("127.0.0.1", port)
        assert rest.get("/znodes/v1/").status == 200
        assert rest.get("/zk/znodes/v1/").status == 401
        assert rest.get("/zk/znodes/v1/", Authorization=basic(b"user:pass")).status == 200
        assert rest.get("/never/znodes/v1/").status == 404
        rest.close()


@pytest.fixture(scope="module")
def guarded(hosts: str) -> Iterator[int]:
    """The port of a gateway with users."""
    users = {"user": "pass", "u": "p:q", "é": "ü"}
    endpoint = EndpointConfig(hosts=hosts, users=users)
    config = GatewayConfig(endpoints=(endpoint,), port=0, admins={"root": "toor"})
    with running(config) as port:
        yield port


class TestUsers:
    """7: HTTP basic authentication."""

    @pytest.mark.parametrize(
        ("authorization", "status"),
        [
            (basic(b"user:pass"), 200),
            (basic(b"u:p:q"), 200),
            (basic("é:ü".encode()), 200),
            ("bASIC " + base64.b64encode(b"user:pass").decode(), 200),
            (None, 401),
            ("", 401),
            ("Basic", 401),
            ("Basic !!!", 401),
            ("Basic dXNlcg==", 401),
            (basic(b"user:wrong"), 401),
            (basic(b"user:passx"), 401),
            (basic(b":pass"), 401),
            (basic(b"\xff\xfe"), 401),
            ("Bearer " + base64.b64encode(b"user:pass").decode(), 401),
            (basic(b"root:toor"), 401),
        ],
    )
    def test_who_comes_in(self, guarded: int, authorization: str | None, status: int) -> None:
        """7: the right name and password, the scheme in any case; else 401 with a challenge."""
        rest = Rest("127.0.0.1", guarded)
        headers = {} if authorization is None else {"Authorization": authorization}
        answer = rest.get("/znodes/v1/", **headers)
        assert answer.status == status
        if status == 401:
            assert answer.headers["www-authenticate"] == 'Basic realm="Restricted"'
        rest.close()

    @pytest.mark.parametrize(
        ("method", "target"),
        [("GET", "/application.wadl"), ("POST", "/sessions/v1/?op=create"),
         ("DELETE", "/sessions/v1/x"), ("GET", "/nothing"), ("OPTIONS", "/znodes/v1/"),
         ("PATCH", "/znodes/v1/"), ("POST", "/multi/v1/")],
    )  # fmt: skip
    def test_every_resource(self, guarded: int, method: str, target: str) -> None:
        """7: every resource of the endpoint is behind the users."""
        rest = Rest("127.0.0.1", guarded)
        assert rest.ask(method, target).status == 401
        rest.close()

    def test_own_resources(self, guarded: int, hosts: str) -> None:
        """9: health is open and names no hosts; metrics and OpenAPI are for the admins."""
        rest = Rest("127.0.0.1", guarded)
        assert rest.get("/healthz").status == 200
        ready = rest.get("/readyz")
        assert hosts.encode() not in ready.body
        assert [rest.get(t).status for t in ("/metrics", "/openapi.json")] == [401, 401]
        admin = basic(b"root:toor")
        assert rest.get("/metrics", Authorization=admin).status == 200
        assert rest.get("/openapi.json", Authorization=admin).status == 200
        rest.close()


def certificate(folder: Path, name: str) -> Tls:
    """Write a new self-signed certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    tls = Tls(certificate=folder / "cert.pem", key=folder / "key.pem", check_s=0.1)
    tls.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    tls.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return tls


def trusting(minimum: ssl.TLSVersion, maximum: ssl.TLSVersion) -> ssl.SSLContext:
    """A client context that takes any certificate and speaks these versions."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version, context.maximum_version = minimum, maximum
    return context


def test_tls(hosts: str, tmp_path: Path) -> None:
    """7: https with PEM files, from TLS 1.2; plain HTTP is dropped; a new certificate is read."""
    tls = certificate(tmp_path, "first")
    context = trusting(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.MAXIMUM_SUPPORTED)
    config = GatewayConfig(endpoints=(EndpointConfig(hosts=hosts),), port=0, tls=tls)
    with running(config) as port:
        rest = Rest("127.0.0.1", port, context=context)
        assert rest.get("/znodes/v1/").json()["uri"] == f"https://127.0.0.1:{port}/znodes/v1/"
        rest.close()
        plain = Rest("127.0.0.1", port)
        with pytest.raises((http.client.HTTPException, OSError)):
            plain.get("/znodes/v1/")
        plain.close()
        first = ssl.get_server_certificate(("127.0.0.1", port))
        certificate(tmp_path, "second")
        until(
            lambda: ssl.get_server_certificate(("127.0.0.1", port)) != first,
            "the new certificate",
        )


def test_wadl(rest: Rest) -> None:
    """7: the WADL names both resources, their methods, and the endpoint's own URL."""
    answer = rest.get("/application.wadl")
    assert (answer.status, answer.type) == (200, "application/vnd.sun.wadl+xml")
    space = "{http://research.sun.com/wadl/2006/10}"
    (resources,) = answer.xml()
    assert resources.get("base") == f"{rest.base}/"
    methods = {
        resource.get("path"): [m.get("name") for m in resource.findall(f"{space}method")]
        for resource in resources
    }
    assert methods == {
        "sessions/v1/{session: .*}": ["PUT", "POST", "DELETE"],
        "znodes/v1{path: /.*}": ["HEAD", "GET", "PUT", "POST", "DELETE"],
    }
    assert rest.get("/application.wadl", Accept="application/json").status == 406


def test_read_only(hosts: str, zk: KazooClient, top: str, url: str) -> None:
    """9: a read-only endpoint answers reads, and 403 to the rest."""
    endpoint = EndpointConfig(hosts=hosts, read_only=True)
    with running(GatewayConfig(endpoints=(endpoint,), port=0)) as port:
        rest = Rest("127.0.0.1", port)
        assert rest.get(url).status == 200
        assert rest.ask("OPTIONS", url).status == 200
        for method, target in (
            ("PUT", url), ("POST", f"{url}?name=n"), ("DELETE", url),
            ("POST", "/multi/v1/"), ("POST", "/sessions/v1/?op=create"),
        ):  # fmt: skip
            assert rest.ask(method, target).status == 403
        rest.close()
    assert zk.get(top)[1].version == 0


def test_no_jsonp(hosts: str) -> None:
    """2.4: JSONP can be switched off: then it is not acceptable."""
    config = GatewayConfig(endpoints=(EndpointConfig(hosts=hosts),), port=0, jsonp=False)
    with running(config) as port:
        rest = Rest("127.0.0.1", port)
        assert rest.get("/znodes/v1/", Accept="application/javascript").status == 406
        rest.close()


def test_stops_cleanly_on_a_signal(hosts: str, zk: KazooClient, top: str, url: str) -> None:
    """9: SIGTERM ends the process with status 0, after its sessions."""
    with process(hosts, request_timeout_s=30.0) as (running_, rest):
        session = rest.post("/sessions/v1/?op=create&expire=600").json()["id"]
        assert rest.post(f"{url}?name=e&ephemeral&session={session}").status == 201
        running_.terminate()
        assert running_.wait(HANGS_S) == 0
        assert zk.get_children(top) == []


def test_stops_without_zookeeper(hosts: str, top: str) -> None:
    """9: a ZooKeeper that does not answer keeps no gateway from stopping within its time."""
    with Relay(hosts) as relay, process(f"{relay.hosts}{top}") as (running_, rest):
        rest.post("/queues/v1/q/items", b"x")
        rest.post("/queues/v1/q/consumers", b"{}")
        rest.post("/sessions/v1/?op=create&expire=600")
        relay.freeze()
        running_.terminate()
        assert running_.wait(HANGS_S) == 0
