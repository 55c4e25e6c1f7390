#!/usr/bin/env bash
# What `make down` does: takes away everything of `make up` but the cache of what was compiled.
set -euo pipefail
cd "$(dirname "$0")/.."
run=$PWD/${RUN_DIR:-.run}
hack/processes.sh stop
go run -C hack/cluster . down --name "${NAME:-berth}" --state "$run/cluster"
rm -rf "$run"
