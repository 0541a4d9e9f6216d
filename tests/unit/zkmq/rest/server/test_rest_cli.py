"""The gateway command: what its options come to."""

import gc
import signal
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from typer.testing import CliRunner

from zkmq.cli import zkmq_command
from zkmq.rest.server import gateway_command, serving
from zkmq.rest.upstream.gateway_config import EndpointConfig, GatewayConfig


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[GatewayConfig]:
    """What would have been served."""
    configs: list[GatewayConfig] = []
    monkeypatch.setattr(serving, "serve", lambda config, **_: configs.append(config))
    monkeypatch.setattr(gateway_command, "_log_to_stderr", lambda **_: None)
    return configs


def run(*arguments: str) -> Any:
    """Run the command."""
    return CliRunner().invoke(gateway_command.app, list(arguments))


def test_hosts(served: list[GatewayConfig]) -> None:
    """One endpoint, on loopback unless said otherwise."""
    assert run("--hosts", "h:1,h:2/c").exit_code == 0
    (config,) = served
    assert (config.host, config.port) == ("127.0.0.1", 9998)
    assert [(e.context, e.hosts) for e in config.endpoints] == [("/", "h:1,h:2/c")]
    assert config.jsonp
    assert config.tls is None


def test_what_stands_before_the_command_holds(
    served: list[GatewayConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hosts, credentials and the deadline of `zkmq` are the gateway's, as of any other command."""
    secret = tmp_path / "password"
    secret.write_text("hush\n")
    words = ["--hosts", "h:1", "--user", "me", "--password-file", str(secret), "--deadline-s", "9"]
    assert zkmq_command.run([*words, "gateway"]) == 0
    monkeypatch.setenv("ZKMQ_HOSTS", "e:1")
    assert zkmq_command.run(["gateway"]) == 0
    assert zkmq_command.run(["gateway", "--hosts", "mine:1"]) == 0
    file = tmp_path / "rest.properties"
    file.write_text("rest.endpoint.1=/;file:1\n")
    assert zkmq_command.run(["gateway", "--config", str(file)]) == 0
    assert [config.endpoints[0].hosts for config in served] == ["h:1", "e:1", "mine:1", "file:1"]
    first = served[0]
    assert first.endpoints[0].kazoo_arguments()["auth_data"] == [("digest", "me:hush")]
    assert zkmq_command.run([*words[2:], "gateway", "--config", str(file)]) == 0
    of_file = served.pop().endpoints[0]
    assert (of_file.hosts, of_file.security.user) == ("file:1", "me")
    assert [config.limits.request_timeout_s for config in served] == [9.0, 5, 5, 5]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--path", "/other", "--hosts", "h:1", "gateway"], "a gateway serves all queues"),
        (["--hosts", "h:1", "--ca", __file__, "gateway"], "expected a PEM file of certificates"),
    ],
)
def test_what_a_gateway_cannot_follow_is_refused(
    served: list[GatewayConfig],
    words: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An option that would be ignored, or fail at the first request, is told before it starts."""
    assert zkmq_command.run(words) == 254
    assert message in capsys.readouterr().err
    assert served == []


def test_options(served: list[GatewayConfig], tmp_path: Path) -> None:
    """Every option reaches the configuration."""
    cert = str(tmp_path / "c.pem")
    arguments = ["--hosts", "h:1", "--host", "::1", "--port", "0", "--context", "/zk"]
    arguments += ["--cert", cert, "--key", cert, "--public-url", "https://x"]
    arguments += ["--trust-proxy", "--no-jsonp", "--read-only", "--no-log"]
    assert run(*arguments).exit_code == 0
    (config,) = served
    assert (config.host, config.port, config.public_url) == ("::1", 0, "https://x")
    assert (config.trust_proxy, config.jsonp) == (True, False)
    assert config.endpoints[0].read_only
    assert config.tls is not None
    assert config.tls.certificate == tmp_path / "c.pem"


def test_properties(served: list[GatewayConfig], tmp_path: Path) -> None:
    """A properties file of the original is taken as it is."""
    file = tmp_path / "rest.properties"
    file.write_text("rest.port=1234\nrest.endpoint.1=/;h:1\n")
    assert run("--config", str(file)).exit_code == 0
    assert run("--config", str(file), "--port", "0").exit_code == 0
    assert [config.port for config in served] == [1234, 0]


def test_told_where(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each endpoint is told with the port it got, once that can be connected to."""
    monkeypatch.setattr(serving, "spare_collections", lambda: None)  # not of this process
    monkeypatch.setattr(serving.GatewayServer, "run", lambda _, sockets: ports.append(sockets))
    ports: list[list[socket.socket]] = []
    lines: list[str] = []
    endpoints = (EndpointConfig(hosts="h:1,h:2/c"), EndpointConfig(hosts="i:1", context="/i"))
    serving.serve(GatewayConfig(endpoints=endpoints, port=0), say=lines.append)
    ((listener,),) = ports
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    assert lines == [f"{url}/ -> h:1,h:2/c", f"{url}/i -> i:1"]
    listener.close()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected either --hosts or --config"),
        (["--hosts", "h:1", "--config", "x"], "expected either --hosts or --config"),
        (["--config", "none"], "expected a readable properties file"),
        (["--hosts", "h:1", "--cert", "c"], "expected both --cert and --key"),
        (["--hosts", "h:1", "--context", "zk"], "expected a path that begins with /"),
        (["--hosts", "/c"], "expected host:port"),
    ],
)
def test_refused(served: list[GatewayConfig], arguments: list[str], message: str) -> None:
    """A wrong argument is one sentence, and status 254."""
    result = run(*arguments)
    assert result.exit_code == 254
    assert message in result.output
    assert served == []


def test_help() -> None:
    """Help is there for each option."""
    result = run("--help")
    assert result.exit_code == 0
    assert "--trust-proxy" in result.output


def test_collections_are_spared_not_forgone() -> None:
    """A gateway still collects its garbage, but not what was there before it began."""
    thresholds = gc.get_threshold()
    try:
        serving.spare_collections()
        assert gc.isenabled()
        assert gc.get_freeze_count() > 0
        assert gc.get_threshold()[0] > thresholds[0]
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)


CLOSED = SimpleNamespace(fileno=mock.Mock(side_effect=ValueError("closed file")))
OPEN = SimpleNamespace(fileno=lambda: 0)


@pytest.mark.parametrize(
    ("stdin", "reads"),
    [
        (None, []),
        (CLOSED, []),
        (OPEN, [OSError("no terminal")]),
        (OPEN, [b"said", OSError("no terminal")]),
        (OPEN, [b"said", b""]),
    ],
)
def test_an_input_that_cannot_be_read_has_ended(
    monkeypatch: pytest.MonkeyPatch, stdin: object, reads: list[bytes | OSError]
) -> None:
    """The gateway stops, since its parent may be gone."""
    kill = mock.Mock()
    system = SimpleNamespace(read=mock.Mock(side_effect=reads), kill=kill, getpid=lambda: 7)
    monkeypatch.setattr(gateway_command, "os", system)  # no other thread's
    monkeypatch.setattr(gateway_command, "sys", SimpleNamespace(stdin=stdin))
    gateway_command._stop_at_end_of_input()
    kill.assert_called_once_with(7, signal.SIGTERM)
    assert system.read.call_count == len(reads)
