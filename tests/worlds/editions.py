"""Clients of two releases of zkmq in one process: what they can do differs, their code does not."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from zkmq import charter
from zkmq.charter import Edition

OLD = charter.EDITION
# The next release, which writes what older ones cannot read; and one they can still read.
NEW = Edition(OLD.version + 1, OLD.version + 1, OLD.version + 1, ("shouting",))
READABLE = Edition(OLD.version + 1, OLD.version, OLD.version + 1, ("shouting",))


@contextmanager
def release(edition: Edition) -> Iterator[None]:
    """Open queues as another release does; those that are open keep to theirs."""
    with mock.patch.object(charter, "EDITION", edition):
        yield
