"""The broker URL and the transport options: what they mean, and how bad ones are refused."""

from typing import Any

import pytest
from kombu import Connection

import zkmq.celery
from zkmq.celery import BrokerUrlError
from zkmq.celery.broker_url import BrokerOptions, BrokerUrl


@pytest.mark.parametrize(
    ("url", "hosts", "path"),
    [
        ("zkmq://a:1,b:2/app", "a:1,b:2", "/app"),
        ("zkmq://a,b", "a:2181,b:2181", "/celery"),
        ("zkmq://a:1//", "a:1", "/celery"),
        ("zkmq://[::1]:2182/a/b/", "[::1]:2182", "/a/b"),
        ("zkmq://[::1]", "[::1]:2181", "/celery"),
    ],
)
def test_a_url_says_where_the_broker_is(url: str, hosts: str, path: str) -> None:
    """A URL has any number of servers, with the default port where there is none, and a path."""
    assert BrokerUrl.parse(url) == BrokerUrl(hosts, path)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("zookeeper://a:1/app", "scheme 'zookeeper'"),
        ("zkmq://a:x/app", "server 'a:x'"),
        ("zkmq://a:99999/app", "server 'a:99999'"),
        ("zkmq:///app", "server ''"),
        ("zkmq://a:1,,b:1", "server ''"),
        ("zkmq://secret@a:1", "user:password before the '@'"),
        ("zkmq://a:1;b:1/app", "commas between the servers"),
        ("zkmq://a:1/app?session=4", "broker_transport_options"),
        ("zkmq://a:1/zookeeper", "absolute path"),
    ],
)
def test_a_bad_url_is_refused_with_the_way_out(url: str, said: str) -> None:
    """The error says what was expected, and is raised before anything is connected."""
    with pytest.raises(BrokerUrlError, match="expected") as refused:
        Connection(url, transport="zkmq.celery:Transport").transport  # noqa: B018 - makes it
    assert said in str(refused.value)


def test_no_password_is_shown() -> None:
    """Neither the URL for people nor a repr has the password; kombu can ask for it."""
    connection = Connection("zkmq://user:p%40ss@a:1/app")
    assert connection.as_uri() == "zkmq://user:**@a:1/app"
    assert "p@ss" in connection.as_uri(include_password=True)
    assert "p@ss" not in repr(BrokerUrl.parse("zkmq://user:p%40ss@a:1/app"))


def test_the_parts_of_a_connection_say_the_same_as_a_url() -> None:
    """A connection without a URL has the servers and the path from kombu's own settings."""
    parts = {"hostname": "a", "port": 7, "virtual_host": "/app", "userid": "u", "password": "p:@"}
    transport = Connection(transport="zkmq.celery:Transport", **parts).transport
    assert transport.url == BrokerUrl("a:7", "/app", "u", "p:@")
    security = transport.options.credentials(transport.url)
    assert (security.user, security.password) == ("u", "p:@")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"session_timeout_s": 0}, "session_timeout_s: expected more than 0"),
        ({"deadline_s": "soon"}, "deadline_s: expected a number"),
        ({"max_deliveries": 0}, "max_deliveries: expected an integer from 1"),
        ({"order": "any"}, "order: expected one of"),
    ],
)
def test_a_bad_option_is_refused_by_its_name(options: dict[str, Any], said: str) -> None:
    """An option that is not accepted names itself; those of kombu are left alone."""
    with pytest.raises(BrokerUrlError, match=said):
        BrokerOptions.read(options | {"max_retries": 3})


@pytest.mark.parametrize(
    ("mistyped", "meant"),
    [
        ("max_delivery", "max_deliveries"),
        ("session_timeout", "session_timeout_s"),
        ("deadline", "deadline_s"),
        ("eta_in_queues", "eta_in_queue"),
        ("orders", "order"),
    ],
)
def test_a_mistyped_key_is_refused(mistyped: str, meant: str) -> None:
    """Without it, a poisoned task would be tried for ever, and no word said why."""
    with pytest.raises(BrokerUrlError, match=f"expected {meant}, got {mistyped}$"):
        BrokerOptions.read({mistyped: 3})


def test_the_keys_of_other_transports_are_left_alone() -> None:
    """Celery and kombu hand over keys of their own, and so do settings for several brokers."""
    others = (
        "body_encoding deadletter_queue polling_interval visibility_timeout fanout_prefix sep "
        "fanout_patterns priority_steps queue_order_strategy max_retries interval_start errback "
        "interval_step interval_max confirm_publish region queue_name_prefix socket_timeout "
        "socket_connect_timeout socket_keepalive retry_on_timeout health_check_interval "
        "login_method read_timeout write_timeout client_properties retry_policy "
        "connect_retries_timeout ack_emulation global_keyprefix max_connections master_name "
        "wait_time_seconds is_secure predefined_queues data_folder_in store_processed"
    )
    assert BrokerOptions.read(dict.fromkeys(others.split(), 3)) == BrokerOptions()


def test_settings_that_security_does_not_have_are_refused() -> None:
    """A misspelt setting of the credentials is an error, not an open door."""
    with pytest.raises(BrokerUrlError, match=r"expected settings of zkmq\.Security, got cert"):
        BrokerOptions(security={"cert": "x"}).credentials(BrokerUrl("a:1"))


def test_the_import_makes_the_scheme_known() -> None:
    """After `import zkmq.celery`, kombu finds the transport by the URL alone."""
    assert Connection("zkmq://a:1/app").get_transport_cls() is zkmq.celery.Transport
