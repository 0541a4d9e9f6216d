#!/bin/sh
# Make the virtual environment that the Makefile works with, from the lock file.
#
# usage: cluster/python.sh PYTHON VENV
set -eu
python=$1
venv=$2

say() { printf 'setup: %s\n' "$*" >&2; }

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then
  say "expected Python 3.11 or newer as $python, got $("$python" --version 2>&1 || true);" \
      "install it, or name one: make PYTHON=/path/to/python3"
  exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2> /dev/null; then
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get > /dev/null; then
    say "expected Python's venv module, got none; install the package python3-venv"
    exit 1
  fi
  say "installing python3-venv"
  { apt-get update && apt-get install -y --no-install-recommends python3-venv; } > /dev/null 2>&1
fi
say "installing the pinned packages into $venv"
[ -x "$venv/bin/pip" ] || "$python" -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
"$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
