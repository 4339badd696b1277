#!/usr/bin/env bash
# Writes the hash-locked requirements of the container images, with the versions of constraints.txt.
set -euo pipefail
cd "$(dirname "$0")/.."
.venv/bin/python -c 'import piptools' 2>/dev/null || .venv/bin/python -m pip install -q --disable-pip-version-check pip-tools

lock() { # target, more options
    local target=$1
    shift
    CUSTOM_COMPILE_COMMAND="make lock" .venv/bin/pip-compile -q --generate-hashes --strip-extras --allow-unsafe \
        --no-emit-find-links --no-emit-index-url -c constraints.txt -o "$target" "$@" pyproject.toml
    # An extra that names the project itself would have it installed from a directory.
    sed -i '/^# WARNING: pip install will require/,/^    # via ticketing-monitor/d' "$target"
}

lock deploy/compose/requirements.txt
lock deploy/compose/requirements-responder.txt --extra aws
lock deploy/compose/requirements-demo.txt --extra demo
