#!/bin/sh
# Install Debian packages where that is possible: as root, or with sudo that asks for no password.
# Says what to do where it is not, and does nothing when all are there.
set -eu
missing=""
for package in "$@"; do
  dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ]; then run=""; elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then run="sudo"; else
  echo "error: these Debian packages are needed; install them and try again: apt-get install$missing" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
$run apt-get update -qq
# shellcheck disable=SC2086  # a list of names
$run apt-get install -y -qq --no-install-recommends $missing
