"""The images of a pod: where each comes from, the nearest source first.

A release is taken from what this engine has, else from a registry that answers, else from Debian's
archive. Names have a hash of all that decides the content, so that a change makes another image.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import docker
from docker.models.images import Image

from cluster.cluster_errors import ImageError
from cluster.engine.each import each
from cluster.engine.hosts import Host
from cluster.software import building, copying, debian, own_build, server_image
from cluster.software import docker_registry as registry
from cluster.software.building import Say, find
from cluster.software.server_image import ServerImage
from harness.common.harness_errors import UnmetError
from harness.common.settings.quorum_config import OwnBuild, QuorumConfig

REPOSITORY = "zkmq"


def server(client: docker.DockerClient, config: QuorumConfig, say: Say) -> ServerImage:
    """Return the image of a quorum's servers; `say` gets a line about each step.

    Raises:
        ImageError: no source has it; says why each has not.
        UnmetError: there is another release, and the quorum needs exactly the one that it names.
        ScenarioError: the user's own build is no ZooKeeper.
    """
    if config.image is not None:
        return _foreign(client, config.image, say)
    if isinstance(config.zookeeper, OwnBuild):
        return _own(client, config.zookeeper, say)
    found = _release(client, config.zookeeper, say, exact=config.exact)
    if found.release != config.zookeeper:
        told = f"{found.origin} ships ZooKeeper {found.release} in place of {config.zookeeper}"
        if config.exact:
            raise UnmetError(f"requires ZooKeeper {config.zookeeper}: {told}")
        say(f"{told}; the servers are {found.release}")
    return found


def here(client: docker.DockerClient, config: QuorumConfig) -> ServerImage | None:
    """Return the image of a release if it and the sandbox need not be pulled or built; else None.

    Raises:
        ImageError: the engine refused.
    """
    release = config.zookeeper
    if isinstance(release, OwnBuild) or find(client, sandbox_name()) is None:
        return None
    known = (server_image.known(client, name) for name in _names(release))
    wanted = (found for found in known if found is not None)
    return next((found for found in wanted if not config.exact or found.release == release), None)


def sandbox(client: docker.DockerClient, say: Say) -> Image:
    """Return the image of the sandbox, the part of a pod that outlives the server.

    Raises:
        ImageError: it cannot be built.
    """
    name = sandbox_name()
    return find(client, name) or debian.sandbox(client, name, say)


def on_each(
    hosts: Sequence[Host], config: QuorumConfig, say: Say
) -> dict[str, tuple[ServerImage, Image]]:
    """Return the images of servers and sandboxes on each host, by its name.

    The first host gets them as `server` and `sandbox` say, and the others from it.

    Raises:
        ImageError, UnmetError, ScenarioError: as by `server` and `sandbox`.
    """
    first, *others = hosts
    found = server(first.client, config, say), sandbox(first.client, say)

    def copied(host: Host) -> tuple[ServerImage, Image]:
        for name in (found[0].name, sandbox_name()):
            copying.copy(first, host, name, say)
        theirs = server_image.known(host.client, found[0].name)
        mine = find(host.client, sandbox_name())
        if theirs is None or mine is None:
            raise ImageError(f"Docker engine {host.name}: expected the images copied to it")
        return theirs, mine

    return dict(zip([h.name for h in hosts], [found, *each(others, copied)], strict=True))


def sandbox_name() -> str:
    """Return what the sandbox's image is called."""
    return _name("sandbox", debian.SANDBOX_SUITE, debian.fingerprint("sandbox"))


def _release(client: docker.DockerClient, release: str, say: Say, *, exact: bool) -> ServerImage:
    """Return a release's image; Debian's may be of another release than it was pinned for."""
    what, official = f"ZooKeeper {release}", registry.reference("zookeeper", release)
    of_registry, of_debian = _names(release)
    kept = [server_image.known(client, name) for name in (of_registry, of_debian)]
    for found in kept:
        if found is not None and (found.release == release or not exact):
            say(f"{what}: from {found.origin}, here already")
            return found
    try:
        pulled = find(client, official) or registry.pull(client, official, say)
        return server_image.settle(client, pulled, of_registry, _origin(pulled, official))
    except ImageError as error:
        say(f"{what}: {official}: {error}")
        refused = error
    if (moved := kept[-1]) is not None:
        return moved
    try:
        raw = debian.server(client, release, say)
    except ImageError as error:
        raise ImageError(f"{what}: {official}: {refused}; Debian: {error}") from error
    return server_image.settle(client, raw, of_debian, f"Debian {debian.RELEASES[release][0]}")


def _names(release: str) -> tuple[str, str]:
    """Return what a release's images are called: the official one, and Debian's."""
    official = registry.reference("zookeeper", release)
    suite = debian.RELEASES[release]
    return _name(release, official), _name(release, *suite, debian.fingerprint("server"))


def _foreign(client: docker.DockerClient, reference: str, say: Say) -> ServerImage:
    """Return the image of that name; it is pulled if the engine does not have it."""
    try:
        raw = find(client, reference) or registry.pull(client, reference, say)
    except ImageError as error:
        raise ImageError(
            f"image {reference!r}: expected one that is here or can be pulled: {error}"
        ) from error
    name = _name("image", str(raw.id))
    return server_image.known(client, name) or server_image.settle(
        client, raw, name, _origin(raw, reference)
    )


def _own(client: docker.DockerClient, wanted: OwnBuild, say: Say) -> ServerImage:
    """Return an image of the user's jars on the Java of the default server."""
    files = own_build.context(wanted)
    fingerprint = building.fingerprint(files)
    path = Path(str(wanted.tarball or wanted.jars))
    origin = f"{path.name} sha256:{fingerprint[:12]}"
    name = _name("own", fingerprint)
    if (found := server_image.known(client, name)) is not None:
        say(f"ZooKeeper {found.release}: from {origin}, here already")
        return found
    base = server(client, QuorumConfig(), say)
    say(f"making an image of {path}")
    raw = own_build.build_on(client, base.id, files, path.name)
    return server_image.settle(client, raw, name, origin, folder=own_build.FOLDER)


def _origin(image: Image, reference: str) -> str:
    """Return an image's digest if a registry gave it, else its name here."""
    digests = image.attrs.get("RepoDigests") or []
    repository = reference.rpartition(":")[0]
    mine = [digest for digest in digests if digest.startswith(f"{repository}@")]
    return str((mine or digests or [reference])[0])


def _name(tag: str, *words: str) -> str:
    digest = hashlib.sha256("\0".join(words).encode()).hexdigest()
    return f"{REPOSITORY}:{tag}-{digest[:12]}"
