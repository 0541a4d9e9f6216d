#!/bin/sh
# Keep the classes that servers load in a form that a JVM only has to map (class-data sharing), beside this file.
# server.sh has each server use it, which saves a third of the processor time of a start. A JVM that cannot use the
# file, for instance since an agent changes classes, starts without it.
# Source: the `java` command's manual, "Using Shared Class-Data Files".
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
server() {
  SERVER_JVMFLAGS=$1 "$here/server.sh" "$work/$2.cfg"
}

pids=
for id in 1 2; do # one leads and one follows
  mkdir "$work/data-$id"
  echo "$id" > "$work/data-$id/myid"
  cat > "$work/$id.cfg" << END
dataDir=$work/data-$id
clientPort=2181$id
tickTime=2000
initLimit=10
syncLimit=5
admin.enableServer=false
server.1=127.0.0.1:28881:38881
server.2=127.0.0.1:28882:38882
END
  server "-XX:+UseSerialGC -XX:DumpLoadedClassList=$work/$id.classes" "$id" > "$work/$id.log" 2>&1 &
  pids="$pids $!"
done
# What a client has them do, they need classes for. The file is made all the same if they do not start.
for try in 1 2 3 4 5 6 7 8 9 10; do
  if java -cp "$here/lib/*" org.apache.zookeeper.ZooKeeperMain -server 127.0.0.1:21811 create "/try-$try" x \
    > "$work/client.log" 2>&1; then
    break
  fi
  sleep 1
done
# shellcheck disable=SC2086 # the numbers are words to be split
kill $pids
wait
cat "$work"/*.classes | sed 's/ id: .*//' | sort -u > "$work/classes"
server "-XX:+UseSerialGC -Xshare:dump -XX:SharedClassListFile=$work/classes -XX:SharedArchiveFile=$here/classes.jsa" 1 \
  > "$work/dump.log" 2>&1 || cat "$work/dump.log"
rm -r "$work"
