"""Many seeds in chunks, judged side by side; Ctrl-C ends it, and what was judged can be printed."""

import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.pool import Pool
from typing import Any, TypeVar

PROCESSES = 2
SAID_EVERY_S = 20
Part = TypeVar("Part")


def of(seeds: range, size: int) -> list[range]:
    """Cut seeds into chunks of so many."""
    return [seeds[at : at + size] for at in range(0, len(seeds), size)]


@contextmanager
def side_by_side(processes: int = PROCESSES) -> Iterator[Pool]:
    """Have processes that judge. Ctrl-C and SIGTERM reach this one alone, as KeyboardInterrupt."""
    obey_interrupts()
    with multiprocessing.Pool(processes, ignore_interrupts) as pool:
        try:
            yield pool
        except KeyboardInterrupt:
            ignore_interrupts()  # a second one would lose the figures
            raise


def obey_interrupts() -> None:
    """Let Ctrl-C and SIGTERM raise KeyboardInterrupt, also in a shell's background job."""
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.default_int_handler)


def ignore_interrupts() -> None:
    """Leave Ctrl-C to the parent, which obeys it once; SIGTERM ends this process at once."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def judged(
    pool: Pool, judge: Callable[[Any], Part], work: Sequence[Any], so_far: Callable[[], str]
) -> Iterator[Part]:
    """Yield what comes of each chunk; print every 20 s, and at the end, how far it is."""
    began_s = said_s = time.monotonic()
    for done, part in enumerate(pool.imap_unordered(judge, work), start=1):
        yield part
        now_s = time.monotonic()
        if now_s - said_s > SAID_EVERY_S or done == len(work):
            said_s = now_s
            left_s = (now_s - began_s) / done * (len(work) - done)
            whole_s = now_s - began_s + left_s
            print(f"{so_far()}, {left_s:.0f} s left of {whole_s:.0f}", flush=True)
