"""docs/celery.md: its application runs, in a worker of Celery's, on a server in memory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from kombu.exceptions import OperationalError

from worlds import pages
from worlds.wire.zookeeper import WireZooKeeper
from zkmq.celery.broker_url import BrokerOptions
from zkmq.celery.transport import Transport

pytestmark = pytest.mark.medium

PAGE = pages.DOCS / "celery.md"
PROGRAM = """
import shop
try:
    print(shop.receipt.delay(7).get(timeout=60))
finally:
    shop.app.control.shutdown()
    shop.app.close()
"""


def test_the_example_runs(tmp_path: Path) -> None:
    """A worker that was started as the page says executes the task, and its result comes back."""
    with WireZooKeeper() as server:
        (text,) = pages.blocks("celery.md", "python")
        (tmp_path / "shop.py").write_text(text.replace("127.0.0.1:2181", server.address))
        command = [sys.executable, "-m", "celery", "-A", "shop", "worker", "-c", "1"]
        there = {"cwd": tmp_path, "env": os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}}
        with subprocess.Popen(
            [*command, "--pool", "solo"], stderr=subprocess.PIPE, text=True, **there
        ) as worker:
            try:
                done = subprocess.run(
                    [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=300,
                    check=False, **there,
                )  # fmt: skip
                assert (done.returncode, done.stdout) == (0, "receipt for order 7\n"), done.stderr
                _, said = worker.communicate(timeout=120)
                assert worker.returncode == 0, said
            finally:
                worker.kill()


def test_every_option_and_error_is_on_the_page() -> None:
    """An option or an error that is added without a word is noticed."""
    text = PAGE.read_text()
    options = set(BrokerOptions.__slots__)  # type: ignore[attr-defined]
    assert {name for name in options if f"`{name}`" not in text} == set()
    ours = {
        error.__name__
        for error in (
            *Transport.recoverable_connection_errors,
            *Transport.recoverable_channel_errors,
        )
        if error.__module__.startswith("zkmq")
    }
    assert {name for name in ours - {"ClosedError"} if f"`{name}`" not in text} == set()
    assert OperationalError.__name__ in text
