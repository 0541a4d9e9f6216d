"""Keys of a quorum: what an image's keytool printed becomes the files of its servers."""

from typing import Any, cast

import docker
import pytest

from cluster.cluster_errors import ClusterError
from cluster.config import zoo_cfg
from cluster.software import quorum_keys
from harness.common.settings.quorum_config import QuorumConfig
from worlds.command_engine import CommandEngine

PRINTED = b"a2V5cw==\ndHJ1c3Q=\n"


def engine(*printed: bytes, status: int = 0) -> tuple[docker.DockerClient, list[dict[str, Any]]]:
    """Return an engine whose containers print these, and what they were started with."""
    answers = iter(printed)
    made = CommandEngine(lambda: (status, next(answers)))
    return cast(docker.DockerClient, made), made.started


def test_both_files_are_told_apart() -> None:
    """The container sees no network, and its files are where zoo.cfg says."""
    client, started = engine(PRINTED)
    assert quorum_keys.made(client, "i", {"zkmq.run": "r"}) == {
        "conf/quorum.keys.p12": b"keys",
        "conf/quorum.trust.p12": b"trust",
    }
    assert (started[0]["network_mode"], started[0]["labels"]["zkmq.run"]) == ("none", "r")
    text = zoo_cfg(QuorumConfig(quorum_tls=True), {})
    assert "sslQuorum=true" in text
    assert all(f"=/{path}\n" in text for path in quorum_keys.FILES)
    assert "ssl" not in zoo_cfg(QuorumConfig(), {})


def test_lost_output_is_asked_for_again() -> None:
    """A busy engine may lose it; what is no pair of files is an error that shows it."""
    client, started = engine(b"", b"\n", PRINTED)
    assert len(quorum_keys.made(client, "i", {})) == 2
    assert len(started) == 3
    for printed in ((b"", b"", b""), (b"sh: keytool: not found",), (b"a2V5cw==",)):
        client, _ = engine(*printed)
        with pytest.raises(ClusterError, match="expected two files from keytool"):
            quorum_keys.made(client, "i", {})


def test_an_image_without_keytool_is_an_error() -> None:
    """The engine tells how the container ended."""
    client, _ = engine(b"keytool: not found", status=127)
    with pytest.raises(ClusterError, match=r"keys of the quorum: .*127"):
        quorum_keys.made(client, "i", {})
