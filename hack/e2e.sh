#!/usr/bin/env bash
# What `make e2e` does: a cluster of its own beside a developer's, Berth on it by `make up`, and the tests over both.
#   KEEP=1    leaves the cluster standing, to look into it
#   ARGS      further arguments for go test, such as -ginkgo.focus
set -euo pipefail
cd "$(dirname "$0")/.."
export NAME=berth-e2e RUN_DIR=.run-e2e PORT=16543 API_PORT=8180
run=$PWD/$RUN_DIR

if [ "$(id -u)" != 0 ] || [ "$(uname -s)" != Linux ]; then
  echo 'make e2e needs real pods: run it as root on Linux' >&2
  exit 1
fi
finish() {
  local code=$?
  if [ $code -ne 0 ]; then
    eval "$("$run/bin/cluster" env --name "$NAME" --state "$run/cluster")" || true
    kubectl get pods,pvc,berth -A -o wide || true
    for d in berth-manager berth-apiserver; do kubectl logs -n berth-system "deployment/$d" --tail=60 || true; done
  fi >&2
  [ -n "${KEEP:-}" ] || hack/down.sh
  exit $code
}
trap finish EXIT

hack/up.sh
eval "$("$run/bin/cluster" env --name "$NAME" --state "$run/cluster")"
if [ "$(kubectl get nodes -o 'jsonpath={.items[0].metadata.annotations.kwok\.x-k8s\.io/node}')" = fake ]; then
  echo 'make e2e needs real pods, and this node only simulates them: what it lacks stands above' >&2
  exit 1
fi
# shellcheck disable=SC2086 # ARGS are words
BERTH_E2E_URL=http://127.0.0.1:$API_PORT BERTH_E2E_OWNER=$run/owner go test -tags e2e -count=1 -timeout 30m ./internal/testing/e2e ${ARGS:-}
[ -n "${KEEP:-}" ] || hack/down.sh
# what the node itself promises: addresses, volumes, names, and that nothing is left behind
go test -C hack/cluster -tags node -count=1 -timeout 20m ./...
