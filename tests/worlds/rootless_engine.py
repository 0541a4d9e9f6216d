"""A machine with a rootless Docker engine, for tests: Debian's, started by a user without root.

The machine is a container on this machine's network, so that the ports that the engine publishes
are ports of loopback here. It may make namespaces, which an ordinary machine may too, and the user
in it has no more rights than on any other. The engine's socket is in a folder of this machine.
"""

import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from docker.models.containers import Container
from docker.types import Mount

from cluster.engine import docker_endpoint as endpoint
from cluster.engine import engine
from cluster.engine.containers import pack
from harness.common.polling import wait_until
from worlds import debian
from worlds.command_line import ROOT

STARTS_WITHIN_S = 60.0
PACKAGES = ("docker.io", "iptables", "iproute2", "uidmap", "rootlesskit", "slirp4netns", "python3")
PYTHON = (3, 11)  # bookworm's
UID = 4711
HOME, RUNTIME = "/home/tester", "/run/rootless"
DATA = f"{HOME}/.local/share/docker"
# As root: a container hides parts of /proc and /sys, and then the kernel lets no user mount those
# again; a login makes the folders; udev opens that device to all. As the user: Debian's script.
START = f"""
set -e
awk '$2 ~ "^/proc/." || $2 == "/sys/firmware" {{ print $2 }}' /proc/mounts | xargs umount
useradd --uid {UID} --home-dir {HOME} tester
chown tester: {HOME} {HOME}/.local {HOME}/.local/share {DATA} {RUNTIME}
chmod 666 /dev/net/tun
exec setpriv --reuid {UID} --regid {UID} --clear-groups --inh-caps=-all \
    env HOME={HOME} XDG_RUNTIME_DIR={RUNTIME} sh /usr/share/docker.io/contrib/dockerd-rootless.sh
"""


def why_not() -> str | None:
    """Return why this machine cannot have such an engine; None if it can."""
    if endpoint.find().socket_path is None:
        return "needs an engine with a socket on this machine"
    if sys.version_info[:2] != PYTHON:
        return "needs the Python that bookworm has, for the packages of this one"
    if not Path("/dev/net/tun").exists():
        return "needs /dev/net/tun"
    for setting, refused in (
        ("user/max_user_namespaces", "0"),
        ("kernel/unprivileged_userns_clone", "0"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1"),
    ):
        told = Path("/proc/sys", setting)
        if told.exists() and told.read_text().strip() == refused:
            return f"this kernel keeps user namespaces from users: {setting} is {refused}"
    return None


class RootlessEngine:
    """It, with the user's command line on it."""

    def __init__(self, machine: Container, folder: Path) -> None:
        self._machine, self._folder = machine, folder

    @property
    def url(self) -> str:
        """Where it listens, on this machine."""
        return f"unix://{self._folder}/docker.sock"

    def harness(self, *words: str) -> tuple[int, str]:
        """Run the command line as the user, with nothing that says where an engine is."""
        packages = sysconfig.get_path("purelib")
        status, output = self._machine.exec_run(
            ["python3", "-B", "-m", "harness.commands.harness_command", *words],
            user=f"{UID}:{UID}",
            workdir=HOME,
            environment={
                "HOME": HOME,
                "XDG_RUNTIME_DIR": RUNTIME,
                "PYTHONPATH": f"{ROOT}:{packages}",
            },
        )
        return int(status), output.decode(errors="replace")

    def write(self, path: str, text: str) -> None:
        """Give the user a file."""
        self._machine.put_archive(HOME, pack({path: text}))

    def read(self, path: str) -> str:
        """Return a file of the user's."""
        status, output = self._machine.exec_run(["cat", f"{HOME}/{path}"])
        assert status == 0, output
        return str(output.decode())

    def load(self, images: Sequence[str]) -> None:
        """Give it these images of the machine's own engine."""
        with closing(engine.connect()) as source, closing(engine.connect(self.url)) as target:
            for name in images:
                chunks = source.images.get(name).save(named=name)
                target.images.load(chunks)  # type: ignore[arg-type]

    def answers(self) -> bool:
        """Tell whether it does."""
        try:
            engine.connect(self.url).close()
        except engine.EngineError:
            return False
        return True


@contextmanager
def started() -> Iterator[RootlessEngine]:
    """Lend one without images; what it had, its user and its folders end with it."""
    folder = Path(tempfile.mkdtemp(prefix="zkmq-rootless-"))
    shown = [(str(ROOT), str(ROOT)), *[(sysconfig.get_path("purelib"),) * 2]]
    mounts = [Mount(inside, outside, "bind", read_only=True) for inside, outside in shown]
    mounts += [Mount(RUNTIME, str(folder), "bind"), Mount(DATA, None, "volume")]
    try:
        with (
            closing(engine.connect()) as client,
            debian.container(
                client,
                *PACKAGES,
                files={"start.sh": START},
                command=["sh", "/start.sh"],
                network_mode="host",
                cap_add=["SYS_ADMIN", "NET_ADMIN"],
                security_opt=["seccomp=unconfined", "apparmor=unconfined"],
                devices=["/dev/net/tun"],
                mounts=mounts,
            ) as machine,
        ):
            machine.start()
            found = RootlessEngine(machine, folder)
            wait_until(found.answers, within_s=STARTS_WITHIN_S, every_s=0.5)
            assert found.answers(), machine.logs(tail=40).decode()
            yield found
    finally:
        shutil.rmtree(folder)
