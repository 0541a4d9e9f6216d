"""A ZooKeeper that the user brings: a binary distribution or a folder of jars, made an image."""

import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import docker
from docker.models.images import Image

from cluster.software.building import HERE, build
from harness.common.harness_errors import ScenarioError
from harness.common.settings.quorum_config import OwnBuild

MAX_BYTES = 1 << 30  # of all jars together; a distribution has 25 MB
MAX_ENTRIES = 100_000  # of a tarball
CHUNK = 1 << 20
SERVER = "org/apache/zookeeper/server/quorum/QuorumPeerMain.class"
FOLDER = "/own"
_NOT_RUN = ("-tests.jar", "-sources.jar", "-javadoc.jar")


def context(build: OwnBuild) -> dict[str, bytes]:
    """Return the files of the image's build, by path.

    Raises:
        ScenarioError: it is no ZooKeeper; says what was expected and what is there.
    """
    if build.tarball is not None:
        key, path = "tarball", Path(build.tarball).expanduser()
        jars = _of_tarball(path)
    else:
        key, path = "jars", Path(str(build.jars)).expanduser()
        jars = _of_folder(path)
    if not any(_has_server(content) for content in jars.values()):
        raise ScenarioError(
            f"cluster.zookeeper.{key}: expected a jar with ZooKeeper's server in {path}, got "
            f"{_counted(jars)} without it"
        )
    ours = {
        name: (HERE / name).read_bytes()
        for name in ("server.sh", "log4j.properties", "logback.xml")
    }
    dockerfile = (HERE / "own.Dockerfile").read_bytes()
    return {"Dockerfile": dockerfile, **ours, **{f"lib/{n}": jar for n, jar in jars.items()}}


def build_on(
    client: docker.DockerClient, base: str, files: Mapping[str, bytes], what: str
) -> Image:
    """Build an image of these files on the Java of another server image.

    Raises:
        ImageError: it cannot be built.
    """
    return build(client, files, what=what, say=lambda _: None, buildargs={"BASE": base})


def _of_tarball(path: Path) -> dict[str, bytes]:
    """Read the jars from the folders called `lib` of a distribution."""
    where = f"cluster.zookeeper.tarball: {path}"
    try:
        with tarfile.open(path) as tar:
            jars = dict(_jars_in(tar, where))
            rest: Any = tar.fileobj
            while rest.read(CHUNK):
                pass  # to its end, where a compressed file has its checksum
            return jars
    except OSError as error:
        raise ScenarioError(
            f"{where}: expected a file that can be read, got: {error.strerror or error}"
        ) from error
    except (tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, ValueError) as error:
        raise ScenarioError(
            f"{where}: expected a whole tar archive such as apache-zookeeper-3.9.6-bin.tar.gz, "
            f"got: {error}"
        ) from error


def _jars_in(tar: tarfile.TarFile, where: str) -> Iterator[tuple[str, bytes]]:
    size = 0
    for number, entry in enumerate(tar):
        parts = entry.name.split("/")
        wanted = entry.isfile() and parts[-2:-1] == ["lib"] and _runs(parts[-1])
        size += entry.size if wanted else 0
        if size > MAX_BYTES or number > MAX_ENTRIES:
            raise ScenarioError(
                f"{where}: expected at most {MAX_ENTRIES} files and {MAX_BYTES >> 20} MB of jars, "
                f"got more"
            )
        if wanted and (file := tar.extractfile(entry)) is not None:
            yield parts[-1], file.read()


def _of_folder(path: Path) -> dict[str, bytes]:
    """Read the jars of a folder, and of the folder `lib` in it, as Maven leaves them."""
    where = f"cluster.zookeeper.jars: {path}"
    if not path.is_dir():
        raise ScenarioError(f"{where}: expected a folder of jars, got no folder")
    found = [jar for jar in (*path.glob("*.jar"), *path.glob("lib/*.jar")) if _runs(jar.name)]
    try:
        if (size := sum(jar.stat().st_size for jar in found)) > MAX_BYTES:
            raise ScenarioError(
                f"{where}: expected at most {MAX_BYTES >> 20} MB of jars, got {size >> 20} MB"
            )
        return {jar.name: jar.read_bytes() for jar in found}
    except OSError as error:
        raise ScenarioError(f"{where}: expected jars that can be read, got: {error}") from error


def _runs(name: str) -> bool:
    return name.endswith(".jar") and not name.endswith(_NOT_RUN)


def _has_server(jar: bytes) -> bool:
    try:
        with zipfile.ZipFile(BytesIO(jar)) as content:
            return SERVER in content.namelist()
    except zipfile.BadZipFile:
        return False


def _counted(jars: Mapping[str, bytes]) -> str:
    return f"{len(jars)} jars" if jars else "no jar in a folder `lib`"
