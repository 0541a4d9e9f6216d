"""The images of a pod: built once from Debian's archive, found again by their content."""

import hashlib
import io
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import docker
from docker.errors import BuildError, DockerException, ImageNotFound
from docker.models.images import Image

from cluster.cluster_errors import ImageError
from harness.common.quorum_config import DEFAULT_RELEASE

# release -> (the Debian suite that ships it, the JRE of that suite)
RELEASES: Mapping[str, tuple[str, str]] = {
    "3.9.6": ("forky", "openjdk-21-jre-headless"),
    "3.9.3": ("trixie", "openjdk-21-jre-headless"),
    "3.8.0": ("bookworm", "openjdk-17-jre-headless"),
}
REPOSITORY = "zkmq"
CONTENT_LABEL = "zkmq.content"
_HERE = Path(__file__).parent
_SHIM = tuple(f"../disk_shim/{file.name}" for file in sorted(_HERE.glob("../disk_shim/*.*")))
# What decides the content of each image; all of it together is the build's context.
_PARTS = {
    "server": ("Dockerfile", "server.sh", "log4j.properties"),
    "sandbox": ("Dockerfile", "sandbox.sh", *_SHIM),
}

Say = Callable[[str], None]


def server(client: docker.DockerClient, wanted: str, say: Say) -> Image:
    """Return the image of a ZooKeeper server.

    Args:
        client: on the engine that will hold it.
        wanted: a release of RELEASES, or any image reference that keeps the official image's
            contract (it is pulled when the engine does not have it).
        say: gets a line about each step that takes long, such as a build.

    Raises:
        ImageError: it cannot be built or pulled, or the jar inside is of another release.
    """
    if wanted not in RELEASES:
        return _foreign(client, wanted, say)
    suite, jre = RELEASES[wanted]
    name, content = _name(wanted, "server", suite, jre)
    if (image := _find(client, name)) is not None:
        return image
    image = _build(client, name, content, target="server", suite=suite, jre=jre, say=say)
    found = _release_of(client, image)
    if found != wanted:
        client.images.remove(name, force=True)
        raise ImageError(
            f"image for ZooKeeper {wanted}: expected {wanted} from Debian {suite}, got {found}; "
            f"name a release that Debian ships, or an `image:`"
        )
    return image


def sandbox(client: docker.DockerClient, say: Say) -> Image:
    """Return the image of the sandbox, the part of a pod that outlives the server."""
    suite, jre = RELEASES[DEFAULT_RELEASE]
    name, content = _name("sandbox", "sandbox", suite, jre)
    return _find(client, name) or _build(
        client, name, content, target="sandbox", suite=suite, jre=jre, say=say
    )


def _find(client: docker.DockerClient, name: str) -> Image | None:
    try:
        return client.images.get(name)
    except ImageNotFound:
        return None


def _build(
    client: docker.DockerClient,
    name: str,
    content: str,
    *,
    target: str,
    suite: str,
    jre: str,
    say: Say,
) -> Image:
    base = _base(client, suite, say)
    say(f"building {name} on Debian {suite}")
    try:
        image, _ = client.images.build(
            fileobj=_context(),
            custom_context=True,
            target=target,
            tag=name,
            buildargs={"BASE": base, "JRE": jre},
            labels={CONTENT_LABEL: content},
            rm=True,
            forcerm=True,
        )
    except BuildError as error:
        tail = "".join(str(line.get("stream", "")) for line in error.build_log)[-2000:]
        raise ImageError(f"image {name}: {error}; the build's last lines:\n{tail}") from error
    except DockerException as error:
        raise ImageError(f"image {name}: {error}") from error
    return image


def _name(tag: str, target: str, *words: str) -> tuple[str, str]:
    """Name an image by all that decides what it holds, so that a changed Dockerfile rebuilds."""
    digest = hashlib.sha256("\0".join((target, *words)).encode())
    for name in _PARTS[target]:
        digest.update((_HERE / name).read_bytes())
    content = digest.hexdigest()[:12]
    return f"{REPOSITORY}:{tag}-{content}", content


def _context() -> io.BytesIO:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name in sorted({part for parts in _PARTS.values() for part in parts}):
            tar.add(_HERE / name, arcname=name.removeprefix("../"))
    packed.seek(0)
    return packed


def _base(client: docker.DockerClient, suite: str, say: Say) -> str:
    """Return the name of a bare Debian: one that is there, or pulled, or made from the archive."""
    own, public = f"{REPOSITORY}-base:{suite}", f"debian:{suite}-slim"
    for name in (own, public):
        if _find(client, name) is not None:
            return name
    try:
        client.images.pull("debian", f"{suite}-slim")
    except DockerException:
        _bootstrap(client, suite, own, say)  # no registry answers: Debian's archive is enough
        return own
    return public


def _bootstrap(client: docker.DockerClient, suite: str, name: str, say: Say) -> None:
    tool = _mmdebstrap(say)
    say(f"making a bare Debian {suite} from Debian's archive")
    with tempfile.TemporaryDirectory(prefix="zkmq-base-") as folder:
        archive = Path(folder) / "base.tar"
        command = [tool, "--variant=minbase", "--quiet"]
        command += ['--aptopt=Acquire::Check-Valid-Until "false"', suite, str(archive)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ImageError(f"mmdebstrap {suite}: exit {done.returncode}: {done.stderr[-1000:]}")
        repository, _, tag = name.partition(":")
        client.api.import_image_from_file(str(archive), repository=repository, tag=tag)


def _mmdebstrap(say: Say) -> str:
    if (tool := shutil.which("mmdebstrap")) is not None:
        return tool
    if os.geteuid() == 0 and shutil.which("apt-get"):
        say("installing mmdebstrap")
        for words in (["update"], ["install", "-y", "--no-install-recommends", "mmdebstrap"]):
            subprocess.run(["apt-get", *words], capture_output=True, check=False)
    if (tool := shutil.which("mmdebstrap")) is None:
        raise ImageError(
            "base image: expected a registry that answers or the tool mmdebstrap, got neither; "
            "install mmdebstrap"
        )
    return tool


def _release_of(client: docker.DockerClient, image: Image) -> str:
    """Read the release from the server's own jar."""
    main = "org.apache.zookeeper.version.VersionInfoMain"
    lib = "/usr/share/zookeeper/lib"
    try:
        told = client.containers.run(
            image,
            ["-cp", f"{lib}/zookeeper.jar:{lib}/zookeeper-jute.jar", main],
            entrypoint="java",
            network_mode="none",
            remove=True,
        )
    except DockerException as error:
        raise ImageError(f"image {image.tags}: could not read the release: {error}") from error
    release = re.search(rb"version (\d+\.\d+\.\d+)", told)
    return release[1].decode() if release else repr(told)


def _foreign(client: docker.DockerClient, reference: str, say: Say) -> Image:
    try:
        return client.images.get(reference)
    except ImageNotFound:
        say(f"pulling {reference}")
    except DockerException as error:
        raise ImageError(f"image {reference!r}: {error}") from error
    try:
        return client.images.pull(reference)
    except DockerException as error:
        known = ", ".join(RELEASES)
        raise ImageError(
            f"image {reference!r}: expected one of {known}, or an image that is here or can be "
            f"pulled, got {error}"
        ) from error
