#!/usr/bin/env bash
# Makes every secret of docker-compose.yml that is not there yet, with strong random values, and a self-signed
# certificate for a first try. Never replaces one: delete a file to have it made anew. Usage: tools/secrets.sh [root]
#
# Docker Compose mounts the files with their owner and mode, so they are readable, inside directories that are not.
set -euo pipefail
cd "${1:-"$(dirname "$0")/.."}"
umask 022
host=${MONITORING_HOST:-$(sed -nE "s/^MONITORING_HOST=[\"']?([^\"' #]*).*/\1/p" .env 2>/dev/null || true)}
host=${host:-monitoring.nft-ticketing.com}

mkdir -p secrets alertmanager/secrets
chmod 700 secrets alertmanager/secrets
made=0

put() { # file, value: without a newline at the end, which some would take for a part of it
    if [ ! -s "$1" ]; then
        printf '%s' "$2" >"$1"
        chmod 444 "$1"
        made=$((made + 1))
    fi
}
random() { openssl rand -hex 24; } # fits into a URL as it is
value() { cat "secrets/$1"; }

for name in keycloak_admin_password keycloak_database_password gate_oidc_secret grafana_oidc_secret grafana_secret_key \
    redis_password responder_read_token platform_reader_password platform_responder_password platform_redis_password \
    platform_postgres_password; do
    put "secrets/$name" "$(random)"
done
put secrets/gate_cookie_secret "$(openssl rand -base64 24 | tr '+/' '-_')" # 32 characters: an AES-256 key

# Of the simulated platform; replace them with those of a real one.
put secrets/platform_reader_dsn "postgresql://monitoring_reader:$(value platform_reader_password)@platform-postgres:5432/ticketing"
put secrets/platform_responder_dsn \
    "postgresql://monitoring_responder:$(value platform_responder_password)@platform-postgres:5432/ticketing"
put secrets/platform_owner_dsn "postgresql://platform:$(value platform_postgres_password)@platform-postgres:5432/ticketing"
put secrets/platform_redis_url "redis://:$(value platform_redis_password)@platform-redis:6379/0"

put alertmanager/secrets/responder_token "$(random)"
# Those of other services nobody can make up: shaped like one, good for nothing.
put alertmanager/secrets/heartbeat_token replace-me
put alertmanager/secrets/pagerduty_routing_key replace-me-with-the-routing-key0
put alertmanager/secrets/slack_webhook_url https://hooks.slack.example.com/services/replace-me
put alertmanager/secrets/smtp_password replace-me

if [ ! -s secrets/tls_certificate ] || [ ! -s secrets/tls_certificate_key ]; then
    rm -f secrets/tls_certificate secrets/tls_certificate_key
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 -subj "/CN=$host" \
        -addext "subjectAltName=DNS:$host" -addext basicConstraints=critical,CA:TRUE \
        -addext keyUsage=critical,digitalSignature,keyCertSign \
        -keyout secrets/tls_certificate_key -out secrets/tls_certificate 2>/dev/null
    chmod 444 secrets/tls_certificate secrets/tls_certificate_key
    made=$((made + 2))
    echo "self-signed, for 90 days, for $host: secrets/tls_certificate"
fi

echo "$made secrets made, in secrets/ and alertmanager/secrets/"
if grep -ls replace-me alertmanager/secrets/* >/dev/null; then
    echo "still to be replaced: $(grep -ls replace-me alertmanager/secrets/* | grep -v README | tr '\n' ' ')"
fi
if grep -ls '@platform-' secrets/platform_* >/dev/null; then
    echo "of the simulated platform; with a real one put its own: $(grep -ls '@platform-' secrets/platform_* | tr '\n' ' ')"
fi
