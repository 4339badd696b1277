#!/usr/bin/env bash
# Writes anew the rules that sloth makes of an objective, against which ours are tested. Needs Go, some minutes and
# 2 GB of disk under .cache the first time.
#
#     tools/sloth.sh [file to write]
set -euo pipefail
cd "$(dirname "$0")/.."

version=v0.16.0
directory=$PWD/.cache/sloth-$version
if [ ! -x "$directory/sloth" ]; then
    echo "Building sloth $version"
    GOPATH=$directory/path GOCACHE=$directory/cache GOBIN=$directory GOFLAGS='-mod=mod -modcacherw' \
        go install "github.com/slok/sloth/cmd/sloth@$version"
    rm -rf "$directory/path" "$directory/cache"
fi
"$directory/sloth" generate --input tests/prometheus/sloth/objective.yml \
    --out "${1:-tests/prometheus/sloth/availability.yml}"
