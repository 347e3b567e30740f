#!/bin/sh
# Build wheel and sdist, look into them, and use the wheel as a stranger would: a fresh environment, outside the checkout.
#
#   sh scripts/wheel_test.sh                 everything; minutes, as torch is installed once more
#   sh scripts/wheel_test.sh --build-only    dist/ alone
#
# PYTHON names the interpreter (with mypy, for the types; without it they are left out). Prints how long each part took.
set -eu
cd "$(dirname "$0")/.."
root=$(pwd)
python=$(command -v "${PYTHON:-.venv/bin/python}")
case $python in /*) ;; *) python=$root/$python ;; esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
started=$(date +%s)
lap() { now=$(date +%s); echo "$((now - started)) s: $1"; started=$now; }

rm -rf dist
"$python" -m venv "$work/build"
"$work/build/bin/pip" install --quiet --disable-pip-version-check "hatchling>=1.27"
"$work/build/bin/hatchling" build -d dist
lap "built $(cd dist && echo *)"
"$python" scripts/wheel_contents.py dist
[ "${1:-}" != "--build-only" ] || exit 0

# The sdist makes the same wheel: nothing that it needs was left out of it.
mkdir "$work/sdist"
tar -xzf dist/*.tar.gz -C "$work/sdist" --strip-components 1
(cd "$work/sdist" && "$work/build/bin/hatchling" build -t wheel -d "$work/again")
"$python" scripts/wheel_contents.py --same dist "$work/again"
lap "the same wheel from the sdist"

"$python" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check -c constraints.txt dist/*.whl
lap "installed into a fresh environment"

cd "$work"  # outside the checkout: nothing of it can be imported by accident
unset PYTHONPATH
"$work/venv/bin/modiste" --version
"$work/venv/bin/modiste" demo --items 200 --no-serve --into shop > demo.log
tail -n 3 demo.log
test -s shop/results.html
lap "the demo from the wheel"
"$work/venv/bin/modiste" search shop/index "red dress" -k 3 --json > found.json
"$work/venv/bin/python" -c 'import json; assert len(json.load(open("found.json"))["hits"]) == 3'
if "$python" -c "import mypy" 2> /dev/null; then
  cp "$root/tests/consumer/reader.py" .
  "$python" -m mypy --strict --python-executable "$work/venv/bin/python" --cache-dir "$work/mypy" --follow-imports silent reader.py
  lap "a program that uses it, type-checked against the wheel"
fi
