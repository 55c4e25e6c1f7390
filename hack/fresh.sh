#!/usr/bin/env bash
# What `make fresh` does: proves that a fresh clone on a fresh machine passes `make test` and builds all that `make up`
# needs. The machine is a Debian made by debootstrap with git, make, CA certificates and a C compiler, this machine's Go,
# empty caches and nothing else. It takes about an hour and 25 GB, and leaves nothing.
#
#   FRESH_DIR=<folder>     where the root is made (default: a new folder below TMPDIR)
#   FRESH_STEPS="…"        make targets and commands to run instead of the usual ones, one a line
#   KEEP=1                 leaves the root, to look into it
#
# How packages and modules are reached is this machine's: its apt sources, CA certificates and resolver are copied, and of
# the environment the proxy variables, those of Go and those that name certificate files are handed in.
set -euo pipefail
cd "$(dirname "$0")/.."
repository=$PWD
fail() { printf 'fresh: %s\n' "$*" >&2; exit 1; }

[ "$(id -u)" = 0 ] && [ "$(uname -s)" = Linux ] || fail 'making a root needs root on Linux'
command -v apt-get >/dev/null || fail 'this machine has no apt-get, whose package sources the root would take over'
if [ -z "${IN_FRESH:-}" ]; then
  # mounts of the root end with this process, whatever happens to it
  IN_FRESH=1 exec unshare --mount --propagation private "$repository/hack/fresh.sh" "$@"
fi
command -v debootstrap >/dev/null || {
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends --no-remove debootstrap >/dev/null
}
[ -z "$(git status --porcelain)" ] || echo 'fresh: there are uncommitted changes; the clone is of what is committed' >&2

root=${FRESH_DIR:-$(mktemp -d)}
mkdir -p "$root"
[ -z "$(ls -A "$root")" ] || fail "$root is not empty"
finish() {
  code=$?
  trap - EXIT INT TERM
  umount --recursive --lazy "$root/proc" "$root/sys" "$root/dev" 2>/dev/null || true
  if [ -n "${KEEP:-}" ]; then
    echo "the root is kept in $root; remove it with: rm -rf --one-file-system $root"
  else
    rm -rf --one-file-system "$root"
  fi
  exit $code
}
trap finish EXIT
trap 'exit 130' INT TERM

began=$SECONDS
say() { printf '== %s (%d s)\n' "$*" $((SECONDS - began)); }

suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
mirror=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' | awk -v suite="$suite" '$1 == suite {print $2; exit}')
[ -n "$mirror" ] || fail "apt has no package source for $suite"
eval "$(apt-config shell apt_proxy Acquire::http::Proxy)"
log=$(mktemp)
http_proxy=${http_proxy:-${apt_proxy:-}} debootstrap --variant=minbase --include=git,make,ca-certificates,gcc,libc6-dev \
  "$suite" "$root" "$mirror" >"$log" 2>&1 || { tail -n 20 "$log" >&2; rm -f "$log"; fail 'debootstrap failed'; }
rm -f "$log"
chmod 755 "$root" # it becomes /, which everybody may pass on every machine
say "a clean Debian $suite in $root"

# what makes this machine reach its packages, but no package and no cache
for path in /etc/apt/sources.list /etc/apt/sources.list.d /etc/apt/apt.conf.d /etc/apt/auth.conf.d /etc/apt/trusted.gpg.d /etc/apt/keyrings \
  /usr/share/keyrings /etc/resolv.conf /etc/hosts /usr/local/share/ca-certificates /etc/ssl/certs/ca-certificates.crt; do
  [ -e "$path" ] || continue
  mkdir -p "$root$(dirname "$path")"
  cp -rL --remove-destination "$path" "$root$(dirname "$path")/"
done
# hooks of other packages' in apt's configuration call programs that the root lacks
grep -lrE 'Invoke|Pre-Install|Post-Invoke' "$root/etc/apt/apt.conf.d" | xargs -r rm -f
mkdir -p "$root/usr/local"
cp -a "$(go env GOROOT)" "$root/usr/local/go"

environment=(HOME=/root TERM="${TERM:-dumb}" LANG=C.UTF-8 PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
for name in $(compgen -e); do
  case ${name,,} in
  http_proxy | https_proxy | no_proxy | all_proxy | ftp_proxy | deb*_frontend) environment+=("$name=${!name}") ;;
  ssl_cert_file | git_ssl_cainfo | curl_ca_bundle)
    # the file itself comes along
    [ ! -f "${!name}" ] || { install -D -m 644 "${!name}" "$root${!name}" && environment+=("$name=${!name}"); } ;;
  esac
done
for name in GOPROXY GONOPROXY GOPRIVATE GOSUMDB GONOSUMDB GOFLAGS GOTOOLCHAIN; do
  environment+=("$name=$(go env "$name")")
done

git clone --quiet --no-local "file://$repository" "$root/src/berth"
git -C "$root/src/berth" log -1 --format='== fresh clone of %h %s'

mount -t proc proc "$root/proc"
mount --rbind --make-rslave /sys "$root/sys"
mount --rbind --make-rslave /dev "$root/dev"

inside() { env -i "${environment[@]}" chroot "$root" bash -euo pipefail -c "cd /src/berth && $1"; }
steps=${FRESH_STEPS:-'make test
make build
go run -C hack/cluster . build
make images'}
while IFS= read -r line; do
  began=$SECONDS
  inside "$line" </dev/null
  say "$line"
done <<<"$steps"
inside 'test -z "$(git status --porcelain)"' || fail 'the steps changed files of the clone'
say 'fresh clone on a fresh machine: fine'
