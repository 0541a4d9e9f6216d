"""A set that forgets, so that what a client remembers of a tree does not grow for years."""


class BoundedSet:
    """The last `most` different texts that were added. Forgetting one may cost a request."""

    def __init__(self, most: int = 1000) -> None:
        self._most = most
        self._texts: dict[str, None] = {}

    def __contains__(self, text: str) -> bool:
        """Whether it is remembered."""
        return text in self._texts

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._texts)

    def add(self, text: str) -> None:
        """Remember one more, as the latest."""
        self._texts.pop(text, None)
        self._texts[text] = None
        if len(self._texts) > self._most:
            del self._texts[next(iter(self._texts))]

    def discard(self, text: str) -> None:
        """Forget one."""
        self._texts.pop(text, None)
