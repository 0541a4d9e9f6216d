"""Make many ephemeral znodes with long names in one session, and end it: HOSTS COUNT."""

import sys

from kazoo.client import KazooClient

PATH_BYTES = 998
MADE_WITHIN_S = 60

hosts, count = sys.argv[1], int(sys.argv[2])
zk = KazooClient(hosts, timeout=10)
zk.start(timeout=30)
zk.ensure_path("/many")
paths = [f"/many/{number:05}".ljust(PATH_BYTES, "x") for number in range(count)]
for made in [zk.create_async(path, ephemeral=True) for path in paths]:
    made.get(timeout=MADE_WITHIN_S)
zk.stop()
