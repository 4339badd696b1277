#!/usr/bin/env bash
# Runs the tests, with the files that they write in memory where there is room for them: each test has databases of its
# own, which a disk makes ten times as slow. Options go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."

memory=/dev/shm
room=$(df --output=avail -BG "$memory" 2>/dev/null | tail -1 | tr -dc 0-9)
if [ "${room:-0}" -ge 8 ]; then
    TMPDIR=$(mktemp -d "$memory/ticketing-tests-XXXXXX")
    export TMPDIR
    # PostgreSQL's user reads there, too.
    chmod 755 "$TMPDIR"
    trap 'rm -rf "$TMPDIR"' EXIT
fi
.venv/bin/python -m pytest --dist worksteal "$@"
