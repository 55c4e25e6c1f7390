// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"path"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The bounds of an entry's name.
const (
	maxName  = 512
	maxPart  = 255
	maxDepth = 32
)

// cleanName is an entry's name as a slash-separated path that stays below the folder it is unpacked into, on whichever
// system that happens; or what is wrong with it.
func cleanName(name string) (clean, wrong string) {
	switch {
	case len(name) > maxName:
		return "", "has a name of more than " + strconv.Itoa(maxName) + " bytes"
	case !utf8.ValidString(name):
		return "", "has a name that is no UTF-8"
	case strings.ContainsFunc(name, unicode.IsControl):
		return "", "has a control character in its name"
	case strings.ContainsAny(name, `\:`):
		return "", "has a backslash or a colon in its name, which some systems take for a folder or a drive"
	case strings.HasPrefix(name, "/"):
		return "", "has an absolute name"
	}
	clean = strings.TrimSuffix(strings.TrimPrefix(name, "./"), "/")
	if clean == "" || clean == "." {
		if name == "./" || name == "." {
			return ".", ""
		}
		return "", "has no name"
	}
	parts := strings.Split(clean, "/")
	if len(parts) > maxDepth {
		return "", "lies more than " + strconv.Itoa(maxDepth) + " folders deep"
	}
	for _, part := range parts {
		switch {
		case part == "..":
			return "", "climbs out of the archive"
		case part == "" || part == ".":
			return "", "has an empty part in its name"
		case len(part) > maxPart:
			return "", "has a part of more than " + strconv.Itoa(maxPart) + " bytes in its name"
		}
	}
	return path.Clean(clean), ""
}

// quote is a foreign name for a message.
func quote(name string) string { return strconv.QuoteToGraphic(shorten(name)) }
