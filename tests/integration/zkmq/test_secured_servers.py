"""SASL and certificates on real servers: whose a queue's nodes are, and what others are told."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from integration.rest.exchange import running, until
from kazoo.security import ACL, Id

from worlds import secured_servers
from worlds.certificates import Authority
from worlds.secured_servers import SecuredServers
from zkmq import AccessDeniedError, NoQuorumError, Queue, Security
from zkmq.rest.client import Queue as RestQueue
from zkmq.rest.upstream.gateway_config import EndpointConfig, GatewayConfig
from zkmq.zookeeper.session.kazoo_client import StoreClient
from zkmq.zookeeper.session.kazoo_store import KazooStore

pytestmark = pytest.mark.docker
USERS = {"app": "the secret of app", "stranger": "another secret"}
SHARED = {"user": "team", "password": "what the team knows"}
KEY_PASSWORD = "the secret of the key"  # noqa: S105 - of a test
# Whoever waits that long has not been told.
NEVER_S = 600.0


@dataclass(frozen=True, slots=True)
class Secured:
    """One of the servers, and who uses it.

    Attributes:
        owner: what the servers call `app`.
        environment: what makes the command `app`.
    """

    hosts: str
    app: Security
    stranger: Security
    nobody: Security
    owner: Id
    environment: Mapping[str, str]

    def queue(self, security: Security, path: str, **settings: object) -> Queue:
        """Open a queue; its servers may be starting."""
        connection = {
            "security": security, "connect_timeout_s": 60.0, "session_timeout_s": 60.0,
        }  # fmt: skip
        return Queue.connect(self.hosts, path, connection=connection, **settings)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Whom the servers and the clients with certificates believe."""
    return Authority(tmp_path_factory.mktemp("certificates"), "ours")


@pytest.fixture(scope="module")
def servers(authority: Authority) -> Iterator[SecuredServers]:
    """Both servers."""
    with secured_servers.started(authority, USERS) as up:
        yield up


@pytest.fixture
def sasl(servers: SecuredServers, tmp_path: Path) -> Secured:
    """Give the server that knows clients by SASL."""
    file = tmp_path / "password"
    file.write_text(USERS["app"] + "\n")
    said = {"ZKMQ_SASL": "DIGEST-MD5", "ZKMQ_USER": "app", "ZKMQ_PASSWORD_FILE": str(file)}
    return Secured(
        servers.sasl.client_address,
        app=Security.from_environment(said),
        stranger=Security(sasl=digest_md5("stranger")),
        nobody=Security(),
        owner=Id("sasl", "app"),
        environment=said,
    )


@pytest.fixture
def x509(servers: SecuredServers, authority: Authority) -> Secured:
    """Give the server that knows clients by their certificates."""
    said = {
        "ZKMQ_CA": str(authority.path),
        "ZKMQ_CERTIFICATE": str(authority.sign("app", password=KEY_PASSWORD)),
        "ZKMQ_KEY_PASSWORD": KEY_PASSWORD,
    }
    nobody = Security(ca=str(authority.path))
    return Secured(
        servers.tls.client_address,
        app=Security.from_environment(said),
        stranger=replace(nobody, certificate=str(authority.sign("stranger"))),
        nobody=nobody,
        owner=Id("x509", "CN=app"),
        environment=said,
    )


@pytest.fixture(params=["sasl", "x509"])
def secured(request: pytest.FixtureRequest) -> Secured:
    """Give each of the servers."""
    found: Secured = request.getfixturevalue(request.param)
    return found


def digest_md5(user: str, password: str | None = None) -> dict[str, str]:
    """Options for kazoo."""
    return {
        "mechanism": "DIGEST-MD5",
        "username": user,
        "password": USERS[user] if password is None else password,
    }


def owners(store: KazooStore, path: str) -> set[ACL]:
    """Every entry of every ACL in a tree."""
    client: StoreClient = store._session._client
    acls, _ = client.get_acls(path)
    return set(acls).union(*(owners(store, f"{path}/{name}") for name in client.get_children(path)))


def require_no_secret(log: str, store: KazooStore | None = None) -> None:
    """Neither a user's password nor a session's is in the log, which has something to say."""
    assert "Sending request" in log
    secrets = [*USERS.values(), SHARED["password"], KEY_PASSWORD]
    if store is not None:
        assert store.credentials is not None
        password = store.credentials[1]
        secrets += [password.hex(), repr(password)]
    for secret in secrets:
        assert secret not in log


def test_every_node_belongs_to_the_identity_that_made_it(
    secured: Secured, caplog: pytest.LogCaptureFixture
) -> None:
    """All of a queue's work is done over SASL or TLS, no node is the world's, no secret is logged.

    Reads of one state are one request there, too, so that an order of `snapshot` holds.
    """
    caplog.set_level(1)
    with secured.queue(secured.app, "/owned") as queue:
        queue.put_many([b"a", b"b", b"c"])
        queue.put(b"once", dedup_id="one")
        queue.put(b"later", delay_s=60)
        a, b = queue.reserve(2, sync=True).items
        queue.bury(b, reason="bad")
        found = owners(queue._store, "/owned")  # type: ignore[arg-type]
        queue.done(a)
        assert [item.data for item in queue.reserve(9, sync=True).items] == [b"c", b"once"]
        stats = queue.stats()
        require_no_secret(caplog.text, queue._store)  # type: ignore[arg-type]
    assert found == {ACL(31, secured.owner)}
    assert (stats.held, stats.dead, stats.delayed, stats.skipped) == (2, 1, 1, 0)
    assert "older than 3.6" not in caplog.text


def test_another_identity_is_told_whose_credentials_it_needs(
    secured: Secured, caplog: pytest.LogCaptureFixture
) -> None:
    """It may neither look nor put nor take, and nothing in the log looks like a defect."""
    with secured.queue(secured.app, "/refused") as queue:
        queue.put(b"a")
        for settings in ({}, {"janitor": False}):
            with pytest.raises(AccessDeniedError, match="those that the queue was made with"):
                secured.queue(secured.stranger, "/refused", **settings)
        assert queue.stats().waiting == {100: 1}
    assert "Traceback" not in caplog.text


def test_whoever_does_not_say_who_it_is_is_refused(sasl: Secured, x509: Secured) -> None:
    """Where anybody may connect by the nodes' rules, elsewhere by the servers, both at once."""
    sasl.queue(sasl.app, "/nobody").close()
    with pytest.raises(AccessDeniedError, match="those that the queue was made with"):
        sasl.queue(sasl.nobody, "/nobody")
    with pytest.raises(AccessDeniedError, match=r"refused the TLS handshake.* certificate"):
        KazooStore.connect(x509.hosts, security=x509.nobody, connect_timeout_s=NEVER_S)


def test_a_wrong_password_is_told_at_once(sasl: Secured, servers: SecuredServers) -> None:
    """With what else may be wrong, and without the password."""
    until(lambda: servers.sasl.status().serving, "the server", 60)
    wrong = Security(sasl=digest_md5("app", "not this one"))
    with pytest.raises(AccessDeniedError, match=r"in SASL.*fips-mode.*password") as refused:
        Queue.connect(
            sasl.hosts, "/q", connection={"security": wrong, "connect_timeout_s": NEVER_S}
        )
    assert "not this one" not in str(refused.value)


def test_a_certificate_of_another_authority_is_told_at_once(x509: Secured, tmp_path: Path) -> None:
    """The servers do not believe it."""
    x509.queue(x509.app, "/believed").close()
    theirs = str(Authority(tmp_path, "theirs").sign("app"))
    unknown = replace(x509.nobody, certificate=theirs)
    with pytest.raises(AccessDeniedError, match="refused the TLS handshake"):
        KazooStore.connect(x509.hosts, security=unknown, connect_timeout_s=NEVER_S)


def test_identities_of_one_application_share_a_queue(secured: Secured) -> None:
    """With one user for all, any client's janitor takes back what any other one has held."""
    first = secured.queue(replace(secured.app, **SHARED), "/shared", janitor=False)
    with secured.queue(replace(secured.stranger, **SHARED), "/shared") as second:
        first.put(b"a")
        assert [item.delivery for item in first.reserve().items] == [1]
        first._store.close()  # its process dies
        back = second.reserve(timeout_s=60).items
        assert [(item.data, item.delivery) for item in back] == [(b"a", 2)]
        found = owners(second._store, "/shared")  # type: ignore[arg-type]
        second.done(*back)
    first.close()
    assert {(entry.perms, entry.id.scheme) for entry in found} == {(31, "digest")}


def test_the_command_is_who_its_environment_says(secured: Secured) -> None:
    """It puts and takes as that identity; as another one it ends with status 4 and a hint."""
    with secured.queue(secured.app, "/command") as queue:
        put = command(secured, "put", "value")
        assert (put.returncode, put.stderr) == (0, "")
        assert owners(queue._store, "/command") == {ACL(31, secured.owner)}  # type: ignore[arg-type]
    taken = command(secured, "reserve", "--", "cat")
    assert (taken.returncode, taken.stdout) == (0, "value")
    assert json.loads(command(secured, "stats", "--json").stdout)["waiting"] == {"100": 0}
    keep = {"ZKMQ_CA": secured.environment.get("ZKMQ_CA", "")}
    nobody = command(replace(secured, environment={k: v for k, v in keep.items() if v}), "stats")
    assert nobody.returncode == 4
    assert "--certificate" in nobody.stderr


def command(secured: Secured, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run `zkmq` in a process of its own."""
    where = {"ZKMQ_HOSTS": secured.hosts, "ZKMQ_PATH": "/command"}
    return subprocess.run(
        [sys.executable, "-m", "zkmq", *words],
        env=os.environ | where | secured.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_gateway_is_who_its_settings_say(
    secured: Secured, caplog: pytest.LogCaptureFixture
) -> None:
    """Its znodes and its queues are that identity's alone, and it logs no secret."""
    caplog.set_level(1)
    endpoint = EndpointConfig(hosts=secured.hosts, security=secured.app)
    with running(GatewayConfig(endpoints=(endpoint,), port=0)) as port:
        url = f"http://127.0.0.1:{port}"
        secured.queue(secured.app, "/served").close()
        made = httpx.post(f"{url}/znodes/v1/served?name=note", content=b"x")
        assert made.status_code == 201
        with RestQueue.connect(url, "/served") as queue:
            queue.put(b"a")
            (item,) = queue.reserve(timeout_s=60).items
            queue.done(item)
        refused = EndpointConfig(
            hosts=secured.hosts,
            context="/r",
            security=secured.stranger,
            digests=(f"{SHARED['user']}:{SHARED['password']}",),
        )
        with secured.queue(secured.app, "/served") as look:
            assert owners(look._store, "/served") == {ACL(31, secured.owner)}  # type: ignore[arg-type]
            with running(GatewayConfig(endpoints=(refused,), port=0)) as other:
                stats = httpx.get(f"http://127.0.0.1:{other}/r/queues/v1/served/stats")
    assert stats.status_code == 403
    assert "not permitted to the gateway's own ZooKeeper credentials" in stats.text
    require_no_secret(caplog.text)


def test_new_certificates_are_read_with_the_next_connection(
    x509: Secured, authority: Authority, tmp_path: Path
) -> None:
    """A client keeps its session over a change of its files; with bad ones it waits for better."""
    own = tmp_path / "own.pem"
    shutil.copy(authority.sign("app"), own)
    security = replace(x509.nobody, certificate=str(own))
    with x509.queue(security, "/rotated") as queue:
        store: KazooStore = queue._store  # type: ignore[assignment]
        session = store.session_id
        shutil.copy(Authority(tmp_path, "theirs").sign("app"), own)
        store._session._connection.drop()
        until(lambda: not store._session._is_connected, "the break")
        queue.deadline_s = 1.0
        with pytest.raises(NoQuorumError):
            queue.put(b"a")
        queue.deadline_s = 60.0
        shutil.copy(authority.sign("app"), own)
        queue.put(b"b")
        assert store.session_id == session
