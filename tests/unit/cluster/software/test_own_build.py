"""The user's own build: what is taken of it, and what is refused and why."""

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from cluster.software import building, own_build
from harness.common.harness_errors import ScenarioError
from harness.common.settings.quorum_config import OwnBuild


def jar(*names: str) -> bytes:
    """Return a jar with these files in it."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as content:
        for name in names:
            content.writestr(name, b"")
    return packed.getvalue()


SERVER = jar(own_build.SERVER)
OTHER = jar("org/slf4j/Logger.class")


def tarball(path: Path, files: dict[str, bytes]) -> str:
    """Write a compressed tarball."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return str(path)


def jars(build: OwnBuild) -> set[str]:
    """Return the jars that get into the image."""
    return {name for name in own_build.context(build) if name.endswith(".jar")}


def test_a_distribution_gives_the_jars_of_its_lib(tmp_path: Path) -> None:
    """Of a binary distribution the jars in `lib` are taken, whatever else is in it."""
    files = {
        "apache-zookeeper-9.9.9-bin/lib/zookeeper-9.9.9.jar": SERVER,
        "apache-zookeeper-9.9.9-bin/lib/slf4j.jar": OTHER,
        "apache-zookeeper-9.9.9-bin/lib/NOTICE.txt": b"",
        "apache-zookeeper-9.9.9-bin/docs/sample.jar": OTHER,
        "../../lib/evil.jar": OTHER,  # its folders are not kept
    }
    built = OwnBuild(tarball=tarball(tmp_path / "zk.tar.gz", files))
    assert jars(built) == {"lib/zookeeper-9.9.9.jar", "lib/slf4j.jar", "lib/evil.jar"}


def test_a_maven_folder_gives_its_jars(tmp_path: Path) -> None:
    """Of `zookeeper-server/target` the jars and those of its `lib` are taken, without the tests."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "zookeeper-3.10.0-SNAPSHOT.jar").write_bytes(SERVER)
    (tmp_path / "zookeeper-3.10.0-SNAPSHOT-tests.jar").write_bytes(OTHER)
    (tmp_path / "lib" / "slf4j.jar").write_bytes(OTHER)
    built = OwnBuild(jars=str(tmp_path))
    assert jars(built) == {"lib/zookeeper-3.10.0-SNAPSHOT.jar", "lib/slf4j.jar"}


def test_another_jar_is_another_image(tmp_path: Path) -> None:
    """The fingerprint changes with any jar, so that a new build is never taken for the old one."""
    built, seen = OwnBuild(jars=str(tmp_path)), set()
    (tmp_path / "zookeeper.jar").write_bytes(SERVER)
    for extra in (b"", b"1", b"2"):
        (tmp_path / "extra.jar").write_bytes(extra)
        seen.add(building.fingerprint(own_build.context(built)))
    assert len(seen) == 3


def whole(path: Path) -> bytes:
    """Return a good tarball."""
    tarball(path, {"zk/lib/zookeeper.jar": SERVER})
    return path.read_bytes()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param(None, "expected a file that can be read, got: No such file", id="missing"),
        pytest.param(b"", "expected a whole tar archive", id="empty"),
        pytest.param(b"PK\3\4 not a tarball", "expected a whole tar archive", id="garbage"),
        pytest.param(gzip.compress(b"hello"), "expected a whole tar archive", id="no-tar"),
    ],
)
def test_what_is_no_tarball_is_refused(content: bytes | None, told: str, tmp_path: Path) -> None:
    """One sentence names the file and what is wrong with it."""
    path = tmp_path / "zk.tar.gz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ScenarioError, match=told) as error:
        own_build.context(OwnBuild(tarball=str(path)))
    assert str(path) in str(error.value)


def test_a_tarball_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    """A download that ended early is not taken for a smaller distribution, wherever it ended."""
    path = tmp_path / "zk.tar.gz"
    content = whole(path)
    for length in range(20, len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(ScenarioError, match="expected a whole tar archive"):
            own_build.context(OwnBuild(tarball=str(path)))


def test_sources_are_refused(tmp_path: Path) -> None:
    """The source release has no jars: the message says so."""
    path = tarball(tmp_path / "zk.tar.gz", {"apache-zookeeper-3.9.6/pom.xml": b"<project/>"})
    with pytest.raises(ScenarioError, match="got no jar in a folder `lib` without it"):
        own_build.context(OwnBuild(tarball=path))


@pytest.mark.parametrize("content", [OTHER, b"no jar at all"])
def test_jars_without_a_server_are_refused(content: bytes, tmp_path: Path) -> None:
    """A folder of other jars is no ZooKeeper."""
    (tmp_path / "a.jar").write_bytes(content)
    with pytest.raises(ScenarioError, match=r"expected a jar with ZooKeeper's server .* 1 jars"):
        own_build.context(OwnBuild(jars=str(tmp_path)))


def test_too_much_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tarball whose jars unpack to more than the limit is refused."""
    monkeypatch.setattr(own_build, "MAX_BYTES", 100)
    path = tarball(tmp_path / "zk.tar.gz", {"zk/lib/zookeeper.jar": SERVER})
    with pytest.raises(ScenarioError, match="got more"):
        own_build.context(OwnBuild(tarball=path))
    (tmp_path / "zookeeper.jar").write_bytes(SERVER)
    with pytest.raises(ScenarioError, match="MB of jars, got"):
        own_build.context(OwnBuild(jars=str(tmp_path)))
