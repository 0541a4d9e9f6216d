"""How long all checkers take on histories of 10^4 to 10^7 operations, and how much memory.

A run of a correct queue (16 clients that overlap, two priorities, releases, sessions that end,
unknown outcomes, zxids, windows) is written as history.jsonl. It is read and judged by all checkers
in a process of its own, whose time and peak memory count; `growth` is the time per operation
against that of a tenth of the operations.

`times_decode` compares CPU seconds, which a busy machine disturbs less, with those of a bare
msgspec decode of the same file into the same events: 64 KB at a time, which is the fastest way, and
each dropped at once. Rounds alternate between the two, each in a process of its own; the figures
are those of the median round.

    make bench NAME=checkers [ARGS="--most 1000000 --rounds 7"]
"""

import argparse
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from heapq import heappop, heappush
from pathlib import Path
from random import Random
from statistics import median_low

import msgspec
from rich.console import Console
from rows import limit_row, write_row

from harness.checkers import checkers
from harness.claim import Claim, Level
from harness.common.verdict import Verdict
from harness.history.columns import History
from harness.history.record import Event
from harness.judge import judge

SIZES = [10**4, 10**5, 10**6, 10**7]
LIMITS = {10**6: (10.0, 1.0), 10**7: (120.0, 8.0)}  # seconds, GB
CLIENTS, STEP_NS = 16, 100_000
FLUSH = 100_000
BARE_BYTES = 64 << 10  # decoded events stay in the processor's cache
RELEASED, DIED, UNKNOWN = 0.01, 0.0002, 0.0005


def main() -> int:
    """Measure, print, write the rows `checkers-*`; status 1 if a figure is above its limit."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--most", type=int, default=SIZES[-1], help="operations")
    parser.add_argument("--rounds", type=int, default=7, help="how often to decode, then judge")
    parser.add_argument("--judge", type=Path, help="judge one history and print what it took")
    parser.add_argument("--decode", type=Path, help="decode one history and print what it took")
    given = parser.parse_args()
    if path := given.judge or given.decode:
        took = judged(path) if given.judge else decoded(path)
        print(msgspec.json.encode(took).decode())
        return 0
    console, passed, before = Console(highlight=False), True, None
    for size in (size for size in SIZES if size <= given.most):
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / "history.jsonl"
            write(path, size)
            rounds = [compared(path) for _ in range(given.rounds)]
        passed &= report(console, size, rounds, before)
        before = middle(rounds)["total_s"]
    return 0 if passed else 1


def report(
    console: Console, size: int, rounds: list[dict[str, float]], before: float | None
) -> bool:
    """Print and keep one size's figures; say whether they are within their limits."""
    most_s, most_gb = LIMITS.get(size, (None, None))
    took, ratios = middle(rounds), [one["times_decode"] for one in rounds]
    seconds = {part: took[part] for part in took if part not in ("times_decode", "peak_gb")}
    slowest = sorted(seconds.items(), key=lambda item: -item[1])[:6]
    told = [f"{name} {figure:.3g}" for name, figure in slowest]
    console.print(
        f"{size}: {', '.join(told)}; {took['times_decode']:.2f} times a bare decode "
        f"({min(ratios):.2f} to {max(ratios):.2f}, {len(rounds)} rounds), {took['peak_gb']:.2f} GB"
    )
    name = f"checkers-1e{round(math.log10(size))}"
    growth = {"growth": round(took["total_s"] / before / 10, 2)} if before else {}
    more = {
        "times_decode": round(took["times_decode"], 2),
        "times_decode_spread": [round(min(ratios), 2), round(max(ratios), 2)],
        "rounds": len(rounds),
        "parts": {part: round(figure, 3) for part, figure in slowest},
    }
    write_row(limit_row(name, took["total_s"], most_s, "s", **growth, **more))
    write_row(limit_row(f"{name}-memory", took["peak_gb"], most_gb, "GB"))
    passed = most_s is None or took["total_s"] <= most_s
    return passed and (most_gb is None or took["peak_gb"] <= most_gb)


def middle(rounds: list[dict[str, float]]) -> dict[str, float]:
    """Return the round with the median ratio."""
    ratio = median_low(one["times_decode"] for one in rounds)
    return next(one for one in rounds if one["times_decode"] == ratio)


def compared(path: Path) -> dict[str, float]:
    """Decode a history, then judge it; the judge's figures, and its CPU seconds by the other's."""
    decode_cpu_s = in_a_process("--decode", path)["cpu_s"]
    took = in_a_process("--judge", path)
    return took | {"times_decode": took["cpu_s"] / decode_cpu_s}


def in_a_process(what: str, path: Path) -> dict[str, float]:
    """Judge or decode a history in a process of its own, which compiles what is not yet kept."""
    command = [sys.executable, __file__, what, str(path)]
    out = subprocess.run(command, check=True, capture_output=True).stdout
    return msgspec.json.decode(out, type=dict[str, float])


def judged(path: Path) -> dict[str, float]:
    """Read and judge; seconds by part, CPU seconds of all, and the peak in GB.

    The first checkers to run pay for what all of them share: holds and episodes. All claim
    `linearizable`, but for `window`, which judges that no item was passed over.
    """
    begin_s, begin_cpu_s = time.perf_counter(), time.process_time()
    history = History.load(path)
    took = {"load": time.perf_counter() - begin_s}
    for name in checkers:
        part_s = time.perf_counter()
        claim: Level = "window" if name == "window" else "linearizable"
        (result,) = judge(history, Claim(level=claim), checkers=[name]).results
        took[name] = time.perf_counter() - part_s
        if result.verdict is Verdict.INVALID or result.reasons == ("checker-failed",):
            raise SystemExit(f"{path}: expected a valid run, got {result.as_json()}")
    took["total_s"] = time.perf_counter() - begin_s
    took["cpu_s"] = time.process_time() - begin_cpu_s
    took["peak_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return took


def decoded(path: Path) -> dict[str, float]:
    """Decode a history into events, without a look at them; the CPU seconds."""
    decoder, begin_s = msgspec.json.Decoder(Event), time.process_time()
    with path.open("rb") as file:
        while chunk := file.read(BARE_BYTES) + file.readline():
            decoder.decode_lines(chunk)
    return {"cpu_s": time.process_time() - begin_s}


def write(path: Path, operations: int) -> None:
    """Write a run with so many operations."""
    held: list[tuple[int, str]] = []
    with path.open("w") as file:
        for number, line in enumerate(_Run(operations).lines()):
            held.append(line)
            if number % FLUSH == FLUSH - 1:
                held.sort()
                file.writelines(text for _, text in held[: FLUSH // 2])
                del held[: FLUSH // 2]
        held.sort()
        file.writelines(text for _, text in held)


class _Run:
    """A queue whose operation k takes effect at k steps, within a call of client k mod 16."""

    def __init__(self, operations: int) -> None:
        self.rng = Random(1)  # noqa: S311 -- the same history each time
        self.operations = operations
        self.waiting: list[tuple[int, int]] = []  # (priority, value), the head first
        self.hands: dict[int, tuple[int, int]] = {}  # by the operation that ends the hold
        self.clients = list(range(CLIENTS))
        self.processes = CLIENTS
        self.values = 0

    def lines(self) -> Iterator[tuple[int, str]]:
        """Give (time, line) of each event, less than a flush out of order."""
        for k in range(CLIENTS, self.operations + CLIENTS):
            if k in self.hands:
                yield from self.end(k, *self.hands.pop(k))
            elif k % 3 == 1:
                yield from self.reserve(k)
            else:
                yield from self.put(k)
        end_ns = (self.operations + 3 * CLIENTS) * STEP_NS
        yield end_ns, self.note(end_ns, "drain", '{"phase":"begin"}')
        yield end_ns + 1, self.note(end_ns + 1, "drain", '{"phase":"end","complete":false}')

    def put(self, k: int) -> Iterator[tuple[int, str]]:
        self.values += 1
        value, priority = self.values, 100 if self.rng.random() < 0.9 else 1
        heappush(self.waiting, (priority, value))
        more = f',"priority":{priority}'
        if self.rng.random() < UNKNOWN:
            yield from self.call(k, "put", value, value, more=more, kind="info")
            self.replace(k)
        else:
            yield from self.call(k, "put", value, value, more=more)

    def reserve(self, k: int) -> Iterator[tuple[int, str]]:
        if not self.waiting:
            yield from self.call(k, "reserve", None, None)
            return
        item = heappop(self.waiting)
        self.hands[k + CLIENTS] = item
        yield from self.call(k, "reserve", None, item[1], answer=f',"window":{4 * CLIENTS}')

    def end(self, k: int, priority: int, value: int) -> Iterator[tuple[int, str]]:
        draw = self.rng.random()
        if draw < DIED:
            heappush(self.waiting, (priority, value))
            yield from self.death(k, value)
        elif draw < DIED + RELEASED:
            heappush(self.waiting, (priority, value))
            yield from self.call(k, "release", value, value)
        else:
            yield from self.call(k, "done", value, value)

    def death(self, k: int, value: int) -> Iterator[tuple[int, str]]:
        """Give the end of a client's session, and the return of its item around step k."""
        who = f'"consumer":"c{self.clients[k % CLIENTS]}"'
        begin_ns, end_ns = k * STEP_NS - 1, k * STEP_NS + 1
        ended = f'{{{who},"why":"killed","alive_until_ns":{begin_ns},"zxid":{k}}}'
        yield begin_ns, self.note(begin_ns, "session-end", ended)
        back = f'{{{who},"values":[{value}],"to":"items","zxid":{k},"complete":true}}'
        yield end_ns, self.note(end_ns, "returned", back)
        self.replace(k)

    def replace(self, k: int) -> None:
        self.clients[k % CLIENTS] = self.processes
        self.processes += 1

    def call(
        self,
        k: int,
        f: str,
        asked: int | None,
        got: int | None,
        *,
        more: str = "",
        answer: str = "",
        kind: str = "ok",
    ) -> Iterator[tuple[int, str]]:
        reach = CLIENTS // 2 * STEP_NS - 1
        begin_ns = k * STEP_NS - self.rng.randrange(reach)
        end_ns = k * STEP_NS + self.rng.randrange(reach)
        process = self.clients[k % CLIENTS]
        who = f'"process":{process},"f":"{f}","consumer":"c{process}"{more}'
        zxid = "read_zxid" if got is None else "zxid"
        stamp = f',"{zxid}":{k}{answer}' if kind == "ok" else ""
        yield (
            begin_ns,
            (f'{{"time_ns":{begin_ns},"type":"invoke",{who},"value":{asked or "null"}}}\n'),
        )
        yield (
            end_ns,
            (f'{{"time_ns":{end_ns},"type":"{kind}",{who},"value":{got or "null"}{stamp}}}\n'),
        )

    def note(self, at_ns: int, f: str, value: str) -> str:
        return (
            f'{{"time_ns":{at_ns},"process":"harness","type":"info","f":"{f}","value":{value}}}\n'
        )


if __name__ == "__main__":
    sys.exit(main())
