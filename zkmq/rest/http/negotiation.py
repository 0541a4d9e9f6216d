"""Choose an answer's representation, and check a request body's type (rest.md 2.1, 2.2)."""

import re
from functools import lru_cache
from typing import NamedTuple

JSON = "application/json"
JSONP = "application/javascript"
XML = "application/xml"
OCTETS = "application/octet-stream"
EVENTS = "text/event-stream"

# In order of preference where the client has none.
ANSWERS = (JSON, JSONP, XML, OCTETS)

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 -- the grammar's word, not a secret
_TYPE = re.compile(rf"({_TOKEN})/({_TOKEN})")
_QUALITY = re.compile(r"0?\.[0-9]+|0\.?|1(\.0*)?")


class Range(NamedTuple):
    """One element of an Accept header."""

    media: str
    quality: float
    position: int


@lru_cache(maxsize=1024)
def negotiate(accept: str | None, offered: tuple[str, ...] = ANSWERS) -> str | None:
    """Return the media type to answer with; None if none of `offered` is acceptable.

    Among the types with the best quality, an explicit one wins over a wildcard, then the one that
    comes first in `accept`, then the one that comes first in `offered`. A malformed element of
    `accept` is ignored.
    """
    ranges = _parse(accept) if accept and accept.strip() else [Range("*/*", 1.0, 0)]
    best: tuple[float, int, int] | None = None
    chosen = None
    for media in offered:
        match = _most_specific(media, ranges)
        if match is None or match.quality == 0:
            continue
        rank = (-match.quality, -_specificity(match.media), match.position)
        if best is None or rank < best:
            best, chosen = rank, media
    return chosen


@lru_cache(maxsize=256)
def takes_octets(content_type: str | None) -> bool:
    """Whether a znode's body may have this type: octets, or none."""
    return _is_type(content_type, OCTETS)


@lru_cache(maxsize=256)
def takes_json(content_type: str | None) -> bool:
    """Whether a JSON body may have this type: JSON, or none."""
    return _is_type(content_type, JSON)


def _is_type(content_type: str | None, expected: str) -> bool:
    if content_type is None or not content_type.strip():
        return True
    return content_type.partition(";")[0].strip().lower() == expected


def _parse(accept: str) -> list[Range]:
    ranges = []
    for position, element in enumerate(accept.split(",")):
        media, *parameters = (part.strip() for part in element.split(";"))
        # A bare `*` is what old Java clients send for `*/*`.
        media = "*/*" if media == "*" else media.lower()
        quality = _quality(parameters)
        if _TYPE.fullmatch(media) and quality is not None:
            ranges.append(Range(media, quality, position))
    return ranges


def _quality(parameters: list[str]) -> float | None:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            value = value.strip()
            return float(value) if _QUALITY.fullmatch(value) else None
    return 1.0


def _most_specific(media: str, ranges: list[Range]) -> Range | None:
    wildcard = media.partition("/")[0] + "/*"
    matching = [r for r in ranges if r.media in (media, wildcard, "*/*")]
    return max(matching, key=lambda r: _specificity(r.media), default=None)


def _specificity(media: str) -> int:
    return 0 if media == "*/*" else 1 if media.endswith("/*") else 2
