"""The original's properties files."""

from pathlib import Path

import pytest

from zkmq.rest.http.http_errors import ConfigError
from zkmq.rest.upstream.properties_file import configure, load, parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=b", {"a": "b"}),
        ("a = b ", {"a": "b "}),
        ("a:b", {"a": "b"}),
        ("a b", {"a": "b"}),
        ("a", {"a": ""}),
        ("# c\n! d\n\n  a=b", {"a": "b"}),
        ("a=b\\\n   c", {"a": "bc"}),
        ("a=b\\\\\nc=d", {"a": "b\\", "c": "d"}),
        ("a=1\na=2", {"a": "2"}),
        ("a\\=b=c", {"a=b": "c"}),
        ("a=\\u00e9\\t\\q", {"a": "\u00e9\tq"}),
        ("a=b\\", {"a": "b"}),
        ("a=#b", {"a": "#b"}),
        ("a=b=c:d", {"a": "b=c:d"}),
        ("a=1\r\nb=2\rc=3", {"a": "1", "b": "2", "c": "3"}),
    ],
)
def test_parse(text: str, expected: dict[str, str]) -> None:
    """7: Java's format, with its comments, continuation lines and escapes."""
    assert parse(text) == expected


def test_the_original_s_own_file() -> None:
    """7: endpoints up to the first gap; users joined, the global one winning; digests."""
    config = configure(
        parse(
            """
            rest.port=9999
            rest.endpoint.1=/;localhost:2181,localhost:2182
            rest.endpoint.2=zk/; h:1/chroot
            rest.endpoint.3=malformed
            rest.endpoint.4=/four;h:1
            rest.endpoint.6=/six;h:1
            rest.endpoint.2.http.auth=user:pass,both:own
            rest.http.auth=both:global
            rest.endpoint.1.zk.digest=a:b,c:d
            """
        ),
        folder=Path(),
    )
    assert config.port == 9999
    assert config.host == "127.0.0.1"
    assert [(e.context, e.hosts) for e in config.endpoints] == [
        ("/", "localhost:2181,localhost:2182"), ("/zk", "h:1/chroot"), ("/four", "h:1"),
    ]  # fmt: skip
    assert dict(config.endpoints[1].users) == {"user": "pass", "both": "global"}
    assert dict(config.endpoints[0].users) == {"both": "global"}
    assert config.endpoints[0].digests == ("a:b", "c:d")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "endpoints: expected at least one"),
        ("rest.endpoint.1=/;", "hosts: expected host:port"),
        ("rest.endpoint.1=/a;h:1\nrest.endpoint.2=/a/;h:2", "distinct contexts"),
        ("rest.port=x\nrest.endpoint.1=/;h:1", "rest.port: expected a port number, got 'x'"),
        ("rest.port=65536\nrest.endpoint.1=/;h:1", "expected a port number"),
        ("rest.http.auth=nobody\nrest.endpoint.1=/;h:1", "expected user:pass"),
        ("rest.ssl=true\nrest.ssl.jks=keys/k.jks\nrest.endpoint.1=/;h:1", "keytool"),
    ],
)
def test_refused(tmp_path: Path, text: str, message: str) -> None:
    """7: what cannot be meant is an error that names the file, the key and what was expected."""
    file = tmp_path / "rest.properties"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        load(file)
    assert str(caught.value).startswith(str(file))


def test_secrets_are_not_quoted() -> None:
    """9: a broken user list does not put a password in the error."""
    with pytest.raises(ConfigError) as caught:
        configure(parse("rest.http.auth=a:secret,b\nrest.endpoint.1=/;h:1"), folder=Path())
    assert "secret" not in str(caught.value)


def test_pem_files(tmp_path: Path) -> None:
    """7: PEM files are found beside the properties file."""
    file = tmp_path / "rest.properties"
    file.write_text(
        "rest.endpoint.1=/;h:1\nrest.ssl=true\nrest.ssl.cert=c.pem\nrest.ssl.key=k.pem\n"
    )
    tls = load(file).tls
    assert tls is not None
    assert (tls.certificate, tls.key) == (tmp_path / "c.pem", tmp_path / "k.pem")


def test_missing_file(tmp_path: Path) -> None:
    """7: a file that is not there is an error, not a default."""
    with pytest.raises(ConfigError, match="expected a readable properties file"):
        load(tmp_path / "none")


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    """7: editors on Windows put one in front."""
    file = tmp_path / "rest.properties"
    file.write_bytes(b"\xef\xbb\xbfrest.endpoint.1=/;h:1\n")
    assert load(file).endpoints[0].hosts == "h:1"
