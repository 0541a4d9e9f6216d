"""The queue over HTTP: the interface of `zkmq.Queue`, spoken to a gateway."""

from zkmq.rest.client.rest_queue import Queue

__all__ = ["Queue"]
