#!/usr/bin/env bash
# Makes a machine ready for `make demo` and `make test`: the Debian packages that are missing, then .venv, for which
# tools/python.sh alone is enough. Says what it installs; does nothing when nothing is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

# Prints the Debian packages of the programs that are not there, one a line.
missing_packages() {
    command -v redis-server >/dev/null || echo redis-server
    command -v prometheus >/dev/null && command -v promtool >/dev/null || echo prometheus
    command -v prometheus-node-exporter >/dev/null || echo prometheus-node-exporter
    command -v prometheus-alertmanager >/dev/null && command -v amtool >/dev/null || echo prometheus-alertmanager
    command -v victoria-metrics >/dev/null && command -v vmalert >/dev/null || echo victoria-metrics
    [ -x /usr/sbin/pgbouncer ] || echo pgbouncer
    command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || echo nginx-light
    command -v openssl >/dev/null || echo openssl
    # Debian keeps PostgreSQL's programs off the search path.
    compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null || echo postgresql
    local python
    python=$(tools/python.sh find)
    if [ -z "$python" ]; then
        printf '%s\n' python3 python3-venv
    elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        echo python3-venv
    fi
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# The packages would start services on their default ports, now and at every boot, and PostgreSQL's would make a
# cluster. This project starts its own processes on free ports, so none of that is wanted.
install_packages() {
    local log policy=/usr/sbin/policy-rc.d cluster=/etc/postgresql-common/createcluster.conf
    if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
        echo "Missing, and neither root nor sudo to install it: $*" >&2
        return 1
    fi
    echo "Installing Debian packages: $*"
    log=$(mktemp)
    trap undo_no_services EXIT
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod +x "$policy"
        made_policy=$policy
    fi
    if [ ! -e "$cluster" ]; then
        as_root mkdir -p "${cluster%/*}"
        echo 'create_main_cluster = false' | as_root tee "$cluster" >/dev/null
        made_cluster=$cluster
    fi
    as_root apt-get update -q >"$log" 2>&1 || true
    if ! as_root env DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1 \
        apt-get install -y -q --no-install-recommends "$@" >>"$log" 2>&1; then
        cat "$log" >&2
        return 1
    fi
    rm -f "$log"
    undo_no_services
    if [ -d /run/systemd/system ]; then
        local package
        for package in "$@"; do
            case $package in
                python3*) ;;
                nginx-light) as_root systemctl --quiet disable nginx 2>/dev/null || true ;;
                *) as_root systemctl --quiet disable "$package" 2>/dev/null || true ;;
            esac
        done
    fi
}

made_policy=""
made_cluster=""
undo_no_services() {
    [ -z "$made_policy" ] || as_root rm -f "$made_policy"
    made_policy=""
    if [ -n "$made_cluster" ]; then
        # As the package would have installed it.
        as_root cp /usr/share/postgresql-common/createcluster.conf "$made_cluster" 2>/dev/null \
            || as_root rm -f "$made_cluster"
        made_cluster=""
    fi
}

mapfile -t packages < <(missing_packages)
[ ${#packages[@]} -eq 0 ] || install_packages "${packages[@]}"
tools/python.sh
