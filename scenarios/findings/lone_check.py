"""Ask a server for a check of a version that is not part of a transaction: HOSTS."""

import sys

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.protocol.serialization import CheckVersion

ANSWER_WITHIN_S = 3

zk = KazooClient(sys.argv[1], timeout=4)
zk.start(timeout=30)
answer = zk.handler.async_result()
zk._call(CheckVersion("/", -1), answer)  # noqa: SLF001 -- kazoo sends it in transactions only
try:
    told = answer.get(timeout=ANSWER_WITHIN_S)
except (KazooException, KazooTimeoutError) as error:
    told = error
sys.stderr.write(f"{told!r}\n")
zk.stop()
