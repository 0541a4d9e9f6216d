"""The proxy does what its faults are called, and nothing else."""

import itertools
import logging
import os
from collections.abc import Iterator

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import ConnectionLoss, KazooException, SessionExpiredError
from kazoo.retry import KazooRetry

from worlds.proxy import proxy as proxy_module
from worlds.proxy.faults import AFTER, EXPIRES, Fault
from worlds.proxy.protocol import Opcode
from worlds.proxy.proxy import Exchange, Proxy

pytestmark = pytest.mark.docker

_numbers = itertools.count(1)
PATIENT_S = 60.0


def connected(hosts: str) -> KazooClient:
    """A client that reconnects at once and resends nothing."""
    client = KazooClient(
        hosts=hosts,
        timeout=PATIENT_S,
        connection_retry=KazooRetry(max_tries=-1, delay=0.002, max_delay=0.02),
        logger=logging.getLogger("zkmq.kazoo"),
    )
    client.start(timeout=PATIENT_S)
    return client


@pytest.fixture(scope="module")
def outside(server: str) -> Iterator[KazooClient]:
    """A client that is not behind the proxy."""
    client = connected(server)
    yield client
    client.stop()
    client.close()


@pytest.fixture
def proxy(server: str) -> Iterator[Proxy]:
    """A new proxy."""
    with Proxy(server) as fresh:
        yield fresh


@pytest.fixture
def client(proxy: Proxy) -> Iterator[KazooClient]:
    """A client behind it."""
    inside = connected(proxy.address)
    yield inside
    proxy.heal()
    inside.stop()
    inside.close()


@pytest.fixture
def path(outside: KazooClient) -> str:
    """A node of this test's own."""
    return str(outside.create(f"/proxy-{os.getpid()}-{next(_numbers)}"))


def struck(proxy: Proxy) -> Exchange:
    """The one request that met a fault."""
    (exchange,) = [each for each in proxy.journal if each.fault]
    return exchange


def test_an_unarmed_proxy_changes_nothing(proxy: Proxy, client: KazooClient, path: str) -> None:
    """Requests pass, and the journal has each of them with what the server answered."""
    assert client.create(f"{path}/a", b"x") == f"{path}/a"
    assert client.get(f"{path}/a")[0] == b"x"
    kinds = [each.request.opcode for each in proxy.journal]
    assert kinds == [Opcode.CONNECT, Opcode.CREATE, Opcode.GET_DATA]
    assert all(each.applied and each.number == 0 for each in proxy.journal)


def test_four_letter_commands_pass(client: KazooClient) -> None:
    """A command is no frame, and is passed on as it is."""
    assert "Zookeeper version" in client.command(b"srvr")


def test_a_multi_is_understood(proxy: Proxy, client: KazooClient, path: str) -> None:
    """Operations with their paths and flags, created names, and the cause of a refusal."""
    transaction = client.transaction()
    transaction.create(f"{path}/s-", ephemeral=True, sequence=True)
    transaction.set_data(path, b"new")
    transaction.check(path, 1)
    transaction.commit()
    refused = client.transaction()
    refused.delete(f"{path}/absent")
    refused.create(f"{path}/b")
    refused.commit()
    done, failed = proxy.journal[-2:]
    assert [str(each) for each in done.request.operations] == [
        f"create {path}/s-",
        f"set_data {path}",
        f"check {path}",
    ]
    assert done.request.operations[0].ephemeral
    assert done.reply is not None
    assert done.reply.created == (f"{path}/s-0000000000",)
    assert failed.reply is not None
    assert failed.reply.error == -101
    assert not failed.applied


CUTTING = [
    Fault.LOSE_REQUEST,
    Fault.LOSE_REPLY,
    Fault.CUT_BEFORE,
    Fault.CUT_AFTER,
    Fault.EXPIRE_BEFORE,
    Fault.EXPIRE_AFTER,
    Fault.LATE,
]


@pytest.mark.parametrize("fault", CUTTING)
def test_a_request_arrives_or_not_as_its_fault_says(
    proxy: Proxy, client: KazooClient, outside: KazooClient, path: str, fault: Fault
) -> None:
    """The client loses the answer each time; the server has the node if the fault comes after."""
    proxy.arm({2: fault})
    client.create(f"{path}/first")
    with pytest.raises((ConnectionLoss, SessionExpiredError)):
        client.create(f"{path}/second")
    expected = ["first", "second"] if fault in AFTER else ["first"]
    assert sorted(outside.get_children(path)) == expected
    assert struck(proxy).applied == (fault in AFTER)
    assert not proxy.unstruck()


@pytest.mark.parametrize("fault", CUTTING)
def test_a_session_ends_only_if_the_fault_says_so(
    proxy: Proxy, client: KazooClient, outside: KazooClient, path: str, fault: Fault
) -> None:
    """An ephemeral node of the client is gone when its call has ended, or it stays."""
    client.create(f"{path}/mine", ephemeral=True)
    session = client.client_id[0]
    proxy.arm({1: fault})
    with pytest.raises(KazooException):
        client.create(f"{path}/second")
    ended = outside.exists(f"{path}/mine") is None
    assert ended == (fault in EXPIRES)
    assert (session in proxy.expired) == ended


def test_what_is_late_arrives_when_it_is_released(
    proxy: Proxy, client: KazooClient, outside: KazooClient, path: str
) -> None:
    """Not before, and then in another session."""
    proxy.arm({1: Fault.LATE})
    with pytest.raises(KazooException):
        client.create(f"{path}/late")
    assert outside.get_children(path) == []
    proxy.release_held()
    assert outside.get_children(path) == ["late"]
    assert struck(proxy).late


def test_what_is_overtaken_waits_for_the_others(
    proxy: Proxy, client: KazooClient, outside: KazooClient, path: str
) -> None:
    """Others act between the sending and the arrival, and the client notices nothing."""
    proxy.meanwhile = lambda: outside.create(f"{path}/n-", sequence=True)
    proxy.arm({1: Fault.OVERTAKEN})
    assert client.create(f"{path}/n-", sequence=True) == f"{path}/n-0000000001"


def test_nobody_connects_between_a_deadline_and_the_healing(
    proxy: Proxy, client: KazooClient, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock is moved, the connection breaks, and comes back only with `heal`."""
    passed: list[bool] = []
    monkeypatch.setattr(proxy_module, "REFUSES_S", 3600.0)
    proxy.pass_deadline = lambda: passed.append(True)
    proxy.arm({1: Fault.DEADLINE_AFTER})
    with pytest.raises(ConnectionLoss):
        client.create(f"{path}/done")
    assert passed == [True]
    with pytest.raises(client.handler.timeout_exception):
        client.get_async(path).get(timeout=0.1)
    proxy.heal()
    assert client.get_children(path) == ["done"]


def test_a_plan_that_met_no_request_is_told(proxy: Proxy, client: KazooClient, path: str) -> None:
    """A crash point that never came is not one that was passed."""
    proxy.arm({2: Fault.CUT_AFTER})
    client.create(f"{path}/only")
    assert proxy.unstruck() == [2]


def test_the_same_plan_meets_the_same_requests(server: str, outside: KazooClient) -> None:
    """Twice the same plan, twice the same requests, faults and answers."""

    def told() -> list[str]:
        path = outside.create(f"/proxy-{os.getpid()}-{next(_numbers)}")
        with Proxy(server) as proxy:
            client = connected(proxy.address)
            proxy.arm({2: Fault.LOSE_REPLY, 4: Fault.CUT_BEFORE})
            for number in range(4):
                try:
                    client.retry(client.ensure_path, f"{path}/{number}")
                except KazooException:
                    continue
            proxy.heal()
            client.stop()
            client.close()
            return [str(each).replace(path, "") for each in proxy.journal]

    assert told() == told()
