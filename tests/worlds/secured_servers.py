"""Real servers that ask clients who they are: one by SASL, one by their certificates."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cluster import config, lending
from cluster.engine import engine
from cluster.pods.pod import Pod
from cluster.software import image
from harness.common.settings.quorum_config import QuorumConfig
from worlds.certificates import Authority

PROVIDERS = "org.apache.zookeeper.server.auth"
NETTY = "org.apache.zookeeper.server.NettyServerCnxnFactory"
SERVER_KEYS = "/conf/server.pem"


@dataclass(frozen=True, slots=True)
class SecuredServers:
    """Two servers that know nothing of each other.

    Attributes:
        sasl: a server that takes DIGEST-MD5, and clients that do not say who they are.
        tls: a server that speaks only TLS, and only with clients whose certificate is `ca`'s.
    """

    sasl: Pod
    tls: Pod


@contextmanager
def started(ca: Authority, users: Mapping[str, str]) -> Iterator[SecuredServers]:
    """Start both servers, and remove them when the context ends; `users` are SASL's passwords."""
    with lending.started(QuorumConfig(nodes=2), by_hand=False, say=print) as up:
        client = engine.connect()
        image_id = image.server(client, QuorumConfig(), print).id
        client.close()
        files = (_sasl(users), _tls(ca, up.nodes[2].sandbox.address[0]))
        for pod, (text, flags) in zip(up.nodes.values(), files, strict=True):
            pod.clear()
            environment = config.environment(QuorumConfig())
            environment["SERVER_JVMFLAGS"] += f" {flags}"
            pod.create_server(image_id, text, environment)
            pod.start()
        yield SecuredServers(*up.nodes.values())


def _sasl(users: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """Return the files of the server with SASL, and what the JVM is told of them."""
    known = "\n".join(f'  user_{name}="{password}"' for name, password in users.items())
    module = "org.apache.zookeeper.server.auth.DigestLoginModule required"
    settings: dict[str, str | int] = {
        "authProvider.1": f"{PROVIDERS}.SASLAuthenticationProvider",
        "fips-mode": "false",  # its default, true, excludes MD5
    }
    files = {
        "conf/zoo.cfg": config.zoo_cfg(QuorumConfig(zoo_cfg=settings), {}),
        "conf/jaas.conf": f"Server {{\n  {module}\n{known};\n}};\n",
    }
    return files, "-Djava.security.auth.login.config=/conf/jaas.conf"


def _tls(ca: Authority, address: str) -> tuple[dict[str, str], str]:
    """Return the files of the server with TLS, and what the JVM is told of them: nothing."""
    settings: dict[str, str | int] = {
        "secureClientPort": config.CLIENT_PORT,
        "serverCnxnFactory": NETTY,
        "authProvider.x509": f"{PROVIDERS}.X509AuthenticationProvider",
        "ssl.keyStore.location": SERVER_KEYS,
        "ssl.trustStore.location": "/conf/ca.pem",
        "ssl.clientAuth": "need",
    }
    text = config.zoo_cfg(QuorumConfig(zoo_cfg=settings), {})
    files = {
        "conf/zoo.cfg": text.replace(f"clientPort={config.CLIENT_PORT}\n", "", 1),
        "conf/server.pem": ca.sign(address).read_text(),
        "conf/ca.pem": Path(ca.path).read_text(),
    }
    return files, ""
