#!/usr/bin/env bash
# Runs Helm, which is built into .cache the first time (needs Go, some minutes): tools/helm.sh template …
set -euo pipefail
exec "$("$(dirname "$0")"/go-tool.sh helm.sh/helm/v3/cmd/helm v3.22.0)" "$@"
