"""What shows that links are late: their round trips, and packets counted on them."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from harness.target import Evidence, RoundTrips

SLOW_SHARE = 0.5  # of what a round trip must grow by: it was slow before if it took as long
SEEN_SHARE = 0.5  # of the least delay, by which each way must be longer than without


def is_late(
    links: Mapping[str, Mapping[str, Mapping[str, Any]]], id: str, peer: str, evidence: Evidence
) -> bool | None:
    """Tell whether round trips of a link became longer; None if nothing can be told.

    That is so if there were none before, or if they were slow then and are not slower now: another
    fault held packets up, and may have ended since.
    """
    before = _known(evidence["rtt_before_ms"], id, peer)
    if not before:
        return None
    ways = [links[id][peer], links.get(peer, {}).get(id)]
    least_ms = [max(0, way["delay_ms"] - way["jitter_ms"]) for way in ways if way]
    # A round trip that is late on one way only must not pass for one that is late on both.
    wanted_ms = sum(least_ms) - (1 - SEEN_SHARE) * min(least_ms)
    now = _known(evidence["rtt_ms"], id, peer)
    if now and median(now) - min(before) >= wanted_ms:
        return True
    return None if min(before) >= SLOW_SHARE * wanted_ms else False


def counted(
    packets: Mapping[str, Mapping[str, Mapping[str, int]]],
    kind: str,
    pairs: Sequence[tuple[str, str]],
) -> bool:
    """Tell whether any of these links had a packet of this kind; so it is if there are none.

    A record of an earlier release counts only those that were late, and sent twice.
    """
    told = [packets.get(id, {}) for id, _ in pairs]
    if any("twice" in each and kind not in each for each in told):
        return True
    counts = [each.get(kind, {}).get(to, 0) for each, (_, to) in zip(told, pairs, strict=True)]
    return any(counts) or not counts


def any_answer(times: RoundTrips) -> bool:
    """Tell whether any link had a round trip."""
    return any(_known(times, id, peer) for id, to in times.items() for peer in to)


def _known(times: RoundTrips, id: str, peer: str) -> list[float]:
    return [time for time in times.get(id, {}).get(peer, ()) if time is not None]
