#!/usr/bin/env bash
# Usage: build_control_plane.sh FOLDER. Puts etcd, kube-apiserver, kube-controller-manager,
# kube-scheduler and kubectl below FOLDER/bin: Debian has no package of three of them, but their
# source (Kubernetes 1.20) with all it needs. Some five minutes on two cores; apt's own lists stay as they are.
set -euo pipefail
folder=$(realpath "$1")
work=$folder/build
mkdir -p "$work"/{lists/partial,parts,deb,src,gopath/src/k8s.io,tmp} "$folder/bin"
cd "$work"
# Debian's own entries, with their sources.
touch sources.list
[ ! -f /etc/apt/sources.list ] || sed -n 'p; s/^deb /deb-src /p' /etc/apt/sources.list >sources.list
for each in $(grep -lw bookworm /etc/apt/sources.list.d/*.sources || true); do
  sed 's/^Types: deb$/Types: deb deb-src/' "$each" >"parts/$(basename "$each")"
done
apt=(apt-get -qq -o "Dir::Etc::sourcelist=$work/sources.list" -o "Dir::Etc::sourceparts=$work/parts"
  -o "Dir::State::lists=$work/lists" -o APT::Sandbox::User=root)
"${apt[@]}" update
(cd deb && "${apt[@]}" download golang-1.19-go golang-1.19-src etcd-server \
  golang-github-modern-go-reflect2-dev)
for each in deb/*.deb; do dpkg -x "$each" root; done
(cd src && "${apt[@]}" source --download-only kubernetes && tar xzf ./*.orig.tar.gz)
source=$(echo "$work"/src/kubernetes-*/)
# The copy in the source takes maps for what they were before Go 1.18, and ends the server.
reflect=${source}vendor/github.com/modern-go/reflect2
rm -f "$reflect"/*
cp root/usr/share/gocode/src/github.com/modern-go/reflect2/*.{go,s} "$reflect"/
rm -f "$reflect"/*_test.go
ln -sfn "$source" gopath/src/k8s.io/kubernetes
export GOROOT=$work/root/usr/lib/go-1.19 GOPATH=$work/gopath GOTMPDIR=$work/tmp GO111MODULE=off
export GOPROXY=off CGO_ENABLED=0 PATH=$work/root/usr/lib/go-1.19/bin:$PATH
export GOCACHE=${GOCACHE:-$work/cache}
cd gopath/src/k8s.io/kubernetes
# Kubernetes generates this file when it is made; everything else of the kind is in the source.
go build -o "$work/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
packages=$(grep -rl --include='*.go' '+k8s:openapi-gen=' staging/src/k8s.io pkg cmd |
  grep -vE '_test\.go|testdata|zz_generated|/sample-|/generators/|/code-generator/' |
  xargs -n1 dirname | sort -u |
  sed -E 's#^staging/src/#k8s.io/kubernetes/vendor/#; s#^(pkg|cmd)/#k8s.io/kubernetes/\1/#' |
  paste -sd,)
"$work/openapi-gen" -O zz_generated.openapi -h hack/boilerplate/boilerplate.generatego.txt \
  -p k8s.io/kubernetes/pkg/generated/openapi -o "$work/gopath/src" -r /dev/null -i "$packages"
version=k8s.io/kubernetes/vendor/k8s.io/component-base/version
for each in kube-apiserver kube-controller-manager kube-scheduler kubectl; do
  go build -o "$folder/bin/$each" \
    -ldflags "-s -w -X $version.gitVersion=v1.20.2 -X $version.gitMajor=1 -X $version.gitMinor=20" \
    "k8s.io/kubernetes/cmd/$each"
done
cp "$work/root/usr/bin/etcd" "$folder/bin/"
rm -rf "$work"
