#!/bin/bash
# Starts Keycloak with its secrets from files, which it cannot read itself. The realm is imported when it is not there
# yet; the placeholders in it are these variables.
set -euo pipefail
secret() { printf '%s' "$(<"/run/secrets/$1")"; }

GATE_OIDC_SECRET=$(secret gate_oidc_secret)
GRAFANA_OIDC_SECRET=$(secret grafana_oidc_secret)
KC_DB_PASSWORD=$(secret keycloak_database_password)
KC_BOOTSTRAP_ADMIN_USERNAME=admin
KC_BOOTSTRAP_ADMIN_PASSWORD=$(secret keycloak_admin_password)
export GATE_OIDC_SECRET GRAFANA_OIDC_SECRET KC_DB_PASSWORD KC_BOOTSTRAP_ADMIN_USERNAME KC_BOOTSTRAP_ADMIN_PASSWORD

exec /opt/keycloak/bin/kc.sh start --optimized --import-realm
