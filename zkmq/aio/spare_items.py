"""Items that are held, though no task waits for them any more."""

from collections.abc import Collection, Sequence

from zkmq.tree.item import Hold, Item

# How long they wait for another reserve, before they go back.
SPARE_S = 0.05


class SpareItems:
    """What came for cancelled reserves, or was left. For one thread.

    Attributes:
        return_s: when they go back, on the store's clock; infinity if there are none.
    """

    def __init__(self) -> None:
        self._items: dict[int, Item] = {}
        self.return_s = float("inf")

    def __bool__(self) -> bool:
        return bool(self._items)

    def keep(self, items: Sequence[Item], now_s: float) -> None:
        """Add items that are not here yet."""
        if items:
            self._items |= {id(item): item for item in items}
            self.return_s = min(self.return_s, now_s + SPARE_S)

    def remove(self, items: Sequence[Item]) -> None:
        """Remove items that are somebody's again."""
        for item in items:
            self._items.pop(id(item), None)

    def held(self) -> list[Item]:
        """Return them, without those that are not held any more, which are forgotten."""
        self._items = {key: item for key, item in self._items.items() if item.hold is Hold.HELD}
        if not self._items:
            self.return_s = float("inf")
        return list(self._items.values())

    def sure(self, but: Collection[int]) -> list[Item]:
        """Return those that a task can have, but none whose id() is in `but`.

        One that may be on its way back is no more to be had, unless it turned out not to be.
        """
        return [
            item
            for item in self.held()
            if id(item) not in but and (item.in_doubt is None or item.in_doubt[1].answer)
        ]
