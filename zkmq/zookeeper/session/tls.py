"""Connections to servers for kazoo's handlers. A handshake that fails leaves no socket open."""

import ssl
from collections.abc import Callable
from socket import socket
from typing import Any


def connect(
    plain: Callable[..., socket],
    *,
    use_ssl: bool = False,
    hostname: str | None = None,
    verify_certs: bool = True,
    check_hostname: bool = False,
    ca: str | None = None,
    certfile: str | None = None,
    keyfile: str | None = None,
    keyfile_password: str | None = None,
    **where: Any,
) -> socket:
    """Connect by `plain`, then shake hands if TLS is asked for. The arguments are kazoo's.

    The files are read for each connection, so a certificate that was replaced is used by the next.

    Raises:
        OSError: no connection, a file that cannot be used, or a handshake that failed.
    """
    if not use_ssl:
        return plain(**where)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = check_hostname
    context.verify_mode = ssl.CERT_REQUIRED if verify_certs else ssl.CERT_NONE
    context.load_default_certs()
    if ca:
        context.load_verify_locations(ca)
    if certfile and keyfile:
        # Without a password, a key that needs one would make OpenSSL ask for it on the terminal.
        context.load_cert_chain(certfile, keyfile, keyfile_password or "")
    # kazoo's own connects a socket that is wrapped already, and forgets it if the handshake fails.
    # One that is wrapped when it is connected is closed by `wrap_socket` then.
    return context.wrap_socket(plain(**where), server_hostname=hostname)
