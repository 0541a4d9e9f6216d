"""Celery and kombu on zkmq: `import zkmq.celery` makes the broker URL `zkmq://` known to kombu."""

from zkmq.extras import told

try:
    from kombu.transport import TRANSPORT_ALIASES
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        told("zkmq.celery", missing, "zkmq[celery]"), name=missing.name
    ) from missing

from zkmq.celery.broker_errors import BrokerUrlError, SessionLostError, UnsettledPublishError
from zkmq.celery.transport import Transport

TRANSPORT_ALIASES["zkmq"] = "zkmq.celery:Transport"

__all__ = ["BrokerUrlError", "SessionLostError", "Transport", "UnsettledPublishError"]
