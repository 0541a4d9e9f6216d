"""An item as the consumer that reserved it sees it."""

from dataclasses import dataclass, field
from enum import Enum

from zkmq.doubt import Doubt, Settled
from zkmq.tree import envelope, item_names


class Hold(Enum):
    """Whether a consumer still owns an item it reserved, and if not, why."""

    HELD = "held"
    DONE = "done"
    RETURNED = "returned"
    LOST = "lost"


@dataclass(eq=False, slots=True)
class Item:
    """One delivery of an item.

    Attributes:
        data: the payload, as it was put.
        name: the item's name. It changes with each return; `id` does not.
        delivery: 1 the first time, 2 after the item came back once, and so on.
        fence: the zxid of the claim. It grows with every delivery of any item, so that systems
            downstream can refuse a late write. None if the reply to the claim was lost and no
            read can find the zxid any more.
        put_zxid: the zxid of the put, if it is known.
        hold: whether this consumer still owns the item. `Queue` keeps it up to date.
    """

    data: bytes
    name: str
    consumer: str
    delivery: int
    fence: int | None
    put_zxid: int | None
    header: envelope.Header = field(repr=False)
    version: int = field(default=0, repr=False)
    hold: Hold = Hold.HELD
    # When the time to run ends, on the store's clock.
    due_s: float = field(default=float("inf"), repr=False)
    # The last request about it whose outcome was unknown.
    in_doubt: tuple[str, Doubt] | None = field(default=None, repr=False)

    def settled_by(self, request: str) -> Settled | None:
        """The outcome of an earlier copy of this request, if that was in doubt and is settled."""
        if self.in_doubt is None or self.in_doubt[0] != request:
            return None
        return self.in_doubt[1].answer

    @property
    def id(self) -> str:
        """The item's identity, the same in every delivery."""
        return item_names.base(self.name)

    @property
    def headers(self) -> dict[str, str]:
        """The headers it was put with."""
        return dict(self.header.get("headers", {}))

    @property
    def content_type(self) -> str | None:
        """The content type it was put with; None if it had none."""
        return self.header.get("content_type")

    @property
    def group(self) -> str | None:
        """The group it was put with; None if it had none."""
        return self.header.get("group")

    def run_from(self, now_s: float) -> None:
        """Start the time to run, if the item has one."""
        ttr_s = self.header.get("ttr_s")
        self.due_s = float("inf") if ttr_s is None else now_s + float(ttr_s)

    @property
    def priority(self) -> int:
        """0, the most urgent, to 999."""
        return int(self.name[5:8])
