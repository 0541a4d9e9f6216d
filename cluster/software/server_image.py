"""What is known of an image that servers run in: found out once, then kept in the image's labels.

A container has the labels of its image, so they can be read from a server's container too.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import docker
from docker.errors import ContainerError, DockerException
from docker.models.images import Image

from cluster.cluster_errors import ImageError
from cluster.engine import containers
from cluster.software.building import build, find

CLASSPATH = "zkmq.classpath"
RELEASE = "zkmq.release"
ORIGIN = "zkmq.origin"
_VERSION = "org.apache.zookeeper.version.VersionInfoMain"
_JARS = r"\( -name zookeeper.jar -o -name 'zookeeper-[0-9]*.jar' \)"
# Prints the classpath and what the server's own jar says of its release.
_LOOK = (
    f'find "$0" -xdev {_JARS} 2>/dev/null | while read -r jar; do '
    'lib="${jar%/*}/*"; '
    f'told=$(java -cp "$lib" {_VERSION} 2>/dev/null) && echo "$lib" && echo "$told" && break; '
    "done"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerImage:
    """An image that servers run in.

    Attributes:
        id, name: as the engine calls it.
        release: by its own jar, such as 3.9.6 or 3.10.0-SNAPSHOT.
        classpath: of the jars in it.
        origin: where they come from, such as `Debian forky`.
    """

    id: str
    name: str
    release: str
    classpath: str
    origin: str


def known(client: docker.DockerClient, name: str) -> ServerImage | None:
    """Return what is known of the image of that name; None if there is none."""
    return None if (image := find(client, name)) is None else _of(image, name)


def settle(
    client: docker.DockerClient, raw: Image, name: str, origin: str, *, folder: str = "/"
) -> ServerImage:
    """Look for ZooKeeper in an image, below a folder, and keep the answer in one of this name.

    Raises:
        ImageError: there is no ZooKeeper in it, or no java.
    """
    classpath, release = _look(client, raw, name, folder)
    labels = {CLASSPATH: classpath, RELEASE: release, ORIGIN: origin}
    dockerfile = {"Dockerfile": f"FROM {raw.id}\n".encode()}
    image = build(client, dockerfile, what=name, say=lambda _: None, tag=name, labels=labels)
    return _of(image, name)


def label(labels: Mapping[str, str], key: str) -> str:
    """Return what a server's container knows from its image.

    Raises:
        ImageError: it does not; an earlier edition of the harness started it.
    """
    if (value := labels.get(key)) is None:
        raise ImageError(f"server: expected the label {key}, got none; start another quorum")
    return value


def _of(image: Image, name: str) -> ServerImage:
    labels = image.labels
    return ServerImage(
        id=str(image.id),
        name=name,
        release=label(labels, RELEASE),
        classpath=label(labels, CLASSPATH),
        origin=label(labels, ORIGIN),
    )


def _look(client: docker.DockerClient, raw: Image, name: str, folder: str) -> tuple[str, str]:
    try:
        told = containers.output_of(
            client,
            raw,
            ["-c", _LOOK, folder],
            entrypoint="sh",
            network_mode="none",
        ).decode(errors="replace")
    except ContainerError as error:
        told = str(error)
    except DockerException as error:
        raise ImageError(f"image {name}: could not look into it: {error}") from error
    classpath, _, rest = told.partition("\n")
    release = re.search(r"version (\d+\.\d+\.\d+[^\s,]*)", rest)
    if release is None:
        raise ImageError(
            f"image {name}: expected java and ZooKeeper's jars below {folder}, got none that tell "
            f"their release"
        )
    return classpath, release[1]
