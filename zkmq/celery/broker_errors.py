"""What the transport raises beside the errors of `zkmq.errors`."""

from zkmq.errors import BadArgumentError, ZkmqError


class BrokerUrlError(BadArgumentError, ValueError):
    """A broker URL, or a transport option, is not one of zkmq's."""


class SessionLostError(ZkmqError):
    """The session that held the messages has ended, and they go to other consumers.

    kombu and Celery take it for a lost connection: they connect again and declare anew.
    """


class UnsettledPublishError(ZkmqError):
    """The connection was closed before the outcome of a publish was known; it never will be.

    kombu does not retry this: the message may be in the queue. Publish again only what may be done
    twice.
    """
