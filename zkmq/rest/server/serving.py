"""Serve a gateway with uvicorn, TLS and signals."""

import asyncio
import contextlib
import gc
import signal
import socket
import ssl
from collections.abc import Callable

import uvicorn

from zkmq.rest.http.http_errors import ConfigError
from zkmq.rest.server.app import GatewayApp
from zkmq.rest.server.http_protocol import LimitedProtocol
from zkmq.rest.upstream.gateway_config import UNREAD_S, GatewayConfig, Tls


def serve(config: GatewayConfig, *, say: Callable[[str], None] = lambda _: None) -> None:
    """Serve until SIGINT or SIGTERM, then drain requests, close sessions, and return.

    `say` is called with the address of each endpoint, once clients can connect.

    Raises:
        ConfigError: the address is taken, or the certificate cannot be used.
    """
    server = GatewayServer(config)
    listener = listen(config.host, config.port, unread_s=config.limits.unread_s)
    spare_collections()
    for endpoint in config.endpoints:
        say(f"{_url(config, listener)}{endpoint.context} -> {endpoint.hosts}")
    # uvicorn raises a caught signal again at the end, but a clean stop is no failure.
    previous = {number: signal.signal(number, lambda *_: None) for number in _STOPS}
    try:
        server.run(sockets=[listener])
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def spare_collections() -> None:
    """Collect garbage less often. Only for a process that is nothing but a gateway.

    A request makes many objects and hardly a cycle. With Python's default, one collection for 700
    objects, a third of the time goes into scanning objects that stay.
    """
    gc.collect()
    gc.freeze()  # what is loaded now stays for ever
    gc.set_threshold(20_000, 20, 20)


def listen(host: str, port: int, *, unread_s: int = UNREAD_S) -> socket.socket:
    """Return a listening socket; port 0 is any free one.

    The kernel ends a connection if its client takes, or confirms, nothing for `unread_s`.

    Raises:
        ConfigError: the address cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Name the protocol, because asyncio sets TCP_NODELAY only then. Without TCP_NODELAY, each
    # answer waits 40 ms for the acknowledgement of its head.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; what is accepted inherits it
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, unread_s * 1000)
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise ConfigError(f"{host}:{port}: expected a free address, got {error}") from error
    return listener


class GatewayServer(uvicorn.Server):
    """A uvicorn server for one gateway. It reloads a changed certificate."""

    def __init__(self, config: GatewayConfig) -> None:
        self.gateway = GatewayApp(config)
        limits = config.limits

        class Protocol(LimitedProtocol):
            header_timeout_s = limits.header_timeout_s
            header_bytes = limits.header_bytes

        settings = uvicorn.Config(
            self.gateway,
            http=Protocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=limits.keep_alive_s,
            timeout_graceful_shutdown=limits.shutdown_s,
        )
        settings.load()
        self._tls = config.tls
        if config.tls:
            settings.ssl = tls_context(config.tls)
        super().__init__(settings)

    async def main_loop(self) -> None:
        """Run until a signal, and reload the certificate when its files change."""
        watching = asyncio.create_task(self._watch_certificate())
        try:
            await super().main_loop()
        finally:
            watching.cancel()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Wake the requests that wait for changes, then drain."""
        self.gateway.shut()
        await super().shutdown(sockets)

    async def _watch_certificate(self) -> None:
        if self._tls is None or self.config.ssl is None:
            return
        seen = _stamps(self._tls)
        while True:
            await asyncio.sleep(self._tls.check_s)
            # They may be missing or differ while somebody replaces them: look again.
            with contextlib.suppress(OSError, ssl.SSLError):
                now = _stamps(self._tls)
                if now != seen and _load(self.config.ssl, self._tls):
                    seen = now


def tls_context(tls: Tls) -> ssl.SSLContext:
    """Return a server context for TLS 1.2 and newer.

    Raises:
        ConfigError: the files cannot be used.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        _load_files(context, tls)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"{tls.certificate}, {tls.key}: expected a PEM certificate and its key, got {error}"
        ) from error
    return context


def _url(config: GatewayConfig, listener: socket.socket) -> str:
    host = f"[{config.host}]" if ":" in config.host else config.host
    return f"{'https' if config.tls else 'http'}://{host}:{listener.getsockname()[1]}"


def _load(context: ssl.SSLContext, tls: Tls) -> bool:
    try:
        tls_context(tls)  # a half-written pair must not damage the context in use
    except ConfigError:
        return False
    _load_files(context, tls)
    return True


def _load_files(context: ssl.SSLContext, tls: Tls) -> None:
    def password() -> str:
        if tls.password is None:  # OpenSSL would ask the terminal, and wait
            raise ConfigError(
                f"{tls.key}: expected a key without a password, got an encrypted one; "
                "`openssl pkey -in FILE` writes it without"
            )
        return tls.password

    context.load_cert_chain(tls.certificate, tls.key, password)


def _stamps(tls: Tls) -> list[int]:
    return [path.stat().st_mtime_ns if path.exists() else 0 for path in (tls.certificate, tls.key)]


_STOPS = (signal.SIGINT, signal.SIGTERM)
