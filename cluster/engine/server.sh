#!/bin/sh
# Start one ZooKeeper server in the foreground, configured as the official image is.
set -eu
classpath=$(printf '%s:' /usr/share/zookeeper/lib/*.jar)
# exec: the JVM is process 1, so a signal to the container reaches it.
# shellcheck disable=SC2086 # the flags are words to be split
exec java -Xmx"${ZK_SERVER_HEAP:-1000}m" ${SERVER_JVMFLAGS:-} ${JVMFLAGS:-} \
  -Dzookeeper.log.dir=/logs -Dlog4j.configuration=file:/usr/share/zookeeper/log4j.properties \
  -cp "${classpath%:}" org.apache.zookeeper.server.quorum.QuorumPeerMain /conf/zoo.cfg
