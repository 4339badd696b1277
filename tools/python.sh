#!/usr/bin/env bash
# Makes .venv with the Python packages that are pinned in constraints.txt; does nothing when it is up to date. Installs
# nothing else. `tools/python.sh find` prints the Python that it is made with, or nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

PYTHON_AT_LEAST='import sys; sys.exit(sys.version_info < (3, 11))'

# Prints a Python that is new enough, or nothing.
find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11; do
        if [ -n "$candidate" ] && command -v "$candidate" >/dev/null \
            && "$candidate" -c "$PYTHON_AT_LEAST" 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
}

if [ "${1:-}" = find ]; then
    find_python
    exit
fi

stamp=.venv/.installed
wanted=$(sha256sum pyproject.toml constraints.txt)
[ "$(cat "$stamp" 2>/dev/null || true)" != "$wanted" ] || exit 0
if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    python=$(find_python)
    if [ -z "$python" ] || ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        echo "Python 3.11 or newer is needed, with venv (Debian: python3-venv), or PYTHON that names one" >&2
        exit 1
    fi
    "$python" -m venv --clear .venv
fi
echo "Installing Python packages into .venv (pinned in constraints.txt)"
.venv/bin/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
echo "$wanted" >"$stamp"
