#!/usr/bin/env bash
# Builds a Kubernetes API server and its etcd from source into .cache, unless they are there, and prints their directory.
# Needs Go, 6 GB of disk meanwhile, and a quarter of an hour.
set -euo pipefail
cd "$(dirname "$0")/.."

version=v1.37.2
directory=$PWD/.cache/kubernetes-$version
work=$directory/work

# Go refuses to build a program whose module is put together from folders of its repository: here they are the modules
# that were published of these folders.
build() { # module, its version, version of its parts, package, name
    local source
    mkdir -p "$work/$5"
    cd "$work/$5"
    rm -f go.mod go.sum
    source=$(go mod download -json "$1@$2" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
    printf 'module build\n\nrequire %s %s\n' "$1" "$2" >go.mod
    sed -n 's/^go 1.*/&/p; s/^godebug .*/&/p' "$source/go.mod" >>go.mod
    sed -nE "s#^\s*(\S+) => \.\.?/.*#replace \1 => \1 $3#p" "$source/go.mod" >>go.mod
    nice go build -trimpath -ldflags "-s -w ${6:-}" -o "$directory/$5" "$4"
    cd - >/dev/null
}

if [ ! -x "$directory/etcd" ] || [ ! -x "$directory/kube-apiserver" ]; then
    echo "Building Kubernetes $version" >&2
    export GOPATH=$work/path GOCACHE=$work/cache GOFLAGS='-mod=mod -modcacherw' GOTOOLCHAIN=local
    about=k8s.io/component-base/version
    build go.etcd.io/etcd/server/v3 v3.7.3 v3.7.3 go.etcd.io/etcd/server/v3 etcd >&2
    build k8s.io/kubernetes "$version" "v0.${version#v1.}" k8s.io/kubernetes/cmd/kube-apiserver kube-apiserver \
        "-X $about.gitVersion=$version -X $about.gitMajor=1 -X $about.gitMinor=$(cut -d. -f2 <<<"$version")" >&2
    rm -rf "$work"
fi
echo "$directory"
