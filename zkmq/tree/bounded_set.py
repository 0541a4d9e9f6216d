"""A set of bounded size, so that the memory of a client that runs for years does not grow."""


class BoundedSet:
    """The last `most` different texts that were added. A forgotten one costs a request at most."""

    def __init__(self, most: int = 1000) -> None:
        self._most = most
        self._texts: dict[str, None] = {}

    def __contains__(self, text: str) -> bool:
        """Whether a text is among the last ones."""
        return text in self._texts

    def __len__(self) -> int:
        """The number of texts, at most `most`."""
        return len(self._texts)

    def add(self, text: str) -> None:
        """Add a text as the latest; drops the oldest if there are too many."""
        self._texts.pop(text, None)
        self._texts[text] = None
        if len(self._texts) > self._most:
            del self._texts[next(iter(self._texts))]

    def discard(self, text: str) -> None:
        """Remove a text if it is there."""
        self._texts.pop(text, None)
