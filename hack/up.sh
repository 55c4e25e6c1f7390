#!/usr/bin/env bash
# What `make up` does: a cluster, the images, the chart, the samples, and a line of what to try next.
#
#   CLUSTER=current IMAGES=<repository>   use the cluster of KUBECONFIG; the images are pushed there
#   NAME, RUN_DIR, PORT, API_PORT         another local cluster beside the first: its name, folder and host ports
#   SAMPLES=none                          install Berth and nothing else
#   CHART_ARGS, CLUSTER_ARGS              further arguments for helm, and for the local cluster, such as --simulated
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD

cluster=${CLUSTER:-local}
name=${NAME:-berth}
run=$root/${RUN_DIR:-.run}
state=$run/cluster
port=${PORT:-16443}
api_port=${API_PORT:-8080}
namespace=berth-system
began=$SECONDS

say() { printf '%-10s%-58s%4d s\n' "$1" "$2" $((SECONDS - step)); step=$SECONDS; }
fail() { printf '%s\n' "$*" >&2; exit 1; }
step=$SECONDS

# built once, not by `go run`, so that one compile serves every call below
mkdir -p "$run/bin"
go build -C hack/cluster -o "$run/bin/cluster" .
go build -C hack/images -o "$run/bin/images" .
go build -o "$run/bin/owner" ./hack/owner
# the plug-in for kubectl, where `make build` puts it too; kubectl asks a program of the second name for completions
mkdir -p bin
CGO_ENABLED=0 go build -trimpath -o bin/ ./cmd/kubectl-berth
ln -sf kubectl-berth bin/kubectl_complete-berth
cluster() { "$run/bin/cluster" "$@"; }

simulated=false
case $cluster in
local)
  # shellcheck disable=SC2086 # CLUSTER_ARGS are words
  cluster up --name "$name" --state "$state" --port "$port" --forward "127.0.0.1:$api_port=30080" ${CLUSTER_ARGS:-}
  eval "$(cluster env --name "$name" --state "$state")"
  [ "$(kubectl get nodes -o 'jsonpath={.items[0].metadata.annotations.kwok\.x-k8s\.io/node}')" != fake ] || simulated=true
  step=$SECONDS
  ;;
current)
  [ -n "${IMAGES:-}" ] || fail 'CLUSTER=current needs IMAGES=<repository>: where the images are pushed and the cluster pulls them from'
  command -v helm >/dev/null || fail 'CLUSTER=current needs helm on the PATH'
  say cluster "$(kubectl config current-context)"
  ;;
*) fail "CLUSTER is local or current, not \"$cluster\"" ;;
esac

# reference NAME: the first reference of an image that the last call of images made
reference() { awk -F'\t' -v image="$1" '$1 == image {print $2; exit}' "$run/images.tsv"; }

if [ "$cluster" = current ]; then
  "$run/bin/images" push --to "$IMAGES" >"$run/images.tsv"
elif $simulated; then
  printf 'berth\tberth.local/berth:simulated\n' >"$run/images.tsv"
else
  "$run/bin/images" build --out "$run/images" >"$run/images.tsv"
  cluster load --name "$name" --state "$state" "$run"/images/*.tar >/dev/null
fi
say images "$(awk -F'\t' '!seen[$1]++ {printf "%s%s %s", sep, $1, $4; sep=", "}' "$run/images.tsv")"

image=$(reference berth)
repository=${image%@*}
values=(--set "image.repository=${repository%:*}")
case $image in
*@sha256:*) values=(--set "image.repository=$repository" --set "image.digest=${image#*@}") ;;
*) values+=(--set "image.tag=${repository##*:}") ;;
esac
values+=(--set manager.replicas=1 --set apiserver.replicas=1)
[ "$cluster" = current ] || values+=(--set service.type=NodePort --set service.nodePorts.http=30080
  --set "apiserver.accessURL=http://127.0.0.1:$api_port")
if $simulated; then # pods do not run here, so the processes run on this machine
  values+=(--set manager.replicas=0 --set apiserver.replicas=0 --set aggregation.enabled=false)
fi

kubectl create namespace "$namespace" --dry-run=client -o yaml | kubectl apply -f - >/dev/null
kubectl label namespace "$namespace" pod-security.kubernetes.io/enforce=restricted --overwrite >/dev/null
# shellcheck disable=SC2086 # CHART_ARGS are words
helm upgrade --install berth charts/berth --namespace "$namespace" "${values[@]}" ${CHART_ARGS:-} --wait --timeout 5m >"$run/helm.log" 2>&1 || {
  cat "$run/helm.log" >&2
  kubectl get pods --namespace "$namespace" >&2
  fail 'the chart did not become ready'
}
if $simulated; then hack/processes.sh start "$namespace" "$image" "$api_port"; fi
say chart "$(helm list --namespace "$namespace" --filter '^berth$' --output json | sed -E 's/.*"chart":"([^"]*)".*/\1/') in $namespace"

if [ "$cluster" = current ]; then
  kubectl --namespace "$namespace" port-forward service/berth-apiserver "$api_port:80" >"$run/port-forward.log" 2>&1 &
  forward=$!
  trap 'kill $forward 2>/dev/null || true' EXIT
fi
url=http://127.0.0.1:$api_port
"$run/bin/owner" wait "$url"

if [ "${SAMPLES:-all}" != none ]; then
  samples=$root/config/samples
  if [ "$cluster" = current ]; then # the samples' images are names that only the local node knows
    samples=$run/samples
    rm -rf "$samples" && cp -r "$root/config/samples" "$samples"
    sed -i -E "s#registry\.example/(base|go-dev):[0-9.]+#$(reference workspace)#" "$samples"/*.yaml
  fi
  kubectl apply -f "$samples" >/dev/null
  kubectl wait --namespace platform --for=condition=Ready workspaces.berth.dev/ada-api --timeout=120s >/dev/null || {
    kubectl get --namespace platform workspaces.berth.dev,templates.berth.dev,pods -o wide >&2
    kubectl describe --namespace platform workspaces.berth.dev ada-api >&2
    fail 'the sample workspace did not become Ready'
  }
  say samples 'organization platform, users ada grace, workspace ada-api Ready'
fi

# the first owner, once: the password is kept for those who lose the line. It belongs to the default organization, so
# without samples there is one only where such an organization stands already.
login=$run/owner
if [ "${SAMPLES:-all}" != none ] || [ -n "$(kubectl get organizations.berth.dev -o 'jsonpath={.items[?(@.spec.default==true)].metadata.name}')" ]; then
  "$run/bin/owner" make "$url" "$login"
fi

api=$url/api/v2
if [ "$cluster" = current ]; then # the forward above ends with this script
  api="$api, while this runs: kubectl port-forward -n $namespace service/berth-apiserver $api_port:80"
fi
cat <<TXT
total $((SECONDS - began)) s

  export KUBECONFIG=${KUBECONFIG:-$HOME/.kube/config} PATH=$root/bin:${PATH%%:*}:\$PATH
  API    $api
  owner  $([ -f "$login" ] && sed -n '1{s/$/, password /;h;d};2{H;x;s/\n//;p}' "$login" || echo 'made earlier, or POST $url/api/v2/users/first makes one')
  ada and grace come by their Kubernetes identity: kubectl --as oidc:ada …

Try:
  1  kubectl get bws -n platform -w
  2  kubectl berth why ada-api -n platform
  3  kubectl exec -it -n platform ada-api -- bash
  4  kubectl berth list --as oidc:ada
  undo everything: make down
TXT
