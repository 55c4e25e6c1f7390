// SPDX-License-Identifier: Apache-2.0

package render

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// The page of documentation names every root, field and function that there is, and none that there is not.
func TestDocumentationAgreesWithTheLanguage(t *testing.T) {
	text, err := os.ReadFile("../../docs/expressions.md")
	if err != nil {
		t.Fatal(err)
	}
	d := declarationsOf(t, &v1alpha1.TemplateContent{})
	for root, fields := range fixedRoots() {
		row := rowOf(t, string(text), "`"+root+"`")
		for _, field := range fields {
			if !strings.Contains(row, "`"+field+"`") {
				t.Errorf("%s.%s is not documented", root, field)
			}
		}
	}

	_, table, _ := strings.Cut(string(text), "\n## Functions\n")
	table, _, _ = strings.Cut(table, "\n## ")
	documented := map[string]bool{}
	for line := range strings.Lines(table) {
		if _, cell, isRow := strings.Cut(line, " | "); isRow && strings.HasPrefix(line, "|") {
			for _, m := range regexp.MustCompile("`([A-Za-z0-9._]+)`").FindAllStringSubmatch(cell, -1) {
				documented[m[1]] = true
			}
		}
	}
	macros := []string{"sortBy"}
	known := append(d.functions(), macros...)
	for _, name := range slices.Sorted(maps.Keys(documented)) {
		if !slices.Contains(known, name) {
			t.Errorf("there is no function %s", name)
		}
	}
	// What takes an authorizer can't be called, and the formats are documented as a family.
	unreachable := []string{"allowed", "check", "decision", "error", "errored", "fieldSelector", "group", "labelSelector", "name", "namespace",
		"path", "reason", "resource", "serviceAccount", "subresource", "in", "unwrapOpt", "optional.unwrap"}
	for _, name := range d.functions() {
		if !documented[name] && !slices.Contains(unreachable, name) && !strings.HasPrefix(name, "format.") {
			t.Errorf("%s is not documented", name)
		}
	}
}

func rowOf(t *testing.T, text, begins string) string {
	t.Helper()
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "| "+begins) {
			return line
		}
	}
	t.Fatalf("no row begins with %s", begins)
	return ""
}
