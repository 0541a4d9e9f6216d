"""The order in which consumers take: "strict", or "relaxed", each its share of the first items."""

from collections.abc import Sequence
from typing import Literal

from zkmq.tree.json_object import decode_object

Order = Literal["auto", "strict", "relaxed"]
ORDERS: tuple[Order, ...] = ("auto", "strict", "relaxed")
# The key in a registration. Older releases, which took in strict order, do not write it.
KEY = "order"
UNSAID = "strict"


def in_force(registrations: Sequence[bytes]) -> str | None:
    """The order in which the consumers of these registrations take now.

    "mixed" if their settings differ, None if there is no consumer.
    """
    automatic = "strict" if len(registrations) == 1 else "relaxed"
    orders = {_said(each) for each in registrations}
    orders = {automatic if order == "auto" else order for order in orders}
    return "mixed" if len(orders) > 1 else next(iter(orders), None)


def _said(registration: bytes) -> str:
    said = (decode_object(registration) or {}).get(KEY)
    return said if said in ORDERS else UNSAID
