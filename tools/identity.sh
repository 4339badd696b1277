#!/usr/bin/env bash
# Fetches a real Keycloak and a real oauth2-proxy into .cache/identity, for `make test-identity`. Needs Go, Maven, a
# Java of 17 or newer, unzip and Chromium.
set -euo pipefail
cd "$(dirname "$0")/.."

# As in docker-compose.yml; a test holds them together.
KEYCLOAK=26.7.3
OAUTH2_PROXY=v7.15.4

cache=$PWD/.cache/identity
mkdir -p "$cache/go"

if [ ! -x "$cache/oauth2-proxy" ]; then
    echo "Building oauth2-proxy $OAUTH2_PROXY"
    cd "$cache/go"
    [ -f go.mod ] || go mod init example.com/identity 2>/dev/null
    go get -tool "github.com/oauth2-proxy/oauth2-proxy/v7@$OAUTH2_PROXY" 2>/dev/null
    GOBIN=$cache go install github.com/oauth2-proxy/oauth2-proxy/v7
    cd - >/dev/null
fi

if [ ! -d "$cache/keycloak" ]; then
    echo "Fetching Keycloak $KEYCLOAK"
    mvn -q dependency:copy "-Dartifact=org.keycloak:keycloak-quarkus-dist:$KEYCLOAK:zip" "-DoutputDirectory=$cache"
    unzip -q -o "$cache/keycloak-quarkus-dist-$KEYCLOAK.zip" -d "$cache"
    rm "$cache/keycloak-quarkus-dist-$KEYCLOAK.zip"
    "$cache/keycloak-$KEYCLOAK/bin/kc.sh" build --db=dev-mem --health-enabled=true --http-relative-path=/auth
    mv "$cache/keycloak-$KEYCLOAK" "$cache/keycloak"
fi

.venv/bin/python -c 'import playwright' 2>/dev/null \
    || .venv/bin/python -m pip install -q --disable-pip-version-check playwright
command -v chromium >/dev/null || { echo "Chromium is not installed: apt-get install chromium" >&2; exit 1; }
