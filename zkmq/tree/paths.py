"""The paths of a queue's tree.

/queue                      {"zkmq": 1, "min_reader": 1, "min_writer": 1, "features": [], ...}
  /items/100                {"tail": 3, "purged": -1}; its version guards the tail
    /0000000003/item-…      waiting, in the order of the names
  /consumers/<id>/active    ephemeral; its version counts the consumer's operations
                 /item/…    held
  /producers/<id>           its version counts the producer's operations
  /partial /dead /delayed   interrupted, given up, not yet due
  /parked/100               the guard of a priority that nobody has used for an hour
  /groups/<hash>            the lock of a group, while one of its items is held or comes back later
  /dedup /waiting /gc-lock
"""

from dataclasses import dataclass

ACTIVE = "active"
LOCK = "gc-lock"
FIXED = (
    "items",
    "consumers",
    "producers",
    "partial",
    "dead",
    "delayed",
    "dedup",
    "waiting",
    "clock",
    "parked",
)


@dataclass(frozen=True, slots=True)
class QueueTree:
    """The paths of one queue below its root."""

    root: str

    @property
    def items(self) -> str:
        """Parent of the priorities."""
        return f"{self.root}/items"

    @property
    def consumers(self) -> str:
        """Parent of the registrations."""
        return f"{self.root}/consumers"

    @property
    def producers(self) -> str:
        """Parent of the producers' tickets."""
        return f"{self.root}/producers"

    @property
    def lock(self) -> str:
        """The elected janitor's ephemeral node."""
        return f"{self.root}/{LOCK}"

    @property
    def clock(self) -> str:
        """The node that the elected janitor writes to learn the servers' time."""
        return f"{self.root}/clock"

    @property
    def groups(self) -> str:
        """Parent of the locks of groups; made when the first item with a group is put."""
        return f"{self.root}/groups"

    def place(self, kind: str) -> str:
        """A child of the root, such as `partial`, `dead`, `delayed`, `dedup` or `waiting`."""
        return f"{self.root}/{kind}"

    def priority(self, priority: int) -> str:
        """The guard of one priority, parent of its segments."""
        return f"{self.root}/items/{priority:03d}"

    def parked(self, priority: int) -> str:
        """The guard of a priority while it is parked."""
        return f"{self.root}/parked/{priority:03d}"

    def segment(self, priority: int, segment: str) -> str:
        """One segment of a priority, by its name."""
        return f"{self.root}/items/{priority:03d}/{segment}"

    def consumer(self, consumer: str) -> str:
        """The registration of one consumer."""
        return f"{self.root}/consumers/{consumer}"

    def active(self, consumer: str) -> str:
        """The ephemeral node that fences and counts a consumer's operations."""
        return f"{self.consumer(consumer)}/{ACTIVE}"

    def claims(self, consumer: str) -> str:
        """Parent of the claims of a consumer."""
        return f"{self.root}/consumers/{consumer}/item"

    def claim(self, consumer: str, name: str) -> str:
        """The claim of one held item."""
        return f"{self.root}/consumers/{consumer}/item/{name}"


def last_part(path: str) -> str:
    """The name of a node: the last part of its path."""
    return path.rpartition("/")[2]
