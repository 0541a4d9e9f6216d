"""The part of a queue over HTTP that operators use."""

import base64
import json
from collections.abc import Collection, Mapping
from typing import Any, Literal
from urllib.parse import quote

from zkmq import checks
from zkmq.errors import BadArgumentError, ClosedError
from zkmq.operating.by_id import checked_id
from zkmq.operating.changes import Changed
from zkmq.operating.inspection import Peeked, QueueStats
from zkmq.rest.client.exchange import Exchange
from zkmq.tree.compatibility.charter import Charter


class OperatorCalls:
    """Look at items and counts, move and delete items, pause. Thread-safe.

    Each method does what the method of `zkmq.Queue` with its name does, and raises the same errors.
    `kick`, `redrive`, `purge` and `delete` are not sent again after a lost answer, and the
    `resolve()` of their OutcomeUnknownError does not know: look with `stats` or `inspect`.
    """

    def __init__(self, exchange: Exchange, path: str, deadline_s: float) -> None:
        self._exchange = exchange
        self._name = queue_name("path", path)
        self._base = f"queues/v1/{quote(self._name, safe='')}"
        self._deadline_s = checks.seconds("deadline_s", deadline_s, zero=False)
        self._closed = False

    @property
    def path(self) -> str:
        """The path of the queue's root, below the gateway's endpoint."""
        return f"/{self._name}"

    @property
    def deadline_s(self) -> float:
        """How long a call may take; to set it holds for the calls that begin afterwards."""
        return self._deadline_s

    @deadline_s.setter
    def deadline_s(self, seconds: float) -> None:
        self._deadline_s = checks.seconds("deadline_s", seconds, zero=False)

    def kick(self, n: int, *, place: Literal["dead", "partial"] = "dead") -> Changed:
        """Bring items back that were put aside."""
        told = self._operate("kick", {"n": n, "place": place})
        return Changed(told["kicked"], told.get("zxid"))  # an older gateway does not tell it

    def redrive(
        self,
        to: str,
        n: int = 1,
        *,
        ids: Collection[str] | None = None,
        place: Literal["dead", "partial"] = "dead",
    ) -> Changed:
        """Move items that were put aside to another queue of the same endpoint, such as "/other".

        As `zkmq.Queue.redrive`.
        """
        if isinstance(ids, str):
            raise BadArgumentError(f"redrive: ids: expected a list of ids, got {ids!r}")
        chosen = {} if ids is None else {"ids": list(ids)}
        told = self._operate(
            "redrive", {"to": queue_name("redrive: to", to), "n": n, "place": place, **chosen}
        )
        return Changed(told["redriven"], told["zxid"])

    def purge(self, *priorities: int) -> Changed:
        """Forget all waiting items, of these priorities or of all."""
        chosen: list[dict[str, int]] = [{"priority": each} for each in priorities] or [{}]
        told = [self._operate("purge", each) for each in chosen]
        zxids = [each.get("zxid") for each in told if each["purged"]]
        return Changed(sum(each["purged"] for each in told), zxids[-1] if zxids else None)

    def inspect(self, id: str) -> Peeked | None:
        """Look at one item, wherever it is; None if it is done, purged, or was never put."""
        found = self._look(f"items/{quote(checked_id('inspect', id), safe='')}")
        return None if found is None else _peeked(found)

    def delete(self, id: str) -> Changed:
        """Delete one item for ever that no consumer holds, as `zkmq.Queue.delete`.

        Raises:
            ItemHeldError: a consumer holds it; only that consumer can end it.
        """
        path = f"items/{quote(checked_id('delete', id), safe='')}"
        told = self._ask("DELETE", path, repeat=False)
        return Changed(told["deleted"], told["zxid"])

    def peek(
        self, n: int = 1, *, place: Literal["items", "dead", "partial", "delayed"] = "items"
    ) -> list[Peeked]:
        """Look at the first `n` items without taking them."""
        return [_peeked(each) for each in self._look(f"items?n={n}&place={place}")]

    def stats(self) -> QueueStats:
        """Count what is where."""
        found = self._look("stats")
        waiting = {int(priority): count for priority, count in found.pop("waiting").items()}
        return QueueStats(waiting=waiting, **found)

    def pause(self, reason: str = "", *, force: bool = False) -> Charter:
        """Let no consumer take items, of any client, until `resume`. As `zkmq.Queue.pause`.

        Raises:
            ClientsTooOldError: some consumers would not obey; nothing is changed.
        """
        return _charter(self._operate("pause", {"reason": reason, "force": force}, repeat=True))

    def resume(self) -> Charter:
        """Let consumers take items again. As `zkmq.Queue.resume`."""
        return _charter(self._operate("resume", {}, repeat=True))

    def _operate(self, what: str, arguments: Mapping[str, Any], *, repeat: bool = False) -> Any:
        """Change something. `repeat` says that to do it twice is the same."""
        return self._ask("POST", what, repeat=repeat, content=json.dumps(arguments).encode())

    def _look(self, what: str) -> Any:
        return self._ask("GET", what)

    def _ask(self, method: str, below: str, **options: Any) -> Any:
        self._require_open()
        path = f"{self._base}/{below}"
        return self._exchange.ask(method, path, self._deadline(), **options).value

    def _deadline(self) -> float:
        return self._exchange.now() + self._deadline_s

    def _require_open(self) -> None:
        if self._closed:
            raise ClosedError("the queue was closed; connect a new one")


def queue_name(argument: str, path: str) -> str:
    """Return a queue's name, from a path like "/queue".

    Raises:
        BadArgumentError: the path has not exactly one segment.
    """
    name = path.strip("/")
    if not name or "/" in name:
        raise BadArgumentError(f"{argument}: expected one segment like /queue, got {path!r}")
    return name


def _peeked(told: Mapping[str, Any]) -> Peeked:
    # An older gateway does not tell all of them.
    known = {name: told[name] for name in Peeked.__slots__ if name in told}
    return Peeked(**known | {"data": base64.b64decode(told["data64"])})


def _charter(told: Mapping[str, Any]) -> Charter:
    return Charter(
        told["min_reader"],
        told["min_writer"],
        tuple(told["features"]),
        told["segment_items"],
        told["paused"],
    )
