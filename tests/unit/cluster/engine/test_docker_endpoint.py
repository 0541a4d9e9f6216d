"""Which engine is meant: by DOCKER_HOST, by a context, or by the sockets that are there."""

import json
import socket
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from cluster.cluster_errors import EngineError
from cluster.engine import docker_endpoint as endpoint
from cluster.engine import ssh_tunnel


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Give a home without any configuration of Docker."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / ".docker"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / ".docker").mkdir()
    return tmp_path


@pytest.fixture
def context(home: Path) -> Callable[[str, str], None]:
    """Give a function that writes a context as `docker context create` does."""

    def write(name: str, host: str) -> None:
        folder = home / ".docker/contexts/meta" / sha256(name.encode()).hexdigest()
        folder.mkdir(parents=True)
        docker = {"Host": host, "SkipTLSVerify": False}
        told = {"Name": name, "Metadata": {}, "Endpoints": {"docker": docker}}
        (folder / "meta.json").write_text(json.dumps(told))

    return write


def use(home: Path, name: str) -> None:
    """Make a context the current one, as `docker context use` does."""
    (home / ".docker/config.json").write_text(json.dumps({"currentContext": name}))


@pytest.mark.parametrize(
    ("told", "means"),
    [
        ("unix:///run/x.sock", ("http+unix:///run/x.sock", None)),
        ("tcp://10.0.0.1:2375", ("http://10.0.0.1:2375", "10.0.0.1")),
        ("tcp://[fd00::1]:2375", ("http://[fd00::1]:2375", "fd00::1")),
    ],
)
def test_docker_host_comes_first(
    told: str,
    means: tuple[str, str | None],
    home: Path,
    context: Callable[[str, str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """DOCKER_HOST wins over the context in use, as it does for `docker`."""
    context("other", "tcp://10.0.0.9:1")
    use(home, "other")
    monkeypatch.setenv("DOCKER_HOST", told)
    found = endpoint.find()
    assert ((found.url, found.host), found.told_by) == (means, "DOCKER_HOST")
    assert str(found) == f"{told} (DOCKER_HOST)"


def test_a_context_in_use_is_followed(home: Path, context: Callable[[str, str], None]) -> None:
    """The context that `docker context use` chose names the engine, and the messages name it."""
    context("desktop", "unix:///home/me/.docker/desktop.sock")
    use(home, "desktop")
    assert endpoint.find().socket_path == "/home/me/.docker/desktop.sock"
    assert "context desktop" in str(endpoint.find())


def test_the_variable_names_another_context(
    home: Path, context: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """DOCKER_CONTEXT wins over the context in use."""
    context("one", "tcp://10.0.0.1:2375")
    context("two", "tcp://10.0.0.2:2375")
    use(home, "one")
    monkeypatch.setenv("DOCKER_CONTEXT", "two")
    assert endpoint.find().host == "10.0.0.2"


def test_a_context_that_is_gone_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name without a context is not taken for the default engine."""
    monkeypatch.setenv("DOCKER_CONTEXT", "gone")
    with pytest.raises(EngineError, match="'gone': expected one that `docker context ls` lists"):
        endpoint.find()
    with pytest.raises(EngineError, match=r"there is no config\.json"):
        endpoint.find()


def test_a_damaged_context_is_an_error(home: Path, context: Callable[[str, str], None]) -> None:
    """A context that cannot be read is named."""
    context("bad", "unix:///x")
    use(home, "bad")
    next((home / ".docker/contexts").rglob("meta.json")).write_text("{")
    with pytest.raises(EngineError, match=r"Docker context in use: .*bad"):
        endpoint.find()


@pytest.mark.parametrize("told", ["gopher://x:1", "tcp://", "tcp://host-without-port"])
def test_a_docker_host_that_is_none_is_an_error(told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that no engine can have is refused before anything is asked."""
    monkeypatch.setenv("DOCKER_HOST", told)
    with pytest.raises(EngineError, match="expected an address"):
        endpoint.find()


def test_ssh_is_a_socket_here_and_a_machine_there(
    context: Callable[[str, str], None], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests go through a tunnel; clients reach the servers at the machine that `ssh` names."""
    tunnel = ssh_tunnel.Tunnel(home / "docker.sock", "192.0.2.7", process=None)  # type: ignore[arg-type]
    monkeypatch.setattr(ssh_tunnel, "to", lambda _: tunnel)
    context("far", "ssh://me@build-box")
    use(home, "far")
    found = endpoint.find()
    assert (found.socket_path, found.host) == (str(tunnel.socket), "192.0.2.7")
    assert str(found) == "ssh://me@build-box (context far)"


def test_a_rootless_engine_is_found(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a system engine, this user's own socket is taken; with one, the system's."""
    monkeypatch.setattr(endpoint, "DEFAULT_UNIX_SOCKET", f"http+unix://{home}/system.sock")
    assert endpoint.find().told_by == ""
    with closing(socket.socket(socket.AF_UNIX)) as rootless:
        rootless.bind(str(home / "docker.sock"))
        assert endpoint.find().told_by == "rootless"
        assert endpoint.find().socket_path == str(home / "docker.sock")
        (home / "system.sock").touch()
        assert endpoint.find().told_by == ""


def test_an_engine_is_meant_by_its_name(
    home: Path, context: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A URL or a context, whatever the environment means; `default` is what that means."""
    context("far", "tcp://10.0.0.9:2375")
    (home / ".docker/config.json").write_text("{}")
    monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.1:2375")
    assert [endpoint.find(name).host for name in ("far", "default", "tcp://10.0.0.2:1")] == [
        "10.0.0.9",
        "10.0.0.1",
        "10.0.0.2",
    ]
    assert str(endpoint.find("tcp://10.0.0.2:1")) == "tcp://10.0.0.2:1 (engines)"
    with pytest.raises(EngineError, match="'gone': expected one that `docker context ls` lists"):
        endpoint.find("gone")
    with pytest.raises(EngineError, match="engine gopher://x: expected an address"):
        endpoint.find("gopher://x")
