"""An engine over ssh: its socket, forwarded to one on this machine by the user's own `ssh`.

docker's Python client would need paramiko, and a `docker` on the other machine.
"""

import atexit
import re
import shutil
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from docker.constants import DEFAULT_UNIX_SOCKET

from cluster.cluster_errors import EngineError
from harness.common.polling import wait_until

OPENS_WITHIN_S = 20.0  # logging in takes several round trips
ENDS_WITHIN_S = 2.0
POLL_S = 0.02
_OPTIONS = {
    "BatchMode": "yes",  # a password cannot be asked for
    "ExitOnForwardFailure": "yes",
    "ServerAliveInterval": "5",
    "ServerAliveCountMax": "3",
    "StreamLocalBindUnlink": "yes",
}
_lock = threading.Lock()
_open: dict[str, "Tunnel"] = {}


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A socket here that leads to an engine's.

    Attributes:
        socket: its path.
        host: the engine's machine, as `ssh` resolves the name.
        process: the `ssh` that carries it. It ends when its standard input does, and so also when
            this process is killed.
    """

    socket: Path
    host: str
    process: "subprocess.Popen[bytes]"


def to(url: str) -> Tunnel:
    """Return the tunnel to `ssh://[USER@]HOST[:PORT][/SOCKET]`, which is opened at first use.

    Raises:
        EngineError: it cannot be opened; says what `ssh` said.
    """
    with _lock:
        tunnel = _open.get(url)
        if tunnel is None or tunnel.process.poll() is not None:
            folder = tunnel.socket.parent if tunnel else _folder()
            tunnel = _open[url] = _opened(url, folder)
        return tunnel


def end(url: str) -> None:
    """End the tunnel to an engine, and with it all requests that go through it."""
    with _lock:
        tunnel = _open.get(url)
    if tunnel is not None:
        _close(tunnel.process)


def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="zkmq-ssh-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _opened(url: str, folder: Path) -> Tunnel:
    told = urlsplit(url)
    if not told.hostname or _destination(told)[-1].startswith("-"):  # an option for ssh
        raise EngineError(f"Docker engine: expected ssh://[USER@]HOST[:PORT][/SOCKET], got {url}")
    if shutil.which("ssh") is None:
        raise EngineError(f"Docker engine at {url}: expected the program ssh, found none")
    local, far = folder / "docker.sock", _far_socket(told)
    local.unlink(missing_ok=True)
    log = folder / "ssh.log"
    options = [word for name, value in _OPTIONS.items() for word in ("-o", f"{name}={value}")]
    with log.open("wb") as says:
        process = subprocess.Popen(
            ["ssh", *options, "-L", f"{local}:{far}", *_destination(told), "cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=says,
            process_group=0,  # Ctrl-C is for the harness, which still has to clean up
        )
    atexit.register(_close, process)
    wait_until(
        lambda: local.exists() or process.poll() is not None,
        within_s=OPENS_WITHIN_S,
        every_s=POLL_S,
    )
    if process.poll() is not None or not local.exists():
        _close(process)
        raise EngineError(
            f"Docker engine at {url}: {_last_line(log)}; `ssh {' '.join(_destination(told))}` has "
            f"to work without a password, and its user has to be allowed to use {far}"
        )
    return Tunnel(local, _host(told), process)


def _far_socket(told: SplitResult) -> str:
    return told.path if told.path.strip("/") else DEFAULT_UNIX_SOCKET.removeprefix("http+unix://")


def _destination(told: SplitResult) -> list[str]:
    port = [] if told.port is None else ["-p", str(told.port)]
    user = "" if told.username is None else f"{told.username}@"
    return [*port, f"{user}{told.hostname}"]


def _host(told: SplitResult) -> str:
    """Return the machine's name, which may be an alias of the user's ssh_config."""
    command = ["ssh", "-G", *_destination(told)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"^hostname (\S+)$", done.stdout, re.MULTILINE)
    return found[1] if found else str(told.hostname)


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"ssh opened no way to it within {OPENS_WITHIN_S:g} s"


def _close(process: "subprocess.Popen[bytes]") -> None:
    if process.stdin is not None:
        process.stdin.close()
    process.terminate()
    try:
        process.wait(ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
