"""Events that operators want to know, each as one log record whose facts are fields.

A record has `zkmq_event`, the name of the event, and `zkmq_fields`, a mapping of plain values, for
formatters that write JSON. The loggers are below "zkmq".
"""

import logging
from collections.abc import Sequence
from typing import Final

SESSION_LOST: Final = "session-lost"
JANITOR_ELECTED: Final = "janitor-elected"
ITEM_RETURNED: Final = "item-returned"
ITEM_DEAD: Final = "item-dead"

LEVELS = {
    SESSION_LOST: logging.WARNING,
    JANITOR_ELECTED: logging.INFO,
    ITEM_RETURNED: logging.INFO,
    ITEM_DEAD: logging.WARNING,
}
MOST_NAMES = 20

log = logging.getLogger("zkmq.events")


def tell(event: str, queue: str, message: str, **fields: object) -> None:
    """Log an event of the queue at this path."""
    about = {"queue": queue, **fields}
    log.log(
        LEVELS[event], "%s: %s", queue, message, extra={"zkmq_event": event, "zkmq_fields": about}
    )


def shown(names: Sequence[str]) -> str:
    """Names of items in a message: the first one, and how many more there are."""
    if not names:
        return "nothing"
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def items_of(names: Sequence[str]) -> dict[str, object]:
    """The fields that name items: how many, and the first of them."""
    return {"count": len(names), "items": list(names[:MOST_NAMES])}
