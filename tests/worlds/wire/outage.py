"""Calls of a client that has a session and no connection: they end before there is one again."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress

from worlds.proxy.proxy import Proxy
from worlds.wire.zookeeper import WireZooKeeper
from zkmq import Queue
from zkmq.errors import ZkmqError

DEADLINE_S = 0.05
PATIENT_S = 20.0  # of an outage that waits for a call: also a starved machine has ended it by then
LOOK_S = 0.01


def ends_in_outage(call: Callable[[Queue], object]) -> bool:
    """Tell whether a call that begins without a connection ends before there is one again.

    The outage goes on until it has, and at least for as long as anybody can wait; so which came
    first does not depend on how often the machine lets a thread run.
    """
    ended = threading.Event()

    def make() -> None:
        with suppress(ZkmqError):
            call(queue)
        ended.set()

    with (
        WireZooKeeper() as server,
        Proxy(server.address) as proxy,
        Queue.connect(
            proxy.address, "/q", connection={"session_timeout_s": 60.0}, janitor=False
        ) as queue,
    ):
        queue.put(b"a")
        proxy.refusing = True
        proxy.cut()
        while queue._store._session._is_connected:  # type: ignore[attr-defined]
            time.sleep(LOOK_S)
        queue._deadline_s = DEADLINE_S
        thread = threading.Thread(target=make)
        thread.start()
        in_outage = ended.wait(PATIENT_S)
        proxy.heal()
        thread.join()
    return in_outage
