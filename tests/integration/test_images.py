"""Where the servers' images come from, each source on a real engine, and what works on each."""

import io
import os
import socket
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import docker
import pytest

from cluster import lending
from cluster.cluster_errors import ImageError
from cluster.engine import engine
from cluster.engine.containers import download
from cluster.quorum import DockerQuorum
from cluster.software import building, debian, image, server_image
from cluster.software import docker_registry as registry
from cluster.software.server_image import ServerImage
from harness.common.harness_errors import UnmetError
from harness.common.settings.quorum_config import DEFAULT_RELEASE, OwnBuild, QuorumConfig
from harness.faults.clocks import ClockJump
from harness.faults.disk_full import DiskFull
from harness.faults.rolling import RollingUpgrade
from harness.faults.servers import Pause
from harness.faults.voters import RemoveVoter, Replace
from harness.target import System
from harness.workers.running_clients import NoClients
from worlds.outside import PATIENT_S, in_mode
from worlds.registry import official
from worlds.registry.registry import Shelf, serving

pytestmark = pytest.mark.docker
READY_WITHIN_S = 90.0
TESTS_OWN = "zkmq-test-images"  # names of the tests' images: the others are here already


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    """Give the engine; what was pulled and settled in the module is removed, and no volume left."""
    with closing(engine.ensure()) as known:
        before = anonymous(known)
        yield known
        assert not anonymous(known) - before
        for found in known.images.list():
            for name in found.tags:  # by name: another name of the same image stays
                if name.startswith(("127.0.0.1:", TESTS_OWN)):
                    known.images.remove(name)


def anonymous(client: docker.DockerClient) -> set[str]:
    """Return the volumes that an image declares, as the official one does; ours have labels."""
    return {volume.name for volume in client.volumes.list() if not volume.attrs["Labels"]}


@pytest.fixture(scope="module")
def of_debian(client: docker.DockerClient) -> ServerImage:
    """Give the default server as Debian ships it; all others are made of it."""
    return image.server(client, QuorumConfig(), print)


@pytest.fixture(scope="module")
def shelf(
    client: docker.DockerClient, of_debian: ServerImage, tmp_path_factory: pytest.TempPathFactory
) -> Shelf:
    """Give a registry's shelf with an image like the official one."""
    tag, shelf = f"{TESTS_OWN}:official", Shelf()
    official.make(client, of_debian.id, tag)
    shelf.put(client, tag, f"zookeeper:{DEFAULT_RELEASE}", tmp_path_factory.mktemp("shelf"))
    return shelf


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be built or pulled yet, and no registry answer."""
    monkeypatch.setattr(image, "REPOSITORY", TESTS_OWN)
    monkeypatch.setenv(registry.MIRROR_VARIABLE, "127.0.0.1:1")
    monkeypatch.setattr(registry, "ANSWER_WITHIN_S", PATIENT_S)


@pytest.fixture
def mirror(shelf: Shelf, elsewhere: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Give the address of a registry that answers."""
    with serving(shelf) as address:
        monkeypatch.setenv(registry.MIRROR_VARIABLE, address)
        yield address


@contextmanager
def quorum_of(config: QuorumConfig) -> Iterator[DockerQuorum]:
    """Lend a quorum that serves."""
    with lending.started(config, by_hand=False, say=print) as up:
        up.wait_ready(within_s=READY_WITHIN_S)
        yield up


def test_the_official_image_is_pulled_by_its_digest(
    client: docker.DockerClient, shelf: Shelf, mirror: str
) -> None:
    """The registry's digest names what is pulled; the next call asks no registry."""
    said: list[str] = []
    found = image.server(client, QuorumConfig(), said.append)
    digest = next(name for name in shelf.manifests if "sha256:" in name).partition(":")[2]
    assert found.origin == f"{mirror}/zookeeper@{digest}"
    assert (found.release, found.classpath) == (DEFAULT_RELEASE, f"{official.LIB}/*")
    assert said == [f"pulling {mirror}/zookeeper@{digest}"]
    asked = len(shelf.asked)
    assert image.server(client, QuorumConfig(), said.append) == found
    assert said[-1] == f"ZooKeeper {DEFAULT_RELEASE}: from {found.origin}, here already"
    assert len(shelf.asked) == asked


def test_every_fault_works_on_the_official_image(mirror: str, tmp_path: Path) -> None:
    """Voters, replaced members, clocks, full disks, logs: nothing needs Debian's layout."""
    config = QuorumConfig(nodes=3, faketime=True, data_mb=64, reconfig=True)
    with quorum_of(config) as up:
        versions = up.versions()
        assert all(origin.startswith(mirror) for origin in versions["origins"].values())
        system = System(quorum=up, clients=NoClients())
        for fault in (RemoveVoter(), Replace(), ClockJump(offset_s=3600), DiskFull(), Pause()):
            node = in_mode(up, "follower").node
            evidence = fault.inject(system, [node])
            assert fault.bit(evidence), (fault, evidence)
            fault.heal(system, [node])
            up.wait_ready(within_s=READY_WITHIN_S)
        assert all(b"QuorumPeer" in log for _, log in up.logs())
        assert not [tree.error for tree in up.trees("/") if tree.error]
        assert not [ends.error for ends in up.session_ends() if ends.error]
        own = OwnBuild(tarball=str(tarball(up, tmp_path)))
        upgrade = RollingUpgrade(to=own)
        evidence = upgrade.inject(system, [1, 2, 3])
        assert upgrade.bit(evidence), evidence
        assert all("bin.tar.gz" in origin for origin in up.versions()["origins"].values())


def tarball(up: DockerQuorum, folder: Path) -> Path:
    """Make a binary distribution of the jars that a server runs from."""
    path = folder / "apache-zookeeper-9.9.9-bin.tar.gz"
    pod = next(iter(up.nodes.values()))
    classpath = pod.server.labels[server_image.CLASSPATH]
    with (
        download(pod.server, classpath.removesuffix("/*")) as archive,
        tarfile.open(fileobj=archive) as jars,
        tarfile.open(path, "w:gz", compresslevel=1) as packed,
    ):
        for entry in jars:
            if entry.isfile():
                content = jars.extractfile(entry)
                entry.name = f"apache-zookeeper-9.9.9-bin/{entry.name}"
                packed.addfile(entry, content)
        readme = tarfile.TarInfo("apache-zookeeper-9.9.9-bin/README.md")
        packed.addfile(readme, io.BytesIO(b""))
    return path


@pytest.mark.usefixtures("elsewhere")
def test_a_silent_registry_is_left_in_time(
    client: docker.DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A registry that takes connections and never answers is given up, and the reason is told."""
    monkeypatch.setattr(registry, "ANSWER_WITHIN_S", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv(registry.MIRROR_VARIABLE, address)
        with pytest.raises(ImageError, match="no registry answered within 1 s"):
            registry.pull(client, registry.reference("zookeeper", DEFAULT_RELEASE), print)


def test_a_registry_without_the_release_is_told(client: docker.DockerClient, mirror: str) -> None:
    """What a registry says of an image that it does not have is passed on in a few words."""
    with pytest.raises(ImageError, match="not to be had from a registry: manifest unknown"):
        registry.pull(client, f"{mirror}/zookeeper:1.2.3", print)


def test_a_registry_that_breaks_off_leaves_nothing(
    client: docker.DockerClient, elsewhere: None, tmp_path: Path
) -> None:
    """A pull that lacks a layer is an error, and no half image is taken for a whole one."""
    tag, shelf = f"{TESTS_OWN}:scratch", Shelf()
    files = {"Dockerfile": b"FROM scratch\nCOPY noise /\n", "noise": os.urandom(1000)}
    building.build(client, files, what=tag, say=print, tag=tag)
    shelf.put(client, tag, "zookeeper:1.2.3", tmp_path)
    client.images.remove(tag)
    shelf.blobs = {digest: path for digest, path in shelf.blobs.items() if path.suffix == ".json"}
    with serving(shelf) as address:
        with pytest.raises(ImageError, match=r"the registry broke off: .*unknown"):
            registry.pull(client, f"{address}/zookeeper:1.2.3", print)
        assert not client.images.list(f"{address}/zookeeper")


@pytest.mark.usefixtures("elsewhere")
def test_an_archive_that_has_moved_is_taken_and_told(
    client: docker.DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another release than pinned is taken where any will do, and built once."""
    monkeypatch.setattr(debian, "RELEASES", {**debian.RELEASES, "3.9.6": debian.RELEASES["3.9.3"]})
    for built in (True, False):
        said: list[str] = []
        found = image.server(client, QuorumConfig(), said.append)
        assert found.release == "3.9.3"
        assert said[-1] == (
            "Debian trixie ships ZooKeeper 3.9.3 in place of 3.9.6; the servers are 3.9.3"
        )
        assert ("building ZooKeeper from Debian trixie's archive" in said) == built


@pytest.mark.usefixtures("elsewhere")
def test_a_quorum_that_names_its_release_gets_no_other(
    client: docker.DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What needs exactly a release that is not to be had is skipped, with the reason."""
    monkeypatch.setattr(debian, "RELEASES", {**debian.RELEASES, "3.9.6": debian.RELEASES["3.9.3"]})
    why = "requires ZooKeeper 3.9.6: Debian trixie ships ZooKeeper 3.9.3 in place of 3.9.6"
    for _ in range(2):
        with pytest.raises(UnmetError, match=why):
            image.server(client, QuorumConfig(zookeeper="3.9.6"), print)


@pytest.mark.usefixtures("elsewhere")
def test_an_image_without_zookeeper_is_refused(client: docker.DockerClient) -> None:
    """An image of something else is an error that says what was looked for."""
    other = image.sandbox_name()
    debian.sandbox(client, other, print)
    with pytest.raises(ImageError, match="expected java and ZooKeeper's jars below /, got none"):
        image.server(client, QuorumConfig(image=other), print)
