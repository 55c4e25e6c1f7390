#!/usr/bin/env bash
# What `make fuzz` does: runs fuzz targets, two at a time with one worker each, and fails when one of them does.
#   FUZZ      their names, as "internal/archive/FuzzRead FuzzCron"; a name alone is every target of it; default all
#   FUZZTIME  how long each runs, 30s by default
# A target that fails leaves its input in its package's testdata, which is printed here, to be kept as a test.
set -euo pipefail
cd "$(dirname "$0")/.."
time=${FUZZTIME:-30s}

all=$(git grep -oE '^func Fuzz[A-Za-z0-9_]+' -- '*_test.go' | sed -E 's|/[^/:]*:func |/|' | sort)
targets=()
if [ -z "${FUZZ:-}" ]; then
  mapfile -t targets <<<"$all"
else
  for name in $FUZZ; do
    mapfile -t found < <(grep -E "(^|/)$name\$" <<<"$all" || true)
    if [ ${#found[@]} -eq 0 ]; then
      printf 'no fuzz target is called %s; there are\n%s\n' "$name" "$all" >&2
      exit 1
    fi
    targets+=("${found[@]}")
  done
fi

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# one target; its output is shown when it is over, so that two do not mix
fuzz() {
  local target=$1 log=$2/${1//\//_} code=0
  local package=${target%/*} name=${target##*/}
  touch "$log.began"
  # shrinking an input that is merely new would take all of the time, as its default is a minute
  go test "./$package" -run '^$' -fuzz "^$name\$" -fuzztime "$3" -fuzzminimizetime 1s -parallel 1 >"$log" 2>&1 </dev/null || code=$?
  printf 'fuzz %s: %s\n' "$target" "$(grep -E '^fuzz: elapsed' "$log" | tail -n 1 | cut -c7-)"
  [ $code -eq 0 ] && return
  cat "$log"
  find "$package/testdata/fuzz/$name" -type f -newer "$log.began" 2>/dev/null | while read -r input; do
    printf '%s:\n' "$input"
    cat "$input"
  done
  return 1
}
export -f fuzz

# xargs gives 123 when one has failed, after all have run
printf '%s\n' "${targets[@]}" | xargs -P 2 -I{} bash -c 'fuzz "$@"' fuzz {} "$out" "$time" || { echo 'a fuzz target failed' >&2; exit 1; }
