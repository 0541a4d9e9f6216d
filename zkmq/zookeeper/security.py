"""Credentials, TLS, and the ACL of every node that the queue makes.

Secrets come from files or the environment, never from a command line. No repr shows them.
"""

import importlib.util
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from kazoo.security import CREATOR_ALL_ACL, OPEN_ACL_UNSAFE, make_digest_acl

from zkmq.errors import BadArgumentError

USER = "ZKMQ_USER"
PASSWORD = "ZKMQ_PASSWORD"  # noqa: S105 - the variable's name
PASSWORD_FILE = "ZKMQ_PASSWORD_FILE"  # noqa: S105 - the same
CA = "ZKMQ_CA"
CERTIFICATE = "ZKMQ_CERTIFICATE"
KEY = "ZKMQ_KEY"
KEY_PASSWORD = "ZKMQ_KEY_PASSWORD"  # noqa: S105 - the same
SASL = "ZKMQ_SASL"
DIGEST_MD5 = "DIGEST-MD5"
_PURE = {"puresasl": "'zkmq[sasl]'"}
# The mechanisms of the servers, and the modules that each needs with what installs them.
MECHANISMS = {DIGEST_MD5: _PURE, "GSSAPI": {**_PURE, "kerberos": "kerberos"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """How a client authenticates, and who else may use the nodes that it makes.

    Attributes:
        user: the user for digest authentication. Only this user may use the nodes made.
        password: the user's password.
        sasl: kazoo's `sasl_options`, for DIGEST-MD5 (username, password) or GSSAPI. Only that
            identity may use the nodes made, unless a user is given too. Needs `zkmq[sasl]`.
        ca: a PEM file of certificates. With it, the connection is TLS, and this CA or one that the
            system trusts must have signed the servers' certificates.
        check_names: whether a server's certificate must be for the name or address connected to.
        certificate: the client's PEM file, for servers that identify clients by certificate. Only
            that identity may use the nodes made, unless a user is given too.
        key: the certificate's key, if it is not in the same file.
        key_password: the password of the key.
    """

    OPEN_ACL: ClassVar[Any] = OPEN_ACL_UNSAFE

    user: str | None = None
    password: str | None = field(default=None, repr=False)
    sasl: dict[str, str] | None = field(default=None, repr=False)
    ca: str | None = None
    check_names: bool = True
    certificate: str | None = None
    key: str | None = None
    key_password: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if (self.user is None) != (self.password is None):
            raise BadArgumentError(
                f"user: expected a user and a password ({PASSWORD_FILE} or {PASSWORD}), "
                "got one without the other"
            )
        if self.ca is None and (self.certificate or self.key):
            raise BadArgumentError("ca: expected what the servers are checked with, got none")
        if self.sasl is not None:
            _require_complete(self.sasl)
        if self.user is not None and ":" in self.user:
            raise BadArgumentError(
                f"user: expected a name without ':', which ends it for the servers, "
                f"got {self.user!r}"
            )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Security":
        """Read the settings from variables, by default those of this process's environment.

        ZKMQ_USER, ZKMQ_PASSWORD or ZKMQ_PASSWORD_FILE, ZKMQ_SASL, ZKMQ_CA, ZKMQ_CERTIFICATE,
        ZKMQ_KEY and ZKMQ_KEY_PASSWORD. A setting without a variable is None. With ZKMQ_SASL, a
        mechanism, user and password are those of SASL.

        Raises:
            BadArgumentError: half of a pair, a secret given twice, or a file that cannot be read.
        """
        said = os.environ if environment is None else environment
        mechanism, user, password = said.get(SASL), said.get(USER), _password(said)
        sasl = None
        if mechanism is not None:
            named = {"mechanism": mechanism, "username": user, "password": password}
            sasl = {name: value for name, value in named.items() if value is not None}
            user = password = None
        return cls(
            user=user,
            password=password,
            sasl=sasl,
            ca=said.get(CA),
            certificate=said.get(CERTIFICATE),
            key=said.get(KEY),
            key_password=said.get(KEY_PASSWORD),
        )

    def kazoo_arguments(self) -> dict[str, Any]:
        """The arguments for KazooClient.

        Raises:
            BadArgumentError: a file of keys or certificates cannot be used.
        """
        arguments: dict[str, Any] = {}
        if self.user is not None:
            arguments["auth_data"] = [("digest", f"{self.user}:{self.password or ''}")]
            arguments["default_acl"] = [make_digest_acl(self.user, self.password or "", all=True)]
        elif self.sasl is not None or self.certificate is not None:
            # The creator is the identity that the servers see.
            arguments["default_acl"] = CREATOR_ALL_ACL
        if self.sasl is not None:
            arguments["sasl_options"] = dict(self.sasl)
        if self.ca is not None:
            self._require_usable(self.ca)
            arguments |= {
                "use_ssl": True,
                "ca": self.ca,
                "check_hostname": self.check_names,
                "certfile": self.certificate,
                # kazoo ignores the certificate without a key file.
                "keyfile": self.key or self.certificate,
                "keyfile_password": self.key_password,
            }
        return arguments

    def require_packages(self) -> None:
        """Look for the packages that kazoo needs for SASL: it would blame the servers.

        Raises:
            BadArgumentError: there are none.
        """
        if self.sasl is None:
            return
        for module, install in MECHANISMS[self.sasl["mechanism"]].items():
            if importlib.util.find_spec(module) is None:
                raise BadArgumentError(
                    f"sasl: {self.sasl['mechanism']}: expected the package {module}, got none; "
                    f"pip install {install}"
                )

    def _require_usable(self, ca: str) -> None:
        """Load the files once. With bad ones, kazoo would retry for ever and blame the connection.

        Raises:
            BadArgumentError: a file cannot be read or used.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            context.load_verify_locations(ca)
        except OSError as error:
            raise BadArgumentError(
                f"ca: expected a PEM file of certificates, got {ca} ({_why(error)})"
            ) from error
        if self.certificate is None:
            return
        try:
            # Without a password, OpenSSL would ask for one on the terminal.
            context.load_cert_chain(self.certificate, self.key, self.key_password or "")
        except OSError as error:
            raise BadArgumentError(
                f"certificate: expected PEM files of a certificate and its key, got "
                f"{self.certificate} and {self.key or 'the same for the key'} ({_why(error)}); "
                f"is the key's password in {KEY_PASSWORD}?"
            ) from error


def _require_complete(sasl: Mapping[str, str]) -> None:
    """Check the options now. With bad ones, kazoo would retry for ever, or blame the servers."""
    mechanism = sasl.get("mechanism")
    if mechanism not in MECHANISMS:
        raise BadArgumentError(
            f"sasl: mechanism: expected {' or '.join(MECHANISMS)}, got {mechanism!r}"
        )
    if mechanism == DIGEST_MD5 and not (sasl.get("username") and sasl.get("password")):
        raise BadArgumentError(
            f"sasl: {DIGEST_MD5}: expected username and password ({USER} and {PASSWORD_FILE}), got "
            "one or none of them"
        )


def _password(said: Mapping[str, str]) -> str | None:
    given, file = said.get(PASSWORD), said.get(PASSWORD_FILE)
    if file is None:
        return given
    if given is not None:
        raise BadArgumentError(f"password: expected {PASSWORD} or a file, got both; leave one out")
    try:
        return Path(file).read_text().rstrip("\r\n")
    except OSError as error:
        raise BadArgumentError(
            f"{PASSWORD_FILE}: expected a file that can be read, got {file} ({error.strerror})"
        ) from error


def _why(error: OSError) -> str:
    return error.strerror or type(error).__name__
