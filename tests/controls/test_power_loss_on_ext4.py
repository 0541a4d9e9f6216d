"""The shim's model of a power loss beside the kernel's own: ext4 that is shut down in an instant.

A server has its data on ext4, on a loop device. The file system is shut down as by a power loss:
nothing is written any more, not even its journal. What the device holds at that moment is copied,
mounted, and given to another server. It needs root, and an engine on this machine.

Source: EXT4_IOC_SHUTDOWN of ext4, as xfstests' `src/godown.c` uses it.
"""

import fcntl
import os
import shutil
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
import pytest
from docker.models.containers import Container
from kazoo.client import KazooClient

from cluster.config import CLIENT_PORT, environment, files
from cluster.engine import engine, labels
from cluster.engine.containers import UID, pack, remove
from cluster.software import image
from harness.common.settings.quorum_config import QuorumConfig

pytestmark = [pytest.mark.docker, pytest.mark.slow]
ITEMS = 100
DISK_BYTES = 256 << 20
EXT4_IOC_SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32)
NOLOGFLUSH = 2  # as at a power loss: what is only in the journal's memory is lost, too
WITHIN_S = 90.0


def run(*command: str | Path) -> str:
    """Run a command of the system, and return what it prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@contextmanager
def mounted(disk: Path, at: Path) -> Iterator[None]:
    """Mount a disk's image through a loop device."""
    at.mkdir()
    device = run("losetup", "--find", "--show", disk)
    try:
        run("mount", "-o", "noatime", device, at)
        try:
            yield
        finally:
            run("umount", "--lazy", at)
    finally:
        run("losetup", "--detach", device)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """Return an ext4 image, empty, in which the server may write."""
    if os.geteuid() != 0 or not Path("/dev/loop-control").exists():
        pytest.skip("expected root and loop devices, which mounting a disk's image needs")
    disk = tmp_path / "disk"
    with disk.open("wb") as file:
        file.truncate(DISK_BYTES)
    run("mkfs.ext4", "-q", "-F", "-m", "0", "-E", f"root_owner={UID}:{UID}", disk)
    return disk


@contextmanager
def client_of(server: Container) -> Iterator[KazooClient]:
    """Return a connected client of a server that has just been started."""
    server.reload()
    (published,) = server.ports[f"{CLIENT_PORT}/tcp"]
    client = KazooClient(f"127.0.0.1:{published['HostPort']}", timeout=30)
    client.start(timeout=WITHIN_S)
    try:
        yield client
    finally:
        client.stop()
        client.close()


@contextmanager
def serving(at: Path, config: QuorumConfig) -> Iterator[Container]:
    """Run a server with its data in that folder."""
    client = engine.ensure()
    server = created(client, at, config)
    try:
        server.put_archive("/", pack(files(config, {1: "127.0.0.1"})))
        server.start()
        yield server
    finally:
        remove(server)


def created(client: docker.DockerClient, at: Path, config: QuorumConfig) -> Container:
    """Create the server's container."""
    return client.containers.create(
        image.server(client, config, print).id,
        volumes={str(at): {"bind": "/data"}},
        ports={f"{CLIENT_PORT}/tcp": ("127.0.0.1", None)},
        environment=environment(config),
        labels=labels.of_run(f"ext4-{time.monotonic_ns()}", labels.Owner.me(), by_hand=False),
        user=f"{UID}:{UID}",
    )


def cut_power(at: Path) -> None:
    """Shut a file system down in an instant."""
    folder = os.open(at, os.O_RDONLY)
    try:
        fcntl.ioctl(folder, EXT4_IOC_SHUTDOWN, struct.pack("I", NOLOGFLUSH))
    finally:
        os.close(folder)


@pytest.mark.parametrize("force_sync", ["yes", "no"])
def test_the_kernel_takes_back_what_the_shim_does(disk: Path, force_sync: str) -> None:
    """A server that fsyncs has all acknowledged nodes; one that does not has lost some."""
    config = QuorumConfig(nodes=1, zoo_cfg={"forceSync": force_sync})
    survived = disk.with_name("survived")
    with mounted(disk, disk.with_name("before")):
        with serving(disk.with_name("before"), config) as server, client_of(server) as client:
            for number in range(ITEMS):
                client.create(f"/item-{number}")
            cut_power(disk.with_name("before"))
        shutil.copyfile(disk, survived)
    after = disk.with_name("after")
    with mounted(survived, after), serving(after, config) as server, client_of(server) as client:
        left = [name for name in client.get_children("/") if name.startswith("item-")]
    print(f"forceSync={force_sync}: {len(left)} of {ITEMS} acknowledged nodes are left")
    assert len(left) == ITEMS if force_sync == "yes" else len(left) < ITEMS
