"""Copy an image from one engine to another, where no registry need be."""

from docker.errors import DockerException

from cluster.cluster_errors import ImageError
from cluster.engine.hosts import Host
from cluster.software.building import Say, find


def copy(source: Host, target: Host, name: str, say: Say) -> None:
    """Have an image on the target, the same as on the source; one of that content stays.

    The names of our images have a hash of what decides their content.

    Raises:
        ImageError: an engine refused.
    """
    if find(target.client, name) is not None:
        return
    say(f"{target.name}: copying the image {name} from {source.name}")
    try:
        image = source.client.images.get(name)
        chunks = image.save(named=name)
        target.client.images.load(chunks)  # type: ignore[arg-type]  # sent as they come
    except DockerException as error:
        raise ImageError(f"Docker engine {target.name}: image {name}: {error}") from error
