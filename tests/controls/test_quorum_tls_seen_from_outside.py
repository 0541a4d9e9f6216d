"""Control of TLS between servers: whether the port of an election answers a handshake."""

import base64
import ssl

import pytest

from cluster import lending
from cluster.quorum import DockerQuorum
from harness.common.settings.quorum_config import QuorumConfig
from worlds.outside import must_come

pytestmark = pytest.mark.docker
ELECTION_PORT = 3888
HANDSHAKE, ALERT = 0x16, 0x15  # what the first byte of a record of TLS says


def hello() -> bytes:
    """Return the first words of a client of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing).do_handshake()
    return outgoing.read()


def answer(quorum: DockerQuorum) -> int | None:
    """Return the first byte that node 1 answers to it at its election port; None for none."""
    words = base64.b64encode(hello()).decode()
    script = (
        f"exec 3<>/dev/tcp/{quorum.nodes[1].sandbox.ip}/{ELECTION_PORT}; "
        f"echo {words} | base64 -d >&3; timeout 5 head -c 1 <&3 | od -An -tu1; echo over"
    )
    told = quorum.nodes[2].sandbox.ask(["bash", "-c", script], "handshake").split()
    return int(told[0]) if told[0] != "over" else None


def test_a_stranger_is_answered_by_tls() -> None:
    """With `quorum_tls` a record of TLS comes back, whatever it says."""
    with lending.started(QuorumConfig(nodes=3, quorum_tls=True), by_hand=False, say=print) as up:
        up.wait_ready(within_s=90)
        must_come(lambda: answer(up) in {HANDSHAKE, ALERT})


def test_without_tls_nothing_like_it_comes_back(quorum: DockerQuorum) -> None:
    """The servers of other scenarios speak plainly."""
    assert answer(quorum) not in {HANDSHAKE, ALERT}
