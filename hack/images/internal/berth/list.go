// SPDX-License-Identifier: Apache-2.0

// Package berth makes the image of Berth's own programs from the list of its files. It owns the list's form and how
// the programs are compiled; the Dockerfile makes the same files from the same list.
package berth

import (
	"bufio"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// List is where the list of files is, from the repository's root.
const List = "hack/images/files.txt"

// kind says where an entry's content comes from.
type kind string

const (
	program kind = "program" // compiled from a command of the main module
	file    kind = "file"    // of the repository
	host    kind = "host"    // of the machine that builds, where it has one
)

// entry is one line of the list.
type entry struct {
	kind        kind
	source      string
	destination string // absolute, in the image
}

// readList reads a list of files: three words a line, and comments that begin with "#".
func readList(name string) ([]entry, error) {
	open, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer open.Close()

	var entries []entry
	taken := map[string]bool{}
	lines := bufio.NewScanner(open)
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		parsed, err := parseEntry(line)
		if err == nil && taken[parsed.destination] {
			err = fmt.Errorf("%s is in the list twice", parsed.destination)
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, number, err)
		}
		taken[parsed.destination] = true
		entries = append(entries, parsed)
	}
	return entries, lines.Err()
}

func parseEntry(line string) (entry, error) {
	words := strings.Fields(line)
	if len(words) != 3 {
		return entry{}, fmt.Errorf("%d words, want three: kind, source and destination", len(words))
	}
	parsed := entry{kind: kind(words[0]), source: words[1], destination: words[2]}
	if !path.IsAbs(parsed.destination) || path.Clean(parsed.destination) != parsed.destination {
		return entry{}, fmt.Errorf("destination %s: must be an absolute path in its shortest form", parsed.destination)
	}
	switch parsed.kind {
	case program, file:
		if !filepath.IsLocal(parsed.source) {
			return entry{}, fmt.Errorf("source %s: must be inside the repository", parsed.source)
		}
	case host:
		if !path.IsAbs(parsed.source) {
			return entry{}, fmt.Errorf("source %s: must be an absolute path", parsed.source)
		}
	default:
		return entry{}, fmt.Errorf("kind %s: must be program, file or host", parsed.kind)
	}
	return parsed, nil
}
