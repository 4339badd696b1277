#!/usr/bin/env bash
# Prints how Docker Compose is called here: the installed one when it is 2.26 or newer, the first that is as strict as
# its successors, or else the one of Debian 13, which this fetches into .cache. Asked only what it makes of a file, it
# needs no Docker engine. A Debian 12 or 13 has the keys that the package is checked with.
set -euo pipefail
cd "$(dirname "$0")/.."

installed=$(docker compose version --short 2>/dev/null || true)
if [ -n "$installed" ] && printf '2.26\n%s\n' "${installed#v}" | sort -V -C; then
    echo docker compose
    exit
fi

directory=$PWD/.cache/docker-compose
if [ ! -x "$directory/docker-compose" ]; then
    temporary=$(mktemp -d)
    trap 'rm -rf "$temporary"' EXIT
    mkdir -p "$directory" "$temporary"/{state/lists/partial,cache/archives/partial}
    keys=/usr/share/keyrings/debian-archive-keyring.gpg
    echo "deb [signed-by=$keys] http://deb.debian.org/debian trixie main" >"$temporary/sources.list"
    debian() { # apt-get, with nothing of this machine's but its proxy
        apt-get -qq -o Dir::State="$temporary/state" -o Dir::State::status=/dev/null -o Dir::Cache="$temporary/cache" \
            -o Dir::Etc::SourceList="$temporary/sources.list" -o Dir::Etc::SourceParts=/dev/null "$@" >&2
    }
    debian -o Acquire::Languages=none -o APT::Sandbox::User=root update
    (cd "$temporary" && debian -o APT::Sandbox::User=root download docker-compose)
    dpkg-deb --fsys-tarfile "$temporary"/docker-compose_*.deb \
        | tar -xO ./usr/libexec/docker/cli-plugins/docker-compose >"$temporary/docker-compose"
    chmod +x "$temporary/docker-compose"
    mv "$temporary/docker-compose" "$directory/"
fi
echo "$directory/docker-compose"
