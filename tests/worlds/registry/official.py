"""An image that is laid out like the official one of ZooKeeper, made from one that is here.

Another folder for the jars, another way to start, volumes of its own, its logging configuration
beside zoo.cfg: whatever assumes Debian's layout fails on it.
"""

import docker

from cluster.software.building import build

LIB = "/apache-zookeeper-3.9.6-bin/lib"
_DOCKERFILE = f"""
FROM BASE
USER root
RUN mkdir -p {LIB} /apache-zookeeper-3.9.6-bin/bin && mv /debian/lib/* {LIB}/ \
 && mv /debian/log4j.properties /conf/ && rm -r /debian && chown -R 1000:1000 /conf
COPY zkServer.sh /apache-zookeeper-3.9.6-bin/bin/
COPY entrypoint.sh /
ENV PATH=$PATH:/apache-zookeeper-3.9.6-bin/bin
VOLUME ["/data", "/datalog", "/logs"]
WORKDIR /apache-zookeeper-3.9.6-bin
ENTRYPOINT ["/entrypoint.sh"]
CMD ["zkServer.sh", "start-foreground"]
LABEL zkmq.classpath= zkmq.release= zkmq.origin=
"""
_ENTRYPOINT = b"""#!/bin/bash
set -e
[ -f /conf/zoo.cfg ] || exit 3
[ -f /data/myid ] || echo 1 > /data/myid
exec "$@"
"""
_START = f"""#!/bin/bash
[ "$1" = start-foreground ] || exit 4
exec java -Xmx"${{ZK_SERVER_HEAP:-1000}}m" $SERVER_JVMFLAGS \
  -Dlog4j.configuration=file:/conf/log4j.properties \
  -cp '{LIB}/*' org.apache.zookeeper.server.quorum.QuorumPeerMain /conf/zoo.cfg
""".encode()


def make(client: docker.DockerClient, base: str, tag: str) -> None:
    """Make the image, under this tag, of a server that was built from Debian's archive."""
    files = {
        "Dockerfile": _DOCKERFILE.replace("BASE", base).encode(),
        "entrypoint.sh": _ENTRYPOINT,
        "zkServer.sh": _START,
    }
    build(client, files, what=tag, say=print, tag=tag)
