"""In which order consumers take: strictly, or each its own of the first items."""

import json
from collections.abc import Sequence
from typing import Literal

Order = Literal["auto", "strict", "relaxed"]
ORDERS: tuple[Order, ...] = ("auto", "strict", "relaxed")
# What a registration says; those of older releases, which took strictly, do not.
KEY = "order"
UNSAID = "strict"


def in_force(registrations: Sequence[bytes]) -> str | None:
    """The order in which the consumers of these registrations take now.

    "mixed" if they do not agree, None if there is no consumer.
    """
    automatic = "strict" if len(registrations) == 1 else "relaxed"
    orders = {_said(each) for each in registrations}
    orders = {automatic if order == "auto" else order for order in orders}
    return "mixed" if len(orders) > 1 else next(iter(orders), None)


def _said(registration: bytes) -> str:
    try:
        about = json.loads(registration or b"{}")
    except (ValueError, RecursionError):
        return UNSAID
    said = about.get(KEY) if isinstance(about, dict) else None
    return said if said in ORDERS else UNSAID
