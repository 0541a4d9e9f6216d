"""One process of a wire fuzz as the judge sees it: behind a proxy of its own, and heard."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from random import Random

from worlds.crash_points.checks import Reason, Violation
from worlds.proxy.proxy import Proxy
from worlds.wire.judge import Testimony
from worlds.wire.plan import Drawn, Plan, Trouble
from worlds.wire.process import SAYS_WHERE, live
from worlds.wire.starvation import Starvation

# Calls that are under way end by their deadlines, and then it closes.
CLOSES_WITHIN_S = 15.0
HEARD_WITHIN_S = 60.0
LOOK_S = 0.05


class Member:
    """One process; it works from `at_work` on."""

    def __init__(self, plan: Plan, index: int, heard: Testimony, starvation: Starvation) -> None:
        self.drawn = Drawn(Random(f"{plan.seed}-lost-{index}"))
        self.proxy: Proxy
        self._plan = plan
        self._index = index
        self._heard = heard
        self._starvation = starvation
        self._pipe: Connection
        self._process: BaseProcess
        self._listener = threading.Thread(target=self._listen)

    @contextmanager
    def at_work(self, server: str) -> Iterator[None]:
        """Start it behind its proxy; whatever becomes of it, it is gone at the end."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["worlds.wire.hand"])
        self._pipe, theirs = context.Pipe()
        with Proxy(server) as self.proxy:
            if Trouble.LOST in self._plan.troubles:
                self.proxy.arm(self.drawn)
            role = self._plan.role(self._index, self.proxy.address)
            self._process = context.Process(target=live, args=(role, theirs), daemon=True)
            self._process.start()
            theirs.close()
            self._listener.start()
            try:
                yield
            finally:
                self._process.kill()
                self._process.join()
                self._listener.join()
                self._pipe.close()

    @property
    def busy(self) -> bool:
        """Whether it lives and has not had its last step yet."""
        return self._process.is_alive() and self._index not in self._heard.idle

    def kill(self) -> None:
        """Let it die at once."""
        if self._process.pid is not None and self._process.is_alive():
            self._heard.killed.add(self._index)
            os.kill(self._process.pid, signal.SIGKILL)

    def say_where(self) -> None:
        """Let it write where its threads are, for people."""
        if self._process.pid is not None and self._process.is_alive():
            os.kill(self._process.pid, SAYS_WHERE)

    def send_home(self) -> list[Violation]:
        """Let it close its queue and end; say what is wrong if it does not."""
        with suppress(OSError):  # it was killed
            self._pipe.send("close")
        began_s = time.monotonic()
        while self._process.is_alive() and self._starvation.ran_s(began_s) < CLOSES_WITHIN_S:
            self._process.join(LOOK_S)
        self._listener.join(HEARD_WITHIN_S if self._process.exitcode is not None else 0.0)
        if self._index in self._heard.killed | self._heard.ended:
            return []
        status = self._process.exitcode
        how = "does not end" if status is None else f"ended with {status}"
        return [Violation(Reason.WEDGED, f"process {self._index} {how}")]

    def _listen(self) -> None:
        """Hear what it says until it has said its last."""
        with suppress(EOFError, OSError):
            while True:
                self._heard.hear(self._index, self._pipe.recv())
