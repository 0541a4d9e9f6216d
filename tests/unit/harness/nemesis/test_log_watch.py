"""The trigger `log`: lines that are new, also in a log of which only the end is kept."""

from types import SimpleNamespace
from typing import cast

from harness.common.run_clock import Clock
from harness.common.server_states import LOG_CUT
from harness.nemesis.log_watch import PERIOD_S, LogWatch
from harness.scenario.schedule import LogLine
from harness.target import Quorum

OLD = b"".join(b"2026-12-01 10:00:%06.3f INFO LEADING\n" % (n / 1000) for n in range(1000))


def test_a_new_line_is_seen_though_the_log_became_shorter() -> None:
    """Old lines show nothing, wherever they stand; a new one does."""
    logs, now_s = [OLD], [0.0]
    node = SimpleNamespace(log=lambda: logs[-1])
    clock = SimpleNamespace(now_s=lambda: now_s[-1])
    watch = LogWatch(
        cast(Quorum, SimpleNamespace(nodes={1: node})), lambda _: 1, cast(Clock, clock)
    )
    line = LogLine(node=1, pattern="LEADING")

    def seen(log: bytes) -> bool:
        logs.append(log)
        now_s.append(now_s[-1] + PERIOD_S)
        return watch.seen(line)

    cut = LOG_CUT + OLD[len(OLD) // 2 :]
    assert not seen(OLD)
    assert not seen(cut)
    assert seen(cut + b"2026-12-01 10:00:01.000 INFO LEADING\n")
