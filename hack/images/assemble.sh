#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Puts the files of the berth image below a directory, for builders with a container engine: the Dockerfile runs it.
#
#   hack/images/assemble.sh DIRECTORY [VERSION] [LIST]
#
# It reads the list that the image builder beside it reads, and compiles with the same flags. Run it at the
# repository's root.
set -eu

directory=${1:?the directory that gets the files}
version=${2:-}
list=${3:-hack/images/files.txt}

flags='-s -w'
if [ -n "$version" ]; then
	flags="$flags -X github.com/berth-dev/berth/internal/version.Version=$version"
fi

while read -r kind source destination; do
	case $kind in
	'' | '#'*) ;;
	program)
		CGO_ENABLED=0 GOOS=linux GOFLAGS='' go build -trimpath -buildvcs=false -ldflags "$flags" -o "$directory$destination" "./$source"
		;;
	file) install -D -m 0644 "$source" "$directory$destination" ;;
	host) if [ -e "$source" ]; then install -D -m 0644 "$source" "$directory$destination"; fi ;;
	*)
		echo "$list: kind $kind: must be program, file or host" >&2
		exit 1
		;;
	esac
done <"$list"
