#!/bin/sh
# Compile the agent into OUT/failpoints.jar, with the library ASM in it; needs a JDK and Debian's libasm-java.
set -eu
out=$1
asm=${2:-/usr/share/java/asm.jar}
cd "$(dirname "$0")"
classes=$(mktemp -d)
# Java 8's bytecode: any Java that runs a ZooKeeper of ours can load it.
javac -Xlint:all,-options -Werror --release 8 -cp "$asm" -d "$classes" ./*.java
(cd "$classes" && jar -xf "$asm" && rm -rf META-INF module-info.class)
printf 'Premain-Class: failpoints.Agent\n' > "$classes.manifest"
jar -cfm "$out/failpoints.jar" "$classes.manifest" -C "$classes" .
rm -rf "$classes" "$classes.manifest"
