"""Engines that are reached in other ways than by the socket of this machine."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from cluster.engine import docker_endpoint as endpoint
from cluster.engine import engine, leftovers
from worlds import debian
from worlds.command_line import harness
from worlds.engine_proxy import EngineProxy

pytestmark = pytest.mark.docker
SSHD = """
set -e
mkdir -p /run/sshd ~/.ssh
ssh-keygen -q -t ed25519 -N '' -f /host_key
cp /key.pub ~/.ssh/authorized_keys
exec /usr/sbin/sshd -D -e -h /host_key -o StrictModes=no -o PidFile=none
"""
SCENARIO = """
description: One server and a few items.
cluster: {nodes: 1}
workload:
  - put-all: {count: 20}
  - check-all: {}
"""


@pytest.fixture
def over_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Give this engine's address over ssh, by a machine that has its socket, sshd and no docker."""
    key, program = tmp_path / "key", tmp_path / "bin/ssh"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    with (
        closing(engine.connect()) as client,
        debian.container(
            client,
            "openssh-server",
            files={"key.pub": key.with_suffix(".pub").read_text()},
            command=["sh", "-c", SSHD],
            volumes=debian.ENGINE,
            ports={"22/tcp": ("127.0.0.1", 0)},
        ) as machine,
    ):
        machine.start()
        machine.reload()
        (tmp_path / "config").write_text(
            "Host the-engine\n"
            f"  HostName 127.0.0.1\n  Port {machine.ports['22/tcp'][0]['HostPort']}\n  User root\n"
            f"  IdentityFile {key}\n  IdentitiesOnly yes\n"
            f"  StrictHostKeyChecking no\n  UserKnownHostsFile {tmp_path}/known\n"
            "  ConnectionAttempts 20\n"
        )
        # ssh reads no other user's configuration than that of the password file's home.
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {tmp_path}/config "$@"\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{Path('/usr/bin')}:/bin")
        yield "ssh://the-engine"


@pytest.mark.slow
def test_a_scenario_runs_on_an_engine_over_ssh(
    over_ssh: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By an alias of the user's ssh configuration; afterwards no tunnel is left."""
    monkeypatch.setenv("DOCKER_HOST", over_ssh)
    scenario = tmp_path / "small.yaml"
    scenario.write_text(SCENARIO)
    ran = harness("run", str(scenario), "--runs", str(tmp_path / "runs"), within_s=300)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ": valid" in ran.stdout
    assert tunnels() == []


def tunnels() -> list[str]:
    """The command lines of tunnels on this machine."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue  # it has ended
        if any(b"zkmq-ssh-" in word for word in words):
            found.append(b" ".join(words).decode())
    return found


@pytest.fixture
def proxy() -> Iterator[EngineProxy]:
    """Give this engine at another address."""
    path = endpoint.find().socket_path
    assert path is not None, "expected an engine with a socket on this machine"
    found = EngineProxy(path)
    found.start()
    yield found
    found.kill()


def test_a_context_leads_to_an_engine_by_tcp(
    proxy: EngineProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scenario runs there, by nothing but that address."""
    name = "far"
    folder = tmp_path / "contexts/meta" / sha256(name.encode()).hexdigest()
    folder.mkdir(parents=True)
    endpoints = {"docker": {"Host": proxy.url, "SkipTLSVerify": False}}
    (folder / "meta.json").write_text(
        json.dumps({"Name": name, "Metadata": {}, "Endpoints": endpoints})
    )
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONTEXT", name)
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    scenario = tmp_path / "small.yaml"
    scenario.write_text(SCENARIO)
    ran = harness("run", str(scenario), "--runs", str(tmp_path / "runs"), within_s=300)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ": valid" in ran.stdout
    proxy.kill()
    refused = harness("run", str(scenario), "--runs", str(tmp_path / "runs"))
    assert refused.returncode == 255
    assert f"Docker engine at {proxy.url} (context far): Connection refused" in refused.stderr


@pytest.mark.slow
def test_an_engine_that_dies_ends_each_run_with_its_reason(
    proxy: EngineProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of one and before the next; when it is back, `clean` removes what was left."""
    monkeypatch.setenv("DOCKER_HOST", proxy.url)
    for name, count in (("long", 100_000), ("small", 20)):
        text = SCENARIO.replace("count: 20", f"count: {count}")
        (tmp_path / f"{name}.yaml").write_text(text)
    junit = tmp_path / "junit.xml"
    files = [str(tmp_path / f"{name}.yaml") for name in ("long", "small")]
    command = [sys.executable, "-m", "harness.commands.harness_command", "run", *files]
    command += ["--runs", str(tmp_path / "runs"), "--junit", str(junit)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as running:
        assert running.stdout is not None
        said = []
        for line in running.stdout:
            said.append(line)
            if "start put-all" in line:
                proxy.kill()
    told = "".join(said)
    print(told)
    assert running.returncode == 255
    assert "Traceback" not in told
    assert "harness: long: monitor: Docker engine: expected an answer, got none" in told
    cases = list(ET.fromstring(junit.read_text()).iter("testcase"))  # noqa: S314 - we wrote it
    assert [[each.tag for each in case] for case in cases] == [["error"], ["error"]]
    (run,) = re.findall(r"quorum (\w+) could not be removed", told)
    proxy.start()
    with closing(engine.connect()) as client:
        assert leftovers.containers(client, run)
        assert harness("clean").returncode == 0
        assert leftovers.containers(client, run) == []
