"""The example of docs/testing-your-own-client.md, as it stands there."""

import pytest

from worlds import pages

pytest_plugins = ["pytester"]
ALONE, OF_QUEUE, OF_CALLS = pages.blocks("testing-your-own-client.md", "python")
MOST_LINES = 15


def test_the_example_is_short() -> None:
    """It takes no more than fifteen lines to test one's own client against a real quorum."""
    assert len([line for line in ALONE.splitlines() if line]) <= MOST_LINES


@pytest.mark.docker
def test_the_example_passes(pytester: pytest.Pytester) -> None:
    """The example, copied into a file of its own, passes on a real quorum."""
    pytester.makepyfile(test_config=ALONE)
    result = pytester.runpytest_subprocess("-p", "harness.pytest_plugin", timeout=200)
    result.assert_outcomes(passed=1)


MY_QUEUE = """
from kazoo.client import KazooClient
from kazoo.recipe.queue import Queue
from kazoo.retry import KazooRetry


class MyQueue:
    def __init__(self, hosts):
        self._zk = KazooClient(hosts, connection_retry=KazooRetry(max_tries=-1))
        self._zk.start()
        self._queue = Queue(self._zk, "/my-queue")

    def put(self, value):
        self._zk.retry(self._queue.put, str(value).encode())

    def get(self):
        data = self._zk.retry(self._queue.get)
        return None if data is None else int(data)
"""
CUT = """
def test_a_client_that_is_cut_off(nemesis, recorded_history):
    with recorded_history(session_timeout_s=2.0) as h:
        h.start("check-all", clients=2)
        h.start("put-all", count=100, rate_hz=20)
        nemesis.inject("client-crash", workload="check-all", number=1)
        nemesis.inject("client-cut", workload="check-all", number=0)
        h.drain()
    for checker in ("total-queue", "ownership"):
        assert h.check(checker).valid
"""


@pytest.mark.docker
def test_histories_are_recorded_and_judged(pytester: pytest.Pytester) -> None:
    """The page's tests, with the queues of the other page: the naive one fails, the others pass."""
    pytester.makepyfile(
        naive_queue=pages.naive_queue(),
        right_queue=pages.right_queue(),
        test_naive=OF_QUEUE,
        test_right=OF_QUEUE.replace("naive_queue", "right_queue"),
        test_own=MY_QUEUE + OF_CALLS,
        test_cut=CUT,
    )
    plugin = ("-p", "harness.pytest_plugin", "--zk-nodes", "3", "-v")
    result = pytester.runpytest_subprocess(*plugin, timeout=400)
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*test_naive.py*FAILED*", "*reasons=('duplicated',)*"])
