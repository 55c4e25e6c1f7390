// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
)

// Level is how much a finding weighs.
type Level string

const (
	// Error is something that is wrong.
	Error Level = "error"
	// Warning is something that may be wrong with other values.
	Warning Level = "warning"
	// Note is something worth knowing.
	Note Level = "note"
)

// The rules that a finding may come from.
const (
	// RuleSyntax: the file is no YAML, or no manifest.
	RuleSyntax = "syntax"
	// RuleSchema: the kind's definition does not take it.
	RuleSchema = "schema"
	// RuleContent: the content of a template does not compile or render; the finding's Reason says in which way.
	RuleContent = "content"
	// RuleParameters: a value that was given for a parameter is not allowed.
	RuleParameters = "parameters"
	// RuleNotEnforced: a field is stored and shown, and not acted on by this release.
	RuleNotEnforced = "not-enforced"
)

// rules says what each rule is about, for those who read a report.
var rules = []struct{ id, about string }{
	{RuleSyntax, "The file is YAML or JSON and holds manifests"},
	{RuleSchema, "The definition of the kind takes the manifest"},
	{RuleContent, "The content of a template compiles, renders and gives a valid pod"},
	{RuleParameters, "The values that were given for parameters are allowed"},
	{RuleNotEnforced, "Fields that this release stores and does not act on"},
}

// Finding is something that was found in a manifest.
type Finding struct {
	// File, Line and Column are where; line and column count from 1.
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	// Level is error, warning or note.
	Level Level `json:"level"`
	// Rule is one of the rules.
	Rule string `json:"rule"`
	// Reason is the reason that the object's condition would have in a cluster; empty where it would not get there.
	Reason string `json:"reason,omitempty"`
	// Object is the object, such as Template/go-dev; empty where there is none.
	Object string `json:"object,omitempty"`
	// Path is the field; empty where it is the whole document.
	Path string `json:"path,omitempty"`
	// Message says what is wrong, and what would be right.
	Message string `json:"message"`
}

// String is the finding in the form that editors and build logs make a link of.
func (f Finding) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: ", f.File, f.Line, f.Column)
	if f.Level != Error {
		fmt.Fprintf(&b, "%s: ", f.Level)
	}
	if f.Path != "" {
		fmt.Fprintf(&b, "%s: ", f.Path)
	}
	b.WriteString(strings.ReplaceAll(f.Message, "\n", " "))
	return b.String()
}

// Sort puts findings into the order of the files, each once.
func Sort(findings []Finding) []Finding {
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return slices.Compact(findings)
}

// Wrong tells whether there is an error among findings.
func Wrong(findings []Finding) bool {
	return slices.ContainsFunc(findings, func(f Finding) bool { return f.Level == Error })
}

// WriteJSON writes a report for programs.
func WriteJSON(w io.Writer, findings []Finding) error {
	if findings == nil {
		findings = []Finding{}
	}
	return encode(w, map[string]any{"findings": findings})
}

// WriteSARIF writes a report in the Static Analysis Results Interchange Format 2.1.0, which forges show beside the
// lines of a pull request.
func WriteSARIF(w io.Writer, findings []Finding, version string) error {
	described := make([]map[string]any, 0, len(rules))
	for _, r := range rules {
		described = append(described, map[string]any{"id": r.id, "shortDescription": map[string]any{"text": r.about}})
	}
	results := make([]map[string]any, 0, len(findings))
	for _, f := range findings {
		message := f.Message
		if f.Path != "" {
			message = f.Path + ": " + message
		}
		results = append(results, map[string]any{
			"ruleId":  f.Rule,
			"level":   f.Level,
			"message": map[string]any{"text": message},
			"locations": []map[string]any{{"physicalLocation": map[string]any{
				"artifactLocation": map[string]any{"uri": filepath.ToSlash(f.File)},
				"region":           map[string]any{"startLine": f.Line, "startColumn": f.Column},
			}}},
		})
	}
	return encode(w, map[string]any{
		"$schema": "https://json.schemastore.org/sarif-2.1.0.json",
		"version": "2.1.0",
		"runs": []map[string]any{{
			"tool":    map[string]any{"driver": map[string]any{"name": "kubectl-berth", "version": version, "rules": described}},
			"results": results,
		}},
	})
}

func encode(w io.Writer, report any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(report)
}
