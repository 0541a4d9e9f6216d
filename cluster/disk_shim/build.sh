#!/bin/sh
# Compile the shim and its tool into a folder; needs gcc and the libc's headers.
set -eu
out=$1
cd "$(dirname "$0")"
flags="-std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror"
# shellcheck disable=SC2086 # the flags are words to be split
gcc $flags -fPIC -shared -fvisibility=hidden -pthread -o "$out/libdisk_shim.so" shim.c record.c
# shellcheck disable=SC2086
gcc $flags -o "$out/disk-nemesis" disk_nemesis.c
