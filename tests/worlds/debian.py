"""Containers of a bare Debian with some packages: other machines, for tests."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from docker.client import DockerClient
from docker.models.containers import Container

from cluster.engine import labels
from cluster.engine.containers import pack, remove
from cluster.software import building, debian

ENGINE = ["/var/run/docker.sock:/var/run/docker.sock"]  # as `volumes`: the engine's socket
TRUSTED = "etc/ssl/certs/ca-certificates.crt"


@contextmanager
def container(
    client: DockerClient,
    *packages: str,
    files: dict[str, str | bytes],
    suite: str = "bookworm",
    **settings: Any,
) -> Iterator[Container]:
    """Create a container of a suite with these packages and files, and remove it at the end.

    It trusts the certificates that this machine trusts. `harness clean` removes it if this process
    is killed.
    """
    base = debian._base(client, suite, print)
    install = "apt-get install -y --no-install-recommends"
    text = f"FROM {base}\nRUN apt-get update && {install} {' '.join(packages)}\n"
    image = building.build(client, {"Dockerfile": text.encode()}, what="a machine", say=print)
    tags = labels.of_run("another-machine", labels.Owner.me(), by_hand=False)
    made = client.containers.create(image, labels=tags, **settings)
    try:
        trusted = Path(ssl.get_default_verify_paths().cafile or f"/{TRUSTED}")
        if trusted.exists():
            files = {TRUSTED: trusted.read_bytes(), **files}
        made.put_archive("/", pack(files))
        yield made
    finally:
        remove(made)
