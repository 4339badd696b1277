#!/usr/bin/env bash
# Lets everybody read what docker-compose.yml mounts. Containers have users of their own, and Docker keeps the modes of a
# checkout and of what `make` writes, which a umask such as 077 closes. Secrets are not among it: see tools/secrets.sh.
set -euo pipefail
cd "${1:-"$(dirname "$0")/.."}"
shopt -s nullglob
chmod -R go+rX alertmanager/alertmanager.yml alertmanager/templates deploy/compose contrib/store gateway/keycloak.sh \
    gateway/rendered/* deploy/rendered/* grafana prometheus
