"""ETags: `If-Match` and `If-None-Match` as another spelling of a version (rest.md 9)."""

import re

from zkmq.rest.http.representations import Stat

_TAG = re.compile(r'(W/)?"([^"]*)"')


def etag(stat: Stat) -> str:
    """Return the tag of a znode's data, made of the zxid of its last change and its version."""
    return f'"{stat.mzxid}-{stat.version}"'


def if_match(header: str, stat: Stat) -> bool:
    """Whether `If-Match` holds; a weak tag never matches."""
    return _matches(header, stat, weak=False)


def if_none_match(header: str, stat: Stat) -> bool:
    """Whether `If-None-Match` holds: the client does not have this state yet."""
    return not _matches(header, stat, weak=True)


def _matches(header: str, stat: Stat, *, weak: bool) -> bool:
    if header.strip() == "*":
        return True
    tags = _TAG.findall(header)
    return any(f'"{tag}"' == etag(stat) for mark, tag in tags if weak or not mark)
