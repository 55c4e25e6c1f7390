#!/usr/bin/env bash
# What `make e2e` does: a cluster of its own beside a developer's, Berth on it by `make up`, and the tests over both.
#   KEEP=1    leaves the cluster standing, to look into it
#   ARGS      further arguments for go test, such as -ginkgo.focus
set -euo pipefail
cd "$(dirname "$0")/.."
export NAME=berth-e2e STATE=$PWD/.run/e2e PORT=16543 API_PORT=8180

if [ "$(id -u)" != 0 ] || [ "$(uname -s)" != Linux ]; then
  echo 'make e2e needs real pods: run it as root on Linux' >&2
  exit 1
fi
finish() {
  local code=$?
  if [ $code -ne 0 ]; then
    mkdir -p .run/e2e-logs
    KUBECONFIG=$STATE/kubeconfig kubectl get pods,pvc,berth -A -o wide >.run/e2e-logs/objects.txt 2>&1 || true
    for d in berth-manager berth-apiserver; do
      KUBECONFIG=$STATE/kubeconfig kubectl logs -n berth-system "deployment/$d" --tail=300 >".run/e2e-logs/$d.log" 2>&1 || true
    done
    tail -n 40 .run/e2e-logs/*
  fi
  [ -n "${KEEP:-}" ] || go run -C hack/cluster . down --name "$NAME" --state "$STATE"
  exit $code
}
trap finish EXIT

hack/up.sh
eval "$(.run/bin/cluster env --name "$NAME" --state "$STATE")"
# shellcheck disable=SC2086 # ARGS are words
BERTH_E2E_URL=http://127.0.0.1:$API_PORT go test -tags e2e -count=1 -timeout 30m ${ARGS:-} ./internal/testing/e2e
# what the node itself promises: addresses, volumes, names, and that nothing is left behind
go test -C hack/cluster -tags node -count=1 -timeout 20m ./...
