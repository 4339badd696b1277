#!/usr/bin/env bash
# Checks the rules, their unit tests and prometheus.yml with a promtool that is newer than the installed one, built from
# source. Needs Go, 4 GB of disk under .cache, and a quarter of an hour the first time.
#
#     tools/newest-promtool.sh [version of the module, such as v0.316.0, which is Prometheus 3.16.0]
set -euo pipefail
cd "$(dirname "$0")/.."

version=${1:-v0.316.0}
directory=$PWD/.cache/promtool-$version
if [ ! -x "$directory/promtool" ]; then
    echo "Building promtool $version"
    GOPATH=$directory/path GOCACHE=$directory/cache GOBIN=$directory GOFLAGS='-mod=mod -modcacherw' \
        go install "github.com/prometheus/prometheus/cmd/promtool@$version"
    rm -rf "$directory/path" "$directory/cache"
fi
"$directory/promtool" check config prometheus/prometheus.yml
"$directory/promtool" check rules --lint=all --lint-fatal prometheus/rules/*.yml
"$directory/promtool" test rules prometheus/rules/tests/*.yml
