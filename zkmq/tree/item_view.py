"""What an item tells, for objects that have one in hand."""

from zkmq.tree.item import Item


class ItemView:
    """The item's own properties, beside what else is known of the delivery.

    Attributes:
        item: the delivery.
    """

    __slots__ = ("item",)

    item: Item

    @property
    def data(self) -> bytes:
        """The payload, as it was put."""
        return self.item.data

    @property
    def id(self) -> str:
        """The item's identity, the same in every delivery."""
        return self.item.id

    @property
    def delivery(self) -> int:
        """1 the first time, 2 after the item came back once, and so on."""
        return self.item.delivery

    @property
    def priority(self) -> int:
        """0, the most urgent, to 999."""
        return self.item.priority

    @property
    def headers(self) -> dict[str, str]:
        """The headers it was put with."""
        return self.item.headers

    @property
    def content_type(self) -> str | None:
        """The content type it was put with; None if it had none."""
        return self.item.content_type

    @property
    def group(self) -> str | None:
        """The group it was put with; None if it had none."""
        return self.item.group

    @property
    def fence(self) -> int | None:
        """Grows with every delivery of any item, to refuse late writes of an earlier owner."""
        return self.item.fence
