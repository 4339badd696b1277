#!/usr/bin/env bash
# The stack of docker-compose.yml on a real engine: what `docker` speaks to, with the images that it pulls; or, where
# there is none, one of its own (tools/engine.sh) with stand-ins for the images (tools/standins.sh), which stops at the
# end. Arguments go to pytest. Needs root for the networks of its clients, curl and Chromium.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v curl >/dev/null || { echo "curl is not installed" >&2; exit 1; }
tools/identity.sh
if ! docker info >/dev/null 2>&1; then
    trap 'tools/engine.sh stop' EXIT
    variables=$(tools/engine.sh start)
    eval "$variables"
    tools/standins.sh
fi
.venv/bin/python -m pytest -m slow tests/compose/engine "$@"
