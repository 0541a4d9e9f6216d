#!/bin/sh
# Hold a node's network namespace and disk, and end faults whose lease has run out.
#
# The harness renews /run/nemesis/lease (seconds on the kernel's monotonic clock, from /proc/uptime) while it
# lives; when it is gone this loop takes its rules off within a second of the lease's end.
set -u
trap 'exit 0' TERM INT
mkdir -p /run/nemesis
while :; do
  if [ -f /run/nemesis/lease ]; then
    read -r until_s < /run/nemesis/lease || until_s=0
    read -r now_s _ < /proc/uptime
    if [ "${now_s%%.*}" -ge "${until_s%%.*}" ]; then
      nft delete table inet nemesis 2> /dev/null
      tc qdisc del dev eth0 root 2> /dev/null
      tc qdisc del dev eth1 root 2> /dev/null
      rm -f /run/nemesis/late.*
      iptables -t mangle -D OUTPUT -j nemesis 2> /dev/null
      iptables -t mangle -F nemesis 2> /dev/null
      iptables -t mangle -X nemesis 2> /dev/null
      rm -f /data/nemesis/fill /run/nemesis/lease /nemesis/failpoints/rules/*
      if [ -f /nemesis/control ]; then
        disk-nemesis mend /nemesis
      fi
      # Under the lock that a strobe jumps under, so that none jumps after its end.
      (
        flock -w 10 9
        rm -f /run/nemesis/strobe
        # The server reads its clock's offset from this file, if it runs under libfaketime.
        # It is replaced whole: the library ends the process that reads an empty one.
        if [ -f /data/nemesis/clock ]; then
          echo '+0' > /data/nemesis/clock.lease && mv /data/nemesis/clock.lease /data/nemesis/clock
        fi
      ) 9> /run/nemesis/clock.lock
    fi
  fi
  sleep 0.5 &
  wait $!
done
