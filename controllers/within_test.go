// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/berth-dev/berth/internal/index"
)

// Whatever a controller looks up in an index, the manager keeps that index: one that it does not would be an error of that
// pass, and of no other.
func TestIndexesThatAreLookedInAreKept(t *testing.T) {
	text, err := os.ReadFile("../internal/index/index.go")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for _, constant := range regexp.MustCompile(`(?m)^\t(\w+)\s+= "([\w.-]+)"$`).FindAllStringSubmatch(string(text), -1) {
		names[constant[1]] = constant[2]
	}
	kept := map[string]bool{}
	everywhere, inNamespace := index.Acting()
	for _, i := range append(everywhere, inNamespace...) {
		kept[i.Name] = true
	}
	use, found := regexp.MustCompile(`MatchingFields\{index\.(\w+)`), 0
	err = filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, match := range use.FindAllStringSubmatch(string(text), -1) {
			if found++; !kept[names[match[1]]] {
				t.Errorf("%s: index.%s is not kept", path, match[1])
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < 10 {
		t.Fatalf("only %d uses were found", found)
	}
}
