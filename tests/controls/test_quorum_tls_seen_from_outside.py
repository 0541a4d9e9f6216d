"""Control of TLS between servers: whether the port of an election answers a handshake."""

import base64
import ssl

import pytest

from cluster import lending
from cluster.quorum import DockerQuorum
from harness.common.quorum_config import QuorumConfig

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


@pytest.mark.parametrize("tls", [True, False])
def test_a_stranger_is_answered_by_tls(*, tls: bool) -> None:
    """With `quorum_tls` it is a record of TLS that comes back; without, nothing like it."""
    config = QuorumConfig(nodes=3, quorum_tls=tls)
    with lending.started(config, by_hand=False, say=print) as up:
        up.wait_ready(within_s=90)
        assert (answer(up) in {HANDSHAKE, ALERT}) is tls
        up.nodes[up.leader()].kill()
        up.leader(within_s=60)
