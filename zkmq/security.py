"""Who may connect and who may read: credentials, TLS and the ACL of everything the queue makes.

Secrets come from files or the environment, never from a command line, and are not in any repr.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from kazoo.security import OPEN_ACL_UNSAFE, make_digest_acl


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """How a client proves who it is, and what others may do with its nodes.

    Attributes:
        user: for digest authentication; every node made is then this user's alone.
        password: its password.
        sasl: kazoo's `sasl_options`, for DIGEST-MD5 or GSSAPI.
        ca: a PEM file; with it the connection is TLS and the servers must prove who they are.
        certificate: the client's own PEM file, for servers that ask for one.
        key: its key, if not in the same file.
        key_password: what opens the key.
    """

    OPEN_ACL: ClassVar[Any] = OPEN_ACL_UNSAFE

    user: str | None = None
    password: str | None = field(default=None, repr=False)
    sasl: dict[str, str] | None = field(default=None, repr=False)
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    key_password: str | None = field(default=None, repr=False)

    def kazoo_arguments(self) -> dict[str, Any]:
        """What KazooClient takes."""
        arguments: dict[str, Any] = {}
        if self.user is not None:
            arguments["auth_data"] = [("digest", f"{self.user}:{self.password or ''}")]
            arguments["default_acl"] = [make_digest_acl(self.user, self.password or "", all=True)]
        if self.sasl is not None:
            arguments["sasl_options"] = self.sasl
        if self.ca is not None:
            arguments |= {
                "use_ssl": True,
                "ca": self.ca,
                "certfile": self.certificate,
                "keyfile": self.key,
                "keyfile_password": self.key_password,
            }
        return arguments
