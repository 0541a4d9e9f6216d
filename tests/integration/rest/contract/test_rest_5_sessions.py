"""Contract, section 5: sessions."""

import time
from dataclasses import replace

import pytest
from integration.rest.exchange import HANGS_S, OCTETS, PATIENT, Rest, running, until
from kazoo.client import KazooClient

from worlds.wire.starvation import unless_starved
from zkmq.rest.upstream.gateway_config import EndpointConfig, GatewayConfig

pytestmark = pytest.mark.docker


def open_session(rest: Rest, expire_s: int = 60, context: str = "") -> str:
    """Open a session and return its id."""
    made = rest.post(f"{context}/sessions/v1/?op=create&expire={expire_s}")
    assert made.status == 201
    return str(made.json()["id"])


class TestCreate:
    """5.1: POST."""

    @pytest.mark.parametrize("content_type", [None, OCTETS, "text/plain"])
    def test_any_body(self, rest: Rest, content_type: str | None) -> None:
        """5.1: any type, any body."""
        headers = {"Content-Type": content_type} if content_type else {}
        answer = rest.post("/sessions/v1/?op=create&expire=1", b"ignored", **headers)
        assert answer.status == 201

    @pytest.mark.parametrize(
        "query",
        ["", "op=", "op=x", "op=CREATE", "expire=5"]
        + [f"op=create&expire={e}" for e in ("abc", "", "1.5", "99999999999", "-1", "2147484")],
    )
    def test_refused(self, rest: Rest, query: str) -> None:
        """5.1: a missing or other op, or an expire that is none, is 400."""
        assert rest.post(f"/sessions/v1/?{query}").status == 400

    def test_long(self, rest: Rest) -> None:
        """5.1: an hour is fine."""
        assert rest.delete(f"/sessions/v1/{open_session(rest, 3600)}").status == 204

    def test_default_expire(self, rest: Rest) -> None:
        """5.1: without expire it is 5 s: the session is there after 3, and gone after 7."""

        def lives_5_s() -> None:
            session = rest.post("/sessions/v1/?op=create").json()["id"]
            time.sleep(3)
            assert rest.get(f"/znodes/v1/?session={session}").status == 200
            until(lambda: rest.get(f"/znodes/v1/?session={session}").status == 401, "its end", 4)

        unless_starved(lives_5_s)


def test_heart_beat(rest: Rest) -> None:
    """5.2: each heart-beat is 200 with an empty body, and restarts the clock at its full time."""

    def kept_alive() -> None:
        session = open_session(rest, 1)
        for _ in range(4):
            time.sleep(0.6)
            answer = rest.put(f"/sessions/v1/{session}")
            assert (answer.status, answer.body) == (200, b"")
        assert rest.get(f"/znodes/v1/?session={session}").status == 200

    unless_starved(kept_alive)


def test_traffic_is_no_heart_beat(rest: Rest) -> None:
    """5.2: requests that name a session do not extend it."""
    started = time.monotonic()
    session = open_session(rest, 1)
    # If they did, it would never end.
    until(lambda: rest.get(f"/znodes/v1/?session={session}").status == 401, "its end", HANGS_S)
    assert time.monotonic() - started > 0.9


@pytest.mark.parametrize("accept", ["application/json", "application/xml"])
def test_unknown(rest: Rest, accept: str) -> None:
    """5.2: a heart-beat of an unknown session is 404 with an ERROR body."""
    answer = rest.put("/sessions/v1/0", Accept=accept)
    assert answer.status == 404
    assert b"0 not found" in answer.body


def test_delete(rest: Rest, zk: KazooClient, top: str, url: str) -> None:
    """5.3: 204 always; the ephemerals are gone when the answer arrives."""
    session = open_session(rest)
    assert rest.post(f"{url}?name=e&ephemeral=true&session={session}").status == 201
    assert rest.delete(f"/sessions/v1/{session}").status == 204
    assert zk.get_children(top) == []
    assert rest.put(f"/sessions/v1/{session}").status == 404
    assert rest.get(f"{url}?session={session}").status == 401
    assert rest.delete(f"/sessions/v1/{session}").status == 204
    assert rest.delete("/sessions/v1/never-was").status == 204


def test_silence(rest: Rest, zk: KazooClient, top: str, url: str) -> None:
    """5.4: after `expire` seconds of silence the ephemerals are gone, and not before."""
    started = time.monotonic()
    session = open_session(rest, 1)
    rest.post(f"{url}?name=e&ephemeral=true&session={session}")
    until(lambda: zk.get_children(top) == [], "the ephemeral to go", HANGS_S)
    assert time.monotonic() - started > 0.9
    assert rest.put(f"/sessions/v1/{session}").status == 404
    assert rest.get(f"{url}?session={session}").status == 401


def test_dead_clients(rest: Rest, zk: KazooClient, top: str, url: str) -> None:
    """5.4: thirty sessions of dead clients are all gone."""
    for number in range(30):
        session = open_session(rest, 2)
        rest.post(f"{url}?name=e{number}&ephemeral=true&session={session}")
    until(lambda: zk.get_children(top) == [], "the ephemerals to go", HANGS_S)


def test_independent(rest: Rest, zk: KazooClient, top: str, url: str) -> None:
    """5.4: each session is a ZooKeeper session of its own, which owns all it made."""
    one, two = open_session(rest), open_session(rest)
    for name, session in (("a1", one), ("a2", one), ("b", two)):
        rest.post(f"{url}?name={name}&ephemeral=true&session={session}")
    owners = [zk.get(f"{top}/{name}")[1].ephemeralOwner for name in ("a1", "a2", "b")]
    assert owners[0] == owners[1] != owners[2]
    rest.delete(f"/sessions/v1/{one}")
    assert zk.get_children(top) == ["b"]
    assert rest.put(f"{url}/b", b"anyone").status == 200
    assert rest.delete(f"{url}/b").status == 204
    rest.delete(f"/sessions/v1/{two}")


def test_expired_by_zookeeper(rest: Rest, hosts: str, zk: KazooClient, top: str, url: str) -> None:
    """5.4: a session that ZooKeeper itself expires is unknown here too."""
    session = open_session(rest, 60)
    rest.post(f"{url}?name=e&ephemeral=true&session={session}")
    kill_session(hosts, zk.get(f"{top}/e")[1].ephemeralOwner)
    until(lambda: rest.put(f"/sessions/v1/{session}").status == 404, "the id to go")
    assert rest.get(f"{url}?session={session}").status == 401


def kill_session(hosts: str, session_id: int) -> None:
    """End a ZooKeeper session behind its owner's back: come with its id and leave."""
    thief = KazooClient(hosts, client_id=(session_id, server_password(session_id)))
    thief.start()
    assert thief.client_id[0] == session_id
    thief.stop()
    thief.close()


def server_password(session_id: int) -> bytes:
    """The password the server gives a session: sixteen bytes of java.util.Random.

    Source: ZooKeeperServer.generatePasswd, seeded with the id and a constant.
    """
    state = (session_id ^ 0xB3415C00 ^ 0x5DEECE66D) & (2**48 - 1)
    password = b""
    for _ in range(4):
        state = (state * 0x5DEECE66D + 0xB) & (2**48 - 1)
        password += (state >> 16).to_bytes(4, "little")
    return password


def test_endpoints(hosts: str, top: str) -> None:
    """5.5: an id belongs to its endpoint."""
    endpoints = (
        EndpointConfig(context="/a", hosts=hosts),
        EndpointConfig(context="/b", hosts=f"{hosts}{top}"),
    )
    with running(GatewayConfig(endpoints=endpoints, port=0)) as port:
        rest = Rest("127.0.0.1", port)
        session = open_session(rest, context="/a")
        assert rest.get(f"/a/znodes/v1/?session={session}").status == 200
        assert rest.get(f"/b/znodes/v1/?session={session}").status == 401
        assert rest.put(f"/b/sessions/v1/{session}").status == 404
        rest.close()


def test_stopping_closes_sessions(hosts: str, zk: KazooClient, top: str, url: str) -> None:
    """9: a clean stop ends the sessions, so that their ephemerals go at once."""
    endpoint = EndpointConfig(hosts=hosts)
    with running(GatewayConfig(endpoints=(endpoint,), port=0)) as port:
        rest = Rest("127.0.0.1", port)
        session = open_session(rest, 600)
        assert rest.post(f"{url}?name=e&ephemeral&session={session}").status == 201
        rest.close()
    assert zk.get_children(top) == []


def test_limits(hosts: str) -> None:
    """9: too many sessions are 503 with Retry-After, too long ones 400."""
    config = GatewayConfig(
        endpoints=(EndpointConfig(hosts=hosts),),
        port=0,
        limits=replace(PATIENT, sessions=2, expire_s=60),
    )
    with running(config) as port:
        rest = Rest("127.0.0.1", port)
        first = open_session(rest, 60)
        open_session(rest, 60)
        refused = rest.post("/sessions/v1/?op=create&expire=5")
        assert (refused.status, "retry-after" in refused.headers) == (503, True)
        rest.delete(f"/sessions/v1/{first}")
        open_session(rest, 60)
        assert rest.post("/sessions/v1/?op=create&expire=61").status == 400
        rest.close()
