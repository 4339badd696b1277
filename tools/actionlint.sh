#!/usr/bin/env bash
# Checks the workflows with actionlint, which is built into .cache the first time (needs Go, half a minute).
set -euo pipefail
cd "$(dirname "$0")/.."
exec "$(tools/go-tool.sh github.com/rhysd/actionlint/cmd/actionlint v1.7.12)" -color=false "$@"
