"""The keys by which the servers of one quorum know each other, made with the Java of their image.

One key and one self-signed certificate for all: whoever has them is a member. They are made anew
for each quorum, and are gone with it.
"""

import base64
import binascii
from collections.abc import Mapping

import docker
from docker.errors import DockerException

from cluster.cluster_errors import ClusterError
from cluster.engine import containers, labels

FILES = ("conf/quorum.keys.p12", "conf/quorum.trust.p12")
PASSWORD = "of-no-use-elsewhere"  # noqa: S105 -- the files have to have one
TRIES = 3  # a busy engine loses the output of a container
_STORE = f"-alias quorum -storetype PKCS12 -storepass {PASSWORD}"
_SCRIPT = f"""
set -e
cd /tmp
keytool -genkeypair {_STORE} -keystore keys -keyalg EC -dname CN=zkmq -validity 3650 >&2
keytool -exportcert {_STORE} -keystore keys -file certificate >&2
keytool -importcert {_STORE} -keystore trust -file certificate -noprompt >&2
base64 -w 0 keys; echo; base64 -w 0 trust; echo
"""


def zoo_cfg() -> dict[str, str]:
    """Return the lines of zoo.cfg by which servers use the keys among themselves."""
    keys, trust = (f"/{path}" for path in FILES)
    return {
        "sslQuorum": "true",
        "ssl.quorum.keyStore.location": keys,
        "ssl.quorum.keyStore.password": PASSWORD,
        "ssl.quorum.trustStore.location": trust,
        "ssl.quorum.trustStore.password": PASSWORD,
        "ssl.quorum.hostnameVerification": "false",  # the certificate is of no host
    }


def made(client: docker.DockerClient, image: str, tags: Mapping[str, str]) -> dict[str, bytes]:
    """Make a key and its certificate; return the files of a server's container, by path.

    Raises:
        ClusterError: the image has no keytool, or the engine gave no answer.
    """
    told = b""
    for _ in range(TRIES):
        try:
            told = containers.output_of(
                client,
                image,
                ["-c", _SCRIPT],
                entrypoint="sh",
                labels={**tags, labels.PART: "keys"},
                network_mode="none",
            )
        except DockerException as error:
            raise ClusterError(f"keys of the quorum: {error}") from error
        if told.strip():
            break
    try:
        keys, trust = (base64.b64decode(line, validate=True) for line in told.split())
    except (ValueError, binascii.Error) as error:
        raise ClusterError(
            f"keys of the quorum: expected two files from keytool, got {told[:200]!r}"
        ) from error
    return dict(zip(FILES, (keys, trust), strict=True))
