"""Connections over TLS: what the client's own key may be."""

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from worlds.certificates import Authority
from zkmq.zookeeper.session import tls

PROGRAM = """
import sys
from zkmq.zookeeper.session import tls
try:
    tls.connect(lambda **_: None, use_ssl=True, certfile=sys.argv[1], keyfile=sys.argv[1])
except OSError as error:
    print("refused:", type(error).__name__)
"""
WITHIN_S = 60.0


def on_a_terminal(*arguments: str) -> str:
    """Run a program on a terminal; return what it wrote until it ended, or asked for something."""
    ours, its = pty.openpty()
    said, until_s = b"", time.monotonic() + WITHIN_S
    with subprocess.Popen(
        [sys.executable, *arguments], stdin=its, stdout=its, stderr=its, start_new_session=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    ) as program:  # fmt: skip
        os.close(its)
        try:
            while b"phrase" not in said and time.monotonic() < until_s:
                if select.select([ours], [], [], 0.1)[0]:
                    said += os.read(ours, 1000)
        except OSError:
            pass  # it has ended
        finally:
            program.kill()
            os.close(ours)
    return said.decode()


def test_an_encrypted_key_without_a_password_is_refused_and_asks_nobody(tmp_path: Path) -> None:
    """As after a key was replaced by one with a password: an error, and no question."""
    path = Authority(tmp_path, "ours").sign("127.0.0.1", password="secret")  # noqa: S106
    said = on_a_terminal("-c", PROGRAM, str(path))
    assert said.splitlines() == ["refused: SSLError"]


@pytest.mark.parametrize("password", [None, "secret"])
def test_a_key_is_read_with_its_password_or_without(tmp_path: Path, password: str | None) -> None:
    """A plain key needs none, an encrypted one its own."""
    path = str(Authority(tmp_path, "ours").sign("127.0.0.1", password=password))

    def plain(**_: object) -> None:
        raise ConnectionRefusedError("the files were read")

    with pytest.raises(ConnectionRefusedError, match="the files were read"):
        tls.connect(plain, use_ssl=True, certfile=path, keyfile=path, keyfile_password=password)
