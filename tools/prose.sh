#!/usr/bin/env bash
# Checks the words of README, docs, runbooks and alert texts: proselint (settings in prose.json) in an environment of its own,
# and the vocabulary and length of sentences of reference/prose.py.
set -euo pipefail
cd "$(dirname "$0")/.."

environment=$(tools/environment.sh tools/prose.txt)
exec .venv/bin/python -m reference.prose "$environment/bin/proselint" --config tools/prose.json
