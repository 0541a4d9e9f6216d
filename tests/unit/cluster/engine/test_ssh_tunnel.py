"""Tunnels to engines, by a program `ssh` that only pretends."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster.cluster_errors import EngineError
from cluster.engine import ssh_tunnel

# Listens as ssh does for -L, until its standard input ends; with -G it resolves a name.
LISTENS = """
import socket, sys
if "-G" in sys.argv:
    sys.exit(print("user me\\nhostname 192.0.2.7"))
open(sys.argv[0] + ".said", "a").write(" ".join(sys.argv[1:]) + "\\n")
with socket.socket(socket.AF_UNIX) as listener:
    listener.bind(sys.argv[sys.argv.index("-L") + 1].partition(":")[0])
    sys.stdin.read()
"""


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Path]]:
    """Give a function that makes a program of Python the only `ssh`; closes what it opened."""
    monkeypatch.setattr(ssh_tunnel, "_open", opened := {})

    def install(program: str) -> Path:
        path = tmp_path / "ssh"
        path.write_text(f"#!{sys.executable}\n{program}")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        return path

    yield install
    for tunnel in opened.values():
        ssh_tunnel._close(tunnel.process)


def test_one_tunnel_serves_all_and_is_opened_again(ssh: Callable[[str], Path]) -> None:
    """The same socket leads there after `ssh` has died."""
    program = ssh(LISTENS)
    first = ssh_tunnel.to("ssh://me@box:2222/run/x.sock")
    assert ssh_tunnel.to("ssh://me@box:2222/run/x.sock") is first
    assert (first.host, first.socket.is_socket()) == ("192.0.2.7", True)
    said = program.with_suffix(".said").read_text()
    assert f"-L {first.socket}:/run/x.sock -p 2222 me@box cat" in said
    assert "BatchMode=yes" in said
    first.process.kill()
    first.process.wait()
    second = ssh_tunnel.to("ssh://me@box:2222/run/x.sock")
    assert (second.socket, second.process.poll()) == (first.socket, None)


def test_a_tunnel_ends_with_its_process(ssh: Callable[[str], Path]) -> None:
    """Also with one that is killed: all that keeps it is the end of a pipe."""
    ssh(LISTENS)
    tunnel = ssh_tunnel.to("ssh://box")
    assert tunnel.process.stdin is not None
    tunnel.process.stdin.close()
    assert tunnel.process.wait(60) == 0


def test_a_tunnel_is_ended_with_what_goes_through_it(ssh: Callable[[str], Path]) -> None:
    """An engine that is given up leaves no program; one that has no tunnel is fine."""
    ssh(LISTENS)
    tunnel = ssh_tunnel.to("ssh://box")
    ssh_tunnel.end("ssh://box")
    ssh_tunnel.end("ssh://other")
    assert tunnel.process.poll() is not None


def test_what_ssh_says_is_told(ssh: Callable[[str], Path]) -> None:
    """Its last line, and what has to work."""
    ssh("import sys; sys.exit('Warning: new key\\nme@box: Permission denied (publickey).')")
    with pytest.raises(
        EngineError, match=r"me@box: me@box: Permission denied .*without a password"
    ):
        ssh_tunnel.to("ssh://me@box")


@pytest.mark.parametrize(
    "url", ["ssh://", "ssh:///run/docker.sock", "ssh://-oProxyCommand=x", "ssh://-v@x"]
)
def test_an_address_that_is_none_starts_nothing(ssh: Callable[[str], Path], url: str) -> None:
    """Least of all with an option of ssh in place of a name."""
    program = ssh(LISTENS)
    with pytest.raises(EngineError, match="expected ssh://"):
        ssh_tunnel.to(url)
    assert not program.with_suffix(".said").exists()


def test_a_machine_without_ssh_says_so(
    ssh: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program is needed only for such an engine."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match="expected the program ssh, found none"):
        ssh_tunnel.to("ssh://box")
