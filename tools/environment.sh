#!/usr/bin/env bash
# Makes an environment with the Python packages of a file under .cache, unless it is there, and prints its directory. For
# tools whose dependencies would hold back those of .venv.
#
#     tools/environment.sh FILE
set -euo pipefail
cd "$(dirname "$0")/.."

directory=$PWD/.cache/$(basename "$1" .txt)-$(sha256sum "$1" | cut -c1-12)
if [ ! -e "$directory/complete" ]; then
    echo "Installing the packages of $1 into $directory" >&2
    "$(tools/python.sh find)" -m venv --clear "$directory" >&2
    "$directory/bin/python" -m pip install -q --disable-pip-version-check -r "$1" >&2
    touch "$directory/complete"
fi
echo "$directory"
