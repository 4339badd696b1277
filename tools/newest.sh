#!/usr/bin/env bash
# Says which pins of .env.example have a newer release, as far as package registries know: the Go module proxy, Maven
# Central and npm; and what is known against the locked Python packages, of which PyPI keeps count. Needs Go, Maven and npm.
# Changes nothing. Registries do not have release notes: read those of what is newer, above all what they say of security.
set -euo pipefail
cd "$(dirname "$0")/.."

pin() { sed -nE "s/^$1=v?(.*)/\1/p" .env.example; }
line() { # variable, newest
    local pinned
    pinned=$(pin "$1")
    if [ -z "$2" ]; then
        printf '%-24s %-10s not known to a registry\n' "$1" "$pinned"
    elif [ "$(printf '%s\n%s\n' "$pinned" "$2" | sort -V | tail -1)" = "$pinned" ]; then
        printf '%-24s %-10s newest\n' "$1" "$pinned"
    else
        printf '%-24s %-10s newer: %s\n' "$1" "$pinned" "$2"
    fi
}
# Releases of a Go module, the newest last; without candidates.
go_releases() { go list -m -versions "$1" | tr ' ' '\n' | sed -nE 's/^v([0-9.]+)$/\1/p' | sort -V; }

line ALERTMANAGER_VERSION "$(go_releases github.com/prometheus/alertmanager | tail -1)"
line NODE_EXPORTER_VERSION "$(go_releases github.com/prometheus/node_exporter | tail -1)"
# The module of Prometheus 3.16.0 is v0.316.0.
line PROMETHEUS_VERSION "$(go_releases github.com/prometheus/prometheus \
    | sed -nE 's/^0\.([0-9])([0-9]{2})\.([0-9]+)$/\1.\2.\3/p' | sed -E 's/\.0([0-9])\./.\1./' | sort -V | tail -1)"
line OAUTH2_PROXY_VERSION "$(go_releases github.com/oauth2-proxy/oauth2-proxy/v7 | tail -1)"
line VICTORIAMETRICS_VERSION "$(go_releases github.com/VictoriaMetrics/VictoriaMetrics | tail -1)"
line GRAFANA_VERSION "$(npm view @grafana/data version)" # released with Grafana, under its number
newest_keycloak() {
    local directory
    directory=$(mktemp -d)
    mvn -q -B dependency:copy -Dartifact=org.keycloak:keycloak-parent:RELEASE:pom -DoutputDirectory="$directory" >&2
    find "$directory" -name '*.pom' | sed -nE 's/.*-([0-9.]+)\.pom$/\1/p'
    rm -rf "$directory"
}
line KEYCLOAK_VERSION "$(newest_keycloak || true)"
for name in NGINX POSTGRES REDIS; do line "${name}_VERSION" ""; done

.venv/bin/python -c 'import pip_audit' 2>/dev/null || .venv/bin/python -m pip install -q --disable-pip-version-check pip-audit
for lock in deploy/compose/requirements*.txt; do
    told=$(.venv/bin/python -m pip_audit --progress-spinner off --no-deps --disable-pip -r "$lock" 2>&1 || true)
    if grep -q "could not be audited" <<<"$told"; then
        echo "$lock: not known: this machine's PyPI does not say what is known against a release"
    else
        echo "$lock: $(grep -v WARNING <<<"$told")"
    fi
done
