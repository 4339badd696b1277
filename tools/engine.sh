#!/usr/bin/env bash
# A Docker engine for `make test-compose` on a machine that has none: Debian's docker.io in namespaces of its own. Nothing
# of this machine's network, services or /var is touched.
#
#     tools/engine.sh start      makes it (a minute, 1 GB) and starts it; prints what to export
#     tools/engine.sh env        prints that again
#     tools/engine.sh restart    ends dockerd as its service would and starts it again
#     tools/engine.sh stop
#
# ENGINE_DIR says where it lives (/var/tmp/ticketing-engine). Needs root, debootstrap, util-linux and procps.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
export ENGINE_DIR=${ENGINE_DIR:-/var/tmp/ticketing-engine} ENGINE_SHARED="$here /tmp"
export ENGINE_ROOT=$ENGINE_DIR/root
suite=trixie
packages="docker.io docker-cli docker-compose docker-buildx iptables iproute2 slirp4netns ca-certificates"

# The process with the network of the engine, as this machine numbers it: a child of the first one inside.
holder() {
    local outer first
    outer=$(cat "$ENGINE_DIR/pid" 2>/dev/null) && [ -d "/proc/$outer" ] || return 1
    first=$(pgrep -P "$outer" | head -1) && [ -n "$first" ] || return 1
    pgrep -P "$first" -f engine-network | head -1
}

make_root() {
    [ ! -e "$ENGINE_DIR/made" ] || return 0
    command -v debootstrap >/dev/null || { echo "debootstrap is not installed" >&2; exit 1; }
    rm -rf "$ENGINE_ROOT"
    mkdir -p "$ENGINE_DIR/config/cli-plugins" "$ENGINE_DIR/bin"
    debootstrap --variant=minbase --include="${packages// /,}" --exclude=systemd "$suite" "$ENGINE_ROOT" \
        >"$ENGINE_DIR/made.log" 2>&1 || { tail -5 "$ENGINE_DIR/made.log" >&2; exit 1; }
    find "$ENGINE_ROOT/usr/lib" "$ENGINE_ROOT/usr/libexec" -path '*docker/cli-plugins/*' -type f \
        -exec cp {} "$ENGINE_DIR/config/cli-plugins/" \;
    rm -rf "$ENGINE_ROOT"/var/cache/apt/archives/*.deb
    touch "$ENGINE_DIR/made"
}

# Runs as the first process of its namespaces, and ends with all that is in them.
inside() {
    local place
    mount --bind "$ENGINE_ROOT" "$ENGINE_ROOT"
    cd "$ENGINE_ROOT"
    mount -t proc proc proc
    mount --rbind /sys sys
    mount --rbind /dev dev
    mount -t tmpfs tmpfs run
    for place in "$ENGINE_DIR" $ENGINE_SHARED; do
        mkdir -p ".$place"
        mount --rbind "$place" ".$place"
    done
    echo "nameserver 10.0.2.3" >etc/resolv.conf # of slirp4netns
    cp /etc/ssl/certs/ca-certificates.crt etc/ssl/certs/
    mkdir -p outside
    pivot_root . outside
    umount -l /outside
    cd /
    # shellcheck disable=SC2016
    unshare --net bash -c '
        ip link set lo up
        until ip link show tap0 >/dev/null 2>&1; do sleep 0.1; done
        while :; do
            rm -f /run/docker.pid
            dockerd --host "unix://$ENGINE_DIR/docker.sock" --data-root "$ENGINE_DIR/data" --log-level warn || true
            sleep 1
        done' engine-network &
    sleep 0.5
    slirp4netns --configure --mtu=1500 --disable-host-loopback $! tap0 &
    wait # as the first process it reaps what others leave
}

environment() {
    local pid
    pid=$(holder) || { echo "the engine is not running" >&2; exit 1; }
    echo "export DOCKER_HOST=unix://$ENGINE_DIR/docker.sock DOCKER_CONFIG=$ENGINE_DIR/config ENGINE_NETWORK=/proc/$pid/ns/net"
    if ! command -v docker >/dev/null; then
        printf '#!/bin/sh\nexec nsenter --mount --wd="$PWD" --target %s docker "$@"\n' "$pid" >"$ENGINE_DIR/bin/docker"
        chmod +x "$ENGINE_DIR/bin/docker"
        echo "export PATH=$ENGINE_DIR/bin:\$PATH"
    fi
}

answers() { [ -S "$ENGINE_DIR/docker.sock" ] && curl -sf -o /dev/null --unix-socket "$ENGINE_DIR/docker.sock" http://engine/_ping; }

wait_for_it() {
    local tries
    for tries in $(seq 120); do
        ! answers || return 0
        sleep 0.5
    done
    tail -5 "$ENGINE_DIR/log" >&2
    echo "the engine did not start within a minute" >&2
    return 1
}

case ${1:-} in
    start)
        mkdir -p "$ENGINE_DIR"
        if ! holder >/dev/null; then
            make_root
            rm -f "$ENGINE_DIR/docker.sock"
            setsid unshare --mount --pid --fork --kill-child --propagation private bash "$0" inside >"$ENGINE_DIR/log" 2>&1 </dev/null &
            echo $! >"$ENGINE_DIR/pid"
        fi
        wait_for_it
        environment
        ;;
    inside) inside ;;
    env) environment ;;
    restart)
        pkill -TERM -P "$(holder)" dockerd
        while answers; do sleep 0.2; done
        wait_for_it
        ;;
    stop)
        if holder >/dev/null; then
            pkill -TERM -P "$(holder)" dockerd || true # which ends the containers, as far as it has time
            for _ in $(seq 60); do answers || break; sleep 0.5; done
            kill -KILL "$(cat "$ENGINE_DIR/pid")" # unshare heeds no other; all that is inside ends with it
        fi
        rm -f "$ENGINE_DIR/pid"
        ;;
    *) sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
