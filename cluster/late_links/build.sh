#!/bin/sh
# Compile both programs into a folder; needs gcc and the kernel's headers, which come with the libc's.
set -eu
out=$1
cd "$(dirname "$0")"
flags="-std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror"
# shellcheck disable=SC2086 # the flags are words to be split
gcc $flags -o "$out/late-links" late_links.c
# shellcheck disable=SC2086
gcc $flags -o "$out/link-rtt" link_rtt.c
