"""Which versions of zkmq may use a tree: what its root says of it, and what this release can do.

`zkmq.tree.chartered_store` keeps a client to it, `zkmq.upgrade` raises it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from zkmq.errors import IncompatibleTreeError

# What stands in trees and registrations that do not say.
FIRST_VERSION = 1
SEGMENT_ITEMS = 1000


@dataclass(frozen=True, slots=True)
class Edition:
    """What one release of zkmq is able to do, and what a tree has to demand once it does.

    Raise `version` with every change of what is written. A change that older clients would
    misread raises `min_reader` to it, one that they would damage raises `min_writer`; it gets a
    name in `features`, and is only written where the charter `lists` it.
    """

    version: int
    min_reader: int
    min_writer: int
    features: tuple[str, ...] = ()


# Priorities that nobody uses are parked (`zkmq.janitor.parking`).
PARKED = "parked"
EDITION = Edition(version=2, min_reader=1, min_writer=2, features=(PARKED,))


@dataclass(frozen=True, slots=True)
class Charter:
    """What the root of a queue's tree says.

    Attributes:
        min_reader: the least version that may read the tree.
        min_writer: the least version that may write.
        features: what may be written beyond the first version.
        segment_items: how many items share a segment.
        others: keys that this version does not know, to be kept.
    """

    min_reader: int = FIRST_VERSION
    min_writer: int = FIRST_VERSION
    features: tuple[str, ...] = ()
    segment_items: int = SEGMENT_ITEMS
    others: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def decode(cls, root: str, data: bytes) -> "Charter":
        """Read it; `root` is for the error.

        Raises:
            IncompatibleTreeError: it is not the root of a queue, or of one nobody can read.
        """
        try:
            value = json.loads(data)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict) or "zkmq" not in value:
            raise IncompatibleTreeError(
                f"{root}: expected the root of a queue, got a node with other data; "
                "choose another path"
            )
        known = ("zkmq", "min_reader", "min_writer", "features", "segment_items")
        return cls(
            _number(root, value, "min_reader", FIRST_VERSION),
            _number(root, value, "min_writer", FIRST_VERSION),
            _features(root, value),
            _number(root, value, "segment_items", SEGMENT_ITEMS),
            {key: value[key] for key in value if key not in known},
        )

    def encode(self) -> bytes:
        """As the node holds it."""
        value = {
            "zkmq": FIRST_VERSION,
            "min_reader": self.min_reader,
            "min_writer": self.min_writer,
            "features": self.features,
            "segment_items": self.segment_items,
        }
        return json.dumps(value | dict(self.others)).encode()

    def raised(self, edition: Edition) -> "Charter":
        """The charter of a tree that uses all of an edition; nothing is ever taken back."""
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


def _features(root: str, value: Mapping[str, Any]) -> tuple[str, ...]:
    features = value.get("features", [])
    if not isinstance(features, list) or not all(isinstance(each, str) for each in features):
        raise IncompatibleTreeError(
            f"{root}: features: expected a list of names, got {features!r}; "
            "mend the node's data, or choose another path"
        )
    return tuple(features)
