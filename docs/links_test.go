// SPDX-License-Identifier: Apache-2.0

// Package docs_test keeps the pages for people true where a machine can: their links lead somewhere. What a page says of
// the code is held to the code by the package that it is about.
package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every link of a page to another file of the repository, and to a heading of a page, leads somewhere.
func TestLinks(t *testing.T) {
	const root = ".."
	links, pages := regexp.MustCompile(`\]\(([^)\s]*)\)`), 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch name := entry.Name(); {
		case err != nil:
			return err
		case entry.IsDir() && (name == ".git" || name == ".run" || name == "bin"):
			return filepath.SkipDir
		case entry.IsDir() || filepath.Ext(name) != ".md":
			return nil
		}
		pages++
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, match := range links.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(match[1], "://") {
				continue
			}
			target, heading, _ := strings.Cut(match[1], "#")
			file := path
			if target != "" {
				file = filepath.Join(filepath.Dir(path), target)
			}
			found, err := os.ReadFile(file)
			if info, missing := os.Stat(file); missing == nil && info.IsDir() {
				err = nil
			}
			if err != nil {
				t.Errorf("%s: %s leads nowhere", path, match[1])
			} else if heading != "" && !headings(string(found))[heading] {
				t.Errorf("%s: %s has no heading %q", path, file, heading)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if pages < 5 {
		t.Fatalf("only %d pages were read", pages)
	}
}

// headings are the anchors of a page's headings: lower case, blanks to hyphens, punctuation left out.
func headings(text string) map[string]bool {
	anchors := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(text, -1) {
		anchor := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(match[1]), "")
		anchors[strings.ReplaceAll(anchor, " ", "-")] = true
	}
	return anchors
}
