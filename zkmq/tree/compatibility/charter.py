"""The charter of a tree, which says what versions of zkmq may use it, and this release's edition.

The root of the tree holds the charter. `zkmq.tree.compatibility.chartered_store` makes a client
obey it, and `zkmq.operating.charter_changes` raises it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from zkmq.errors import IncompatibleTreeError
from zkmq.tree.json_object import decode_object

# The defaults for trees and registrations that do not say.
FIRST_VERSION = 1
SEGMENT_ITEMS = 1000


@dataclass(frozen=True, slots=True)
class Edition:
    """What one release of zkmq can read and write, and what a tree demands once it is raised to it.

    To change what is written, raise `version` and name the change in `features`; it is written
    only where the charter lists that name. If older clients would misread the change, set
    `min_reader` to the new version; if they would damage it, set `min_writer`.
    """

    version: int
    min_reader: int
    min_writer: int
    features: tuple[str, ...] = ()


# Idle priorities are parked (`zkmq.janitor.parking`).
PARKED = "parked"
# From this version on, consumers obey `Charter.paused`. Older ones keep it, and go on taking.
PAUSE_VERSION = 3
# Items have groups (`zkmq.taking.group_locks`). Older consumers would take them at any time.
GROUPS = "groups"
EDITION = Edition(version=4, min_reader=1, min_writer=4, features=(PARKED, GROUPS))


@dataclass(frozen=True, slots=True)
class Charter:
    """The data of the root of a queue's tree.

    Attributes:
        min_reader: the lowest version that may read the tree.
        min_writer: the lowest version that may write to it.
        features: the changes since the first version that may be written.
        segment_items: the number of items in one segment.
        paused: why consumers are not to take items, for people; None if they are to.
        others: keys that this version does not know and keeps.
    """

    min_reader: int = FIRST_VERSION
    min_writer: int = FIRST_VERSION
    features: tuple[str, ...] = ()
    segment_items: int = SEGMENT_ITEMS
    paused: str | None = None
    others: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def decode(cls, root: str, data: bytes) -> "Charter":
        """Decode the data of a root; `root` is its path, for the error.

        Raises:
            IncompatibleTreeError: the data is not that of a queue's root, or a value is damaged.
        """
        value = decode_object(data)
        if value is None or "zkmq" not in value:
            raise IncompatibleTreeError(
                f"{root}: expected the root of a queue, got a node with other data; "
                "choose another path"
            )
        known = ("zkmq", "min_reader", "min_writer", "features", "segment_items", "paused")
        return cls(
            _number(root, value, "min_reader", FIRST_VERSION),
            _number(root, value, "min_writer", FIRST_VERSION),
            _features(root, value),
            _number(root, value, "segment_items", SEGMENT_ITEMS),
            _paused(value),
            {key: value[key] for key in value if key not in known},
        )

    def encode(self) -> bytes:
        """Encode the charter as the data of the root."""
        value: dict[str, Any] = {
            "zkmq": FIRST_VERSION,
            "min_reader": self.min_reader,
            "min_writer": self.min_writer,
            "features": self.features,
            "segment_items": self.segment_items,
        }
        if self.paused is not None:
            value["paused"] = self.paused
        return json.dumps(value | dict(self.others)).encode()

    def raised(self, edition: Edition) -> "Charter":
        """The charter of a tree that uses all of an edition. No demand or feature is removed."""
        return replace(
            self,
            min_reader=max(self.min_reader, edition.min_reader),
            min_writer=max(self.min_writer, edition.min_writer),
            features=tuple(dict.fromkeys((*self.features, *edition.features))),
        )


def _number(root: str, value: Mapping[str, Any], key: str, default: int) -> int:
    number = value.get(key, default)
    if type(number) is not int or number < 1:
        raise IncompatibleTreeError(
            f"{root}: {key}: expected a number of 1 or more, got {number!r}; "
            "mend the node's data, or choose another path"
        )
    return number


def _paused(value: Mapping[str, Any]) -> str | None:
    """The reason of a pause. A value that is no text is a pause as well: the safe side."""
    paused = value.get("paused")
    return paused if paused is None or isinstance(paused, str) else ""


def _features(root: str, value: Mapping[str, Any]) -> tuple[str, ...]:
    features = value.get("features", [])
    if not isinstance(features, list) or not all(isinstance(each, str) for each in features):
        raise IncompatibleTreeError(
            f"{root}: features: expected a list of names, got {features!r}; "
            "mend the node's data, or choose another path"
        )
    return tuple(features)
