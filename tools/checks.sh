#!/usr/bin/env bash
# Looks for what weakens images, manifests, templates and workflows: checkov and zizmor, in an environment of their own,
# which is made under .cache the first time (300 MB). What one of them finds is mended, or justified in its file.
#
#     tools/checks.sh [MANIFESTS…]    files of manifests, instead of all of the repository
set -euo pipefail
cd "$(dirname "$0")/.."

directory=$(tools/environment.sh tools/checks.txt)

checkov() {
    "$directory/bin/checkov" --quiet --compact --skip-download "$@"
}

if [ $# -gt 0 ]; then
    checkov --framework kubernetes --file "$@"
    exit
fi
mapfile -t images < <(git ls-files '*Dockerfile')
checkov --framework dockerfile --file "${images[@]}"
checkov --framework kubernetes --directory deploy/kubernetes
checkov --framework cloudformation --directory contrib/aws
"$directory/bin/zizmor" --offline --quiet --persona=pedantic .github
