#!/usr/bin/env bash
# Builds a program of Go's from source into .cache, unless it is there, and prints its path. Needs Go.
#
#     tools/go-tool.sh PACKAGE VERSION    such as helm.sh/helm/v3/cmd/helm v3.22.0
set -euo pipefail
cd "$(dirname "$0")/.."

name=$(basename "$1")
directory=$PWD/.cache/$name-$2
if [ ! -x "$directory/$name" ]; then
    echo "Building $name $2" >&2
    GOPATH=$directory/path GOCACHE=$directory/cache GOBIN=$directory GOFLAGS='-mod=mod -modcacherw' GOTOOLCHAIN=local \
        nice go install "$1@$2" >&2
    rm -rf "$directory/path" "$directory/cache"
fi
echo "$directory/$name"
