"""Images from Debian's archive: a server from its packages, and the sandbox."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import docker
from docker.errors import DockerException
from docker.models.images import Image

from cluster.cluster_errors import ImageError
from cluster.software import building
from cluster.software import docker_registry as registry
from cluster.software.building import HERE, Say, build, find, reason

BASES = "zkmq-base"
# release -> (the Debian suite that shipped it when this was written, the JRE of that suite)
RELEASES: Mapping[str, tuple[str, str]] = {
    "3.9.6": ("forky", "openjdk-21-jre-headless"),
    "3.9.3": ("trixie", "openjdk-21-jre-headless"),
    "3.8.0": ("bookworm", "openjdk-17-jre-headless"),
}
# The oldest suite: libfaketime is lent to servers of any image, whose libc must not be older.
SANDBOX_SUITE = "bookworm"
# Sources of what servers load, and of what sandboxes run.
_COMPILED = tuple(HERE.parent / name for name in ("disk_shim", "failpoints", "late_links"))
_FILES = {
    "server": ("server.Dockerfile", "server.sh", "archive.sh", "log4j.properties", "logback.xml"),
    "sandbox": ("sandbox.Dockerfile", "sandbox.sh"),
}


def server(client: docker.DockerClient, release: str, say: Say) -> Image:
    """Build a server from the suite that ships a release, or shipped it once.

    Raises:
        ImageError: the archive does not answer, or no longer has these packages.
    """
    suite, jre = RELEASES[release]
    return _build(client, f"ZooKeeper from Debian {suite}", suite, say, part="server", JRE=jre)


def sandbox(client: docker.DockerClient, name: str, say: Say) -> Image:
    """Build the sandbox, the part of a pod that outlives the server, under this name."""
    what = f"the sandbox from Debian {SANDBOX_SUITE}"
    return _build(client, what, SANDBOX_SUITE, say, part="sandbox", tag=name)


def fingerprint(part: str) -> str:
    """Return a hash of the files that decide what is in the image of a part."""
    return building.fingerprint(_context(part))


def _context(part: str) -> dict[str, bytes]:
    """Return the files of a build by path."""
    files = {name: (HERE / name).read_bytes() for name in _FILES[part]}
    files["Dockerfile"] = files.pop(f"{part}.Dockerfile")
    if part == "sandbox":
        sources = (file for folder in _COMPILED for file in folder.iterdir() if file.is_file())
        files |= {f"{file.parent.name}/{file.name}": file.read_bytes() for file in sources}
    return files


def _build(
    client: docker.DockerClient,
    what: str,
    suite: str,
    say: Say,
    *,
    part: str,
    tag: str | None = None,
    **buildargs: str,
) -> Image:
    base = _base(client, suite, say)
    say(f"building {what}'s archive")
    return build(
        client,
        _context(part),
        what=what,
        say=say,
        tag=tag,
        buildargs={"BASE": base, **buildargs},
    )


def _base(client: docker.DockerClient, suite: str, say: Say) -> str:
    """Return the name of a bare Debian: one that is there, or pulled, or made from the archive."""
    own, public = f"{BASES}:{suite}", registry.reference("debian", f"{suite}-slim")
    for name in (own, public):
        if find(client, name) is not None:
            return name
    try:
        return str(registry.pull(client, public, say).id)
    except ImageError as error:
        say(f"{public}: {error}")
        _bootstrap(client, suite, own, say)
        return own


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
        try:
            client.api.import_image_from_file(str(archive), repository=repository, tag=tag)
        except DockerException as error:
            raise ImageError(f"image {name}: {reason(error)}") from error


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
