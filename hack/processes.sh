#!/usr/bin/env bash
# Runs Berth's two processes on this machine, for a cluster whose pods are only simulated.
# usage: processes.sh start NAMESPACE IMAGE API_PORT | processes.sh stop
set -euo pipefail
cd "$(dirname "$0")/.."
dir=$PWD/${RUN_DIR:-.run}/processes

# stop ends what start began: by its pid, and only while that is still the program it was.
stop() {
  local file pid program
  for file in "$dir"/*.pid; do
    [ -f "$file" ] || continue
    pid=$(cat "$file") program=$(basename "$file" .pid)
    if [ "$(basename "$(readlink "/proc/$pid/exe" 2>/dev/null)")" = "$program" ]; then
      kill "$pid"
      timeout 30 tail --pid="$pid" -f /dev/null # its successor wants the same ports and log
    fi
    rm -f "$file"
  done
}

run() {
  local program=$1
  shift
  nohup "bin/$program" "$@" >"$dir/$program.log" 2>&1 </dev/null &
  echo $! >"$dir/$program.pid"
}

case ${1:-} in
start)
  make --no-print-directory build
  mkdir -p "$dir"
  stop
  run berth-manager --kubeconfig "$KUBECONFIG" --namespace "$2" --agent-image "$3" --aggregation=false \
    --metrics-bind-address 0 --health-probe-bind-address 0
  run berth-apiserver --kubeconfig "$KUBECONFIG" --namespace "$2" --access-url "http://127.0.0.1:$4" \
    --bind-address 127.0.0.1 --http-port "$4" --secure-port 0 --metrics-port 0
  ;;
stop) stop ;;
*) echo 'usage: processes.sh start NAMESPACE IMAGE API_PORT | processes.sh stop' >&2; exit 2 ;;
esac
