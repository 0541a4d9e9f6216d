"""Credentials: which are complete, and what is missing for them."""

import importlib.util

import pytest

from zkmq.errors import BadArgumentError
from zkmq.zookeeper.security import Security
from zkmq.zookeeper.session.kazoo_store import KazooStore

SECRET = "the secret"  # noqa: S105 - of a test


def test_with_a_mechanism_user_and_password_are_those_of_sasl() -> None:
    """They are not those of digest authentication as well, which would own the nodes."""
    said = {"ZKMQ_SASL": "DIGEST-MD5", "ZKMQ_USER": "app", "ZKMQ_PASSWORD": SECRET}
    security = Security.from_environment(said)
    assert security.sasl == {"mechanism": "DIGEST-MD5", "username": "app", "password": SECRET}
    assert (security.user, security.password) == (None, None)
    assert SECRET not in repr(security)
    assert Security.from_environment({"ZKMQ_SASL": "GSSAPI"}).sasl == {"mechanism": "GSSAPI"}


@pytest.mark.parametrize(
    ("sasl", "message"),
    [
        ({}, "mechanism: expected DIGEST-MD5 or GSSAPI, got None"),
        ({"mechanism": "digest-md5"}, "expected DIGEST-MD5 or GSSAPI, got 'digest-md5'"),
        ({"mechanism": "DIGEST-MD5", "password": SECRET}, "expected username and password"),
        ({"mechanism": "DIGEST-MD5", "username": "app"}, "expected username and password"),
    ],
)
def test_incomplete_options_of_sasl_are_told_at_once(sasl: dict[str, str], message: str) -> None:
    """Without a server, and without the password."""
    with pytest.raises(BadArgumentError, match=message) as refused:
        Security(sasl=sasl)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("mechanism", "missing", "install"),
    [
        ("DIGEST-MD5", "puresasl", r"pip install 'zkmq\[sasl\]'"),
        ("GSSAPI", "kerberos", "pip install kerberos"),
    ],
)
def test_a_missing_package_is_no_fault_of_the_servers(
    mechanism: str, missing: str, install: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says what to install, before anything is connected to."""
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == missing else there("ssl")
    )
    sasl = {"mechanism": mechanism, "username": "app", "password": SECRET}
    with pytest.raises(BadArgumentError, match=install):
        KazooStore.connect("127.0.0.1:1", security=Security(sasl=sasl), connect_timeout_s=600.0)
