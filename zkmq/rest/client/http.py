"""The HTTP client below: where it connects to, and what of its surroundings counts."""

import ipaddress
from collections.abc import Mapping
from typing import Any

import httpx

from zkmq.errors import BadArgumentError


def open_client(url: str, settings: Mapping[str, Any]) -> httpx.Client:
    """Make a client for a gateway's URL; `settings` are those of `httpx.Client`.

    Proxies and certificates that the environment names are for the way to other machines: they
    do not count on this one's loopback, unless `settings` have `trust_env`.

    Raises:
        BadArgumentError: no such URL, or settings or an environment that cannot be used.
    """
    if not url.startswith(("http://", "https://")):
        raise BadArgumentError(f"url: expected http://host:port or https://..., got {url!r}")
    try:
        base = httpx.URL(url.rstrip("/") + "/")
        chosen = {"trust_env": not _is_loopback(base.host)} | dict(settings)
        return httpx.Client(base_url=base, **chosen)
    except (ImportError, OSError, ValueError, httpx.InvalidURL) as error:
        raise BadArgumentError(
            f"url: {url}: no HTTP client can be made with these settings and this environment "
            f"({error}); look at HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and SSL_CERT_FILE, or give "
            "http={'trust_env': False}"
        ) from error


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
