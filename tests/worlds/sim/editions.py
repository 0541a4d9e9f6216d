"""Clients of two releases of zkmq in one process: what they can do differs, their code does not."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from zkmq import Queue
from zkmq.tree.compatibility.charter import EDITION, Edition

OLD = EDITION
# The next release, which writes what older ones cannot read; one they can still read; one that
# they can live with.
NEW = Edition(OLD.version + 1, OLD.version + 1, OLD.version + 1, ("shouting",))
READABLE = Edition(OLD.version + 1, OLD.version, OLD.version + 1, ("shouting",))
FEATURED = Edition(OLD.version + 1, OLD.min_reader, OLD.min_writer, ("shouting",))


class NextQueue(Queue):
    """The queue as of the next release; once it has raised a tree, older ones may only look."""

    edition = READABLE


class FeaturedQueue(Queue):
    """The queue as of a release that others can live with."""

    edition = FEATURED


@contextmanager
def release(edition: Edition) -> Iterator[None]:
    """Open queues as another release does; those that are open keep to theirs."""
    with mock.patch.object(Queue, "edition", edition):
        yield
