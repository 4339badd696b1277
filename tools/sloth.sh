#!/usr/bin/env bash
# Writes anew the rules that sloth makes of an objective, against which ours are tested. Needs Go, some minutes and
# 2 GB of disk under .cache the first time.
#
#     tools/sloth.sh [file to write]
set -euo pipefail
cd "$(dirname "$0")/.."

"$(tools/go-tool.sh github.com/slok/sloth/cmd/sloth v0.16.0)" generate --input tests/prometheus/sloth/objective.yml \
    --out "${1:-tests/prometheus/sloth/availability.yml}"
