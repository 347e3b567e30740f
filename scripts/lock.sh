#!/bin/sh
# Write constraints.txt anew: the exact versions that pip resolves for the base install, all development tools and what benches compare with.
# torch is held at the version below, which has CPU builds for every platform we test on.
set -eu
cd "$(dirname "$0")/.."
torch="torch==2.13.0"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.11}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check "$torch" -e '.[dev,bench]'
{
  echo "# Exact versions, written by scripts/lock.sh; pip uses them through -c. Do not edit by hand."
  "$folder/env/bin/python" -m pip freeze --disable-pip-version-check --exclude-editable | sed -E 's/^(torch==[0-9.]+)\+.*/\1/'
} > constraints.txt
echo "constraints.txt: $(grep -c '==' constraints.txt) packages"
