#!/usr/bin/env bash
# Usage: lock.sh UV. One lock for CPU machines (without NCCL, see overrides.txt), with what tests and
# lint need; one of these without it, for containers; one for GPUs; one for what benchmarks measure
# beside ours; one of the Dask operator, which tests run.
set -eu
cd "$(dirname "$0")/.."
uv=$(realpath "$1")
compile() {
  "$uv" pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
    --no-emit-find-links --custom-compile-command "make lock" "$@"
}
compile pyproject.toml --extra dev --override requirements/overrides.txt -o requirements/cpu.txt
cp requirements/cpu.txt requirements/run.txt  # whose versions stay
compile pyproject.toml --extra s3 --override requirements/overrides.txt -o requirements/run.txt
compile pyproject.toml --extra gpu -o requirements/gpu.txt
compile requirements/peers.in --override requirements/overrides.txt -o requirements/peers.txt
compile requirements/operator.in -o requirements/kubernetes.txt
grep '^uv==' requirements/cpu.txt | sed 's/ .*//' | compile - -o requirements/uv.txt
