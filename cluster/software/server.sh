#!/bin/sh
# Start one ZooKeeper server in the foreground, from the jars in lib/ beside this file, configured as the
# official image is.
set -eu
here=$(dirname "$0")
classpath=$(printf '%s:' "$here"/lib/*.jar)
shared=''
[ ! -f "$here/classes.jsa" ] || shared="-XX:SharedArchiveFile=$here/classes.jsa"
# exec: the JVM is process 1, so a signal to the container reaches it. A release logs with log4j or with logback.
# shellcheck disable=SC2086 # the flags are words to be split
exec java $shared -Xmx"${ZK_SERVER_HEAP:-1000}m" ${SERVER_JVMFLAGS:-} ${JVMFLAGS:-} \
  -Dzookeeper.log.dir=/logs -Dlog4j.configuration="file:$here/log4j.properties" \
  -Dlogback.configurationFile="$here/logback.xml" \
  -cp "${classpath%:}" org.apache.zookeeper.server.quorum.QuorumPeerMain "${1:-/conf/zoo.cfg}"
