"""The gateway's errors.

RestError
├── ConfigError       a properties file, an option or a certificate is wrong
├── ClientGoneError   the HTTP client hung up before its request was complete; nothing was done
└── HttpError         an answer that is not a success: its status, message and headers
"""

from collections.abc import Mapping


class RestError(Exception):
    """The root of all errors of the gateway."""


class ConfigError(RestError):
    """The configuration is wrong: `where: what: expected X, got Y`."""


class ClientGoneError(RestError):
    """The HTTP client hung up before its request was complete."""


class HttpError(RestError):
    """An answer that is not a success, with the ERROR body of rest.md 3.6.

    `extra` are further keys of the body, such as `index` (of a failed transaction) and `outcome`.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})
