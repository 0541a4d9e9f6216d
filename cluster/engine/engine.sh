#!/bin/sh
# Make a Docker engine answer: use the one there is; else, as root on Debian, install and start one.
#
# usage: cluster/engine.sh          exit 0: `docker info` answers; 1: it does not, and why
set -eu

say() { printf 'engine: %s\n' "$*" >&2; }

answers() { timeout 20 docker info > /dev/null 2>&1; }

wait_for_socket() {
  waited_s=0
  until answers; do
    if [ "$waited_s" -ge 60 ]; then
      return 1
    fi
    sleep 1
    waited_s=$((waited_s + 1))
  done
}

install() {
  say "installing docker.io from Debian's archive"
  log=$(mktemp -t zkmq-engine-install.XXXXXX)
  packages="docker.io iptables ca-certificates mmdebstrap"
  if ! apt-get update > "$log" 2>&1; then
    say "apt-get update failed; see $log"
    return 1
  fi
  # Debian 13 has the client in a package of its own, Debian 12 has no such package.
  if apt-cache show docker-cli > /dev/null 2>&1; then packages="$packages docker-cli"; fi
  # shellcheck disable=SC2086 # the packages are words to be split
  if ! DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $packages \
      >> "$log" 2>&1; then
    say "apt-get install docker.io failed; see $log"
    return 1
  fi
}

start() {
  if [ -d /run/systemd/system ]; then
    say "starting docker with systemd"
    systemctl start docker
  else
    # Without an init system the init script fails (ulimit is refused): start the daemon itself, in a
    # session of its own, so that it outlives this shell.
    say "starting dockerd (log: /var/log/dockerd.log)"
    rm -f /var/run/docker.pid
    setsid dockerd > /var/log/dockerd.log 2>&1 < /dev/null &
  fi
}

if answers; then exit 0; fi
if [ -n "${DOCKER_HOST:-}" ]; then
  say "expected a Docker engine at DOCKER_HOST=$DOCKER_HOST, got no answer; start it, or unset DOCKER_HOST"
  exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
  say "expected a running Docker engine this user may use, got none; install docker.io and start it" \
      "(or run as root on Debian 12 or 13 and this script does both)"
  exit 1
fi
if ! command -v dockerd > /dev/null; then
  if ! command -v apt-get > /dev/null; then
    say "expected Debian 12 or 13, got a system without apt-get; install a Docker engine by hand"
    exit 1
  fi
  install
fi
start
if ! wait_for_socket; then
  say "the engine did not answer within 60 s; see /var/log/dockerd.log or journalctl -u docker"
  exit 1
fi
