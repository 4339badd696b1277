#!/bin/sh
# Gives the contract's two roles of the demo's platform their passwords; the simulator finds them there.
set -eu
for role in reader responder; do
    psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" \
        -v role="monitoring_$role" -v password="$(cat "/run/secrets/platform_${role}_password")" <<'SQL'
CREATE ROLE :"role" LOGIN PASSWORD :'password';
SQL
done
