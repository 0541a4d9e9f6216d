"""Read the configuration file of the original gateway, `rest.properties` (rest.md 7)."""

import re
from collections.abc import Mapping
from pathlib import Path

from zkmq.rest.http.http_errors import ConfigError
from zkmq.rest.upstream.gateway_config import DEFAULT_PORT, EndpointConfig, GatewayConfig, Tls

_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
# An escape, or a whole \uXXXX; then what ends a key: white space, = or :
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_KEY = re.compile(r"((?:\\.|[^\\=:\s])*)\s*[=:]?\s*", re.DOTALL)


def load(path: Path) -> GatewayConfig:
    """Read a properties file.

    Besides the original's keys it may hold `rest.ssl.cert` and `rest.ssl.key` (PEM files,
    relative to the properties file), `rest.host`, and `rest.endpoint.N.read_only`.

    Raises:
        ConfigError: the file cannot be read, or a value makes no sense.
    """
    try:
        # Editors on Windows write a byte order mark first.
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: expected a readable properties file, got {error}") from error
    try:
        return configure(parse(text), folder=path.parent)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def parse(text: str) -> dict[str, str]:
    """Parse Java's properties format. Of a repeated key, the last value counts."""
    properties = {}
    for line in _logical_lines(text):
        match = _KEY.match(line)
        assert match is not None  # the pattern matches the empty string too
        properties[_unescape(match[1])] = _unescape(line[match.end() :])
    return properties


def configure(properties: Mapping[str, str], *, folder: Path) -> GatewayConfig:
    """Build a configuration from the original's properties.

    Raises:
        ConfigError: a value makes no sense.
    """
    everyone = _users(properties.get("rest.http.auth", ""), "rest.http.auth")
    return GatewayConfig(
        endpoints=_endpoints(properties, everyone),
        host=properties.get("rest.host", "127.0.0.1").strip(),
        port=_port(properties.get("rest.port", str(DEFAULT_PORT))),
        tls=_tls(properties, folder),
        admins=everyone,
    )


def _endpoints(
    properties: Mapping[str, str], everyone: Mapping[str, str]
) -> tuple[EndpointConfig, ...]:
    endpoints = []
    number = 1
    while (text := properties.get(f"rest.endpoint.{number}")) is not None:
        key = f"rest.endpoint.{number}"
        parts = [part.strip() for part in text.split(";")]
        if len(parts) == 2:  # the original skips any other
            own = _users(properties.get(f"{key}.http.auth", ""), f"{key}.http.auth")
            endpoint = EndpointConfig(
                context="/" + parts[0].strip("/"),
                hosts=parts[1],
                users={**own, **everyone},
                digests=tuple(_items(properties.get(f"{key}.zk.digest", ""))),
                read_only=properties.get(f"{key}.read_only", "").strip() == "true",
            )
            endpoints.append(endpoint)
        number += 1
    return tuple(endpoints)


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _users(text: str, key: str) -> dict[str, str]:
    users = {}
    for item in _items(text):
        name, colon, password = item.partition(":")
        if not colon:
            raise ConfigError(f"{key}: expected user:pass[,user:pass...], got {name!r} without ':'")
        users[name] = password
    return users


def _port(text: str) -> int:
    if not text.strip().isdecimal() or int(text) > 65535:
        raise ConfigError(f"rest.port: expected a port number, got {text!r}")
    return int(text)


def _tls(properties: Mapping[str, str], folder: Path) -> Tls | None:
    if properties.get("rest.ssl", "").strip().lower() != "true":
        return None
    certificate, key = properties.get("rest.ssl.cert"), properties.get("rest.ssl.key")
    if not certificate or not key:
        raise ConfigError(
            "rest.ssl: expected rest.ssl.cert and rest.ssl.key (PEM files), got "
            f"rest.ssl.jks={properties.get('rest.ssl.jks', '')!r}; a Java key store becomes PEM "
            "with `keytool -importkeystore -deststoretype pkcs12` and `openssl pkcs12 -nodes`"
        )
    return Tls(certificate=folder / certificate, key=folder / key)


def _logical_lines(text: str) -> list[str]:
    lines: list[str] = []
    pending: str | None = None
    for natural in re.split(r"\r\n|\r|\n", text):
        line = natural.lstrip(" \t\f")
        if pending is None and (not line or line[0] in "#!"):
            continue
        joined = (pending or "") + line
        continues = (len(joined) - len(joined.rstrip("\\"))) % 2 == 1
        pending = joined[:-1] if continues else None
        if not continues:
            lines.append(joined)
    return lines if pending is None else [*lines, pending]


def _unescape(text: str) -> str:
    def character(match: re.Match[str]) -> str:
        escaped = match[1]
        if len(escaped) == 5:
            return chr(int(escaped[1:], 16))
        return _ESCAPES.get(escaped, escaped)

    # Java escapes a character beyond U+FFFF as a UTF-16 surrogate pair.
    pairs = _ESCAPE.sub(character, text).encode("utf-16", "surrogatepass")
    return pairs.decode("utf-16", "surrogatepass")
