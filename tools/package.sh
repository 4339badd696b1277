#!/usr/bin/env bash
# Builds into dist/ what a release has besides images: wheel, source, chart, the monitoring part for kustomize, and a list
# of the Python packages in each image (CycloneDX). All have the version of pyproject.toml, and a tag must say the same.
#
#     tools/package.sh [TAG]    such as v0.1.0
set -euo pipefail
cd "$(dirname "$0")/.."

python=$(tools/environment.sh tools/package.txt)/bin/python
version=$("$python" -c 'import tomllib; print(tomllib.load(open("pyproject.toml", "rb"))["project"]["version"])')
if [ "${1:-v$version}" != "v$version" ]; then
    echo "The tag is $1, and pyproject.toml says $version" >&2
    exit 1
fi
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH

rm -rf dist
mkdir dist
"$python" -m build --outdir dist . >/dev/null
tools/helm.sh package deploy/helm/ticketing-monitor --version "$version" --app-version "$version" --destination dist 2>/dev/null
tools/python.sh
.venv/bin/python -m deploy.kubernetes dist/monitoring
tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner -C dist -c monitoring \
    | gzip -n >"dist/ticketing-monitor-$version-monitoring.tar.gz"
rm -r dist/monitoring
while read -r image requirements; do
    "$python" -m cyclonedx_py requirements "deploy/compose/$requirements" --pyproject pyproject.toml \
        --output-reproducible --of JSON -o "dist/ticketing-$image-$version.python.cdx.json"
done <<'IMAGES'
exporter requirements.txt
responder requirements-responder.txt
IMAGES
ls dist
