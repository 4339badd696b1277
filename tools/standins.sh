#!/usr/bin/env bash
# Makes those images of docker-compose.yml that the engine does not have, from Debian's packages, under their official
# names: for `make test-compose` alone, on an engine of its own. Their versions are Debian's, whatever the tag says.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${DOCKER_HOST:?of an engine for tests: the names of official images would hide the real ones on any other}"
cache=${STANDINS_DIR:-/var/tmp/ticketing-standins}
suite=trixie

if ! docker image inspect ticketing-standin-base >/dev/null 2>&1; then
    if [ ! -e "$cache/made" ]; then
        rm -rf "$cache" && mkdir -p "$cache"
        debootstrap --variant=minbase --include=ca-certificates "$suite" "$cache/base" >"$cache/log" 2>&1 || { tail -5 "$cache/log" >&2; exit 1; }
        # A machine that has an authority of its own reaches Debian and PyPI through it.
        cp /etc/ssl/certs/ca-certificates.crt "$cache/base/usr/local/share/authorities.crt"
        touch "$cache/made"
    fi
    tar -C "$cache/base" -c . | docker import - ticketing-standin-base >/dev/null
fi

# Names and tags as Compose resolves them, and as our Dockerfiles begin.
wanted() {
    PLATFORM_POSTGRES_ADDRESS=x PLATFORM_POSTGRES_DATABASE=x docker compose --profile '*' config --images
    sed -nE 's/^ARG PYTHON_VERSION=(.*)/python:\1-slim-trixie/p' Dockerfile
    sed -nE 's/^ARG KEYCLOAK_VERSION=(.*)/quay.io\/keycloak\/keycloak:\1/p' gateway/keycloak.Dockerfile
}

for image in $(wanted | sort -u); do
    case $image in
        nginxinc/nginx-unprivileged:*) target=nginx ;;
        *oauth2-proxy:*) target=oauth2-proxy ;;
        quay.io/keycloak/*) target=keycloak ;;
        python:* | postgres:* | redis:*) target=${image%%:*} ;;
        prom/*) target=${image#prom/} target=${target%%:*} ;;
        grafana/grafana:*) target=grafana ;;
        *) continue ;; # our own, and those that Debian does not have
    esac
    docker image inspect "$image" >/dev/null 2>&1 && continue
    echo "stand-in for $image"
    docker build -q --build-context identity=.cache/identity --target "$target" -t "$image" testbed/containers >/dev/null
done
