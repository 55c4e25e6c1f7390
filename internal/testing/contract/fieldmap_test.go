// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/berth-dev/berth/api/v1alpha1"
)

const fieldMap = "../../../docs/field-map.md"

// mapped are the schemas that the page is about; those they hold are meant as well.
var mapped = []string{
	"codersdk.ExternalAuth", "codersdk.Group", "codersdk.ListUserExternalAuthResponse", "codersdk.Organization", "codersdk.Template", "codersdk.TemplateVersion",
	"codersdk.TemplateVersionExternalAuth", "codersdk.TemplateVersionParameter", "codersdk.TemplateVersionVariable",
	"codersdk.User", "codersdk.Workspace", "codersdk.WorkspaceBuild", "codersdk.WorkspaceBuildParameter",
}

var kinds = map[string]reflect.Type{
	"Group":           reflect.TypeFor[v1alpha1.Group](),
	"Organization":    reflect.TypeFor[v1alpha1.Organization](),
	"Template":        reflect.TypeFor[v1alpha1.Template](),
	"TemplateVersion": reflect.TypeFor[v1alpha1.TemplateVersion](),
	"User":            reflect.TypeFor[v1alpha1.User](),
	"Workspace":       reflect.TypeFor[v1alpha1.Workspace](),
	"WorkspaceBuild":  reflect.TypeFor[v1alpha1.WorkspaceBuild](),
}

// TestFieldMapIsWhole wants a row for every field, and no row for a field that is not there.
func TestFieldMapIsWhole(t *testing.T) {
	facts := Seed(t)
	rows := fieldMapRows(t)
	for _, name := range held(facts, mapped) {
		schema := facts.Schema(name)
		if schema.Kind != jsonObject {
			continue
		}
		for _, p := range schema.Properties {
			if _, ok := rows[name][p.Key]; !ok && !p.Later {
				t.Errorf("%s.%s has no row", name, p.Key)
			}
		}
		for field := range rows[name] {
			if schema.property(field, false) == nil {
				t.Errorf("%s has a row for %q, which is no field", name, field)
			}
		}
	}
	for name := range rows {
		if facts.Schema(name) == nil {
			t.Errorf("%s has a table and is no schema", name)
		}
	}
}

// TestFieldMapNamesRealFields follows every path of an object that the page names through the Go types.
func TestFieldMapNamesRealFields(t *testing.T) {
	page, err := os.ReadFile(fieldMap)
	if err != nil {
		t.Fatal(err)
	}
	paths := regexp.MustCompile("`([A-Z][A-Za-z]+)\\.((?:spec|status|metadata)[A-Za-z.\\[\\]]*)`").FindAllStringSubmatch(string(page), -1)
	if len(paths) < 200 {
		t.Fatalf("only %d paths found: has the page another form?", len(paths))
	}
	for _, match := range paths {
		kind, ok := kinds[match[1]]
		if !ok {
			t.Errorf("%s: no such kind", match[0])
			continue
		}
		at := kind
		for _, step := range strings.Split(match[2], ".") {
			if at = follow(at, step); at == nil {
				t.Errorf("%s: no such field: %s", match[0], step)
				break
			}
		}
	}
}

// follow finds the type of the field with this JSON key; of its items, when the step ends in [].
func follow(t reflect.Type, step string) reflect.Type {
	key, list := strings.CutSuffix(step, "[]")
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	for _, field := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name != key {
			continue
		}
		switch {
		case list && field.Type.Kind() != reflect.Slice:
			return nil
		case list:
			return field.Type.Elem()
		}
		return field.Type
	}
	return nil
}

// held lists names and all schemas that they hold, however deep.
func held(facts *Facts, names []string) []string {
	var all []string
	var visit func(name string)
	visit = func(name string) {
		if slices.Contains(all, name) {
			return
		}
		all = append(all, name)
		schema := facts.Schema(name)
		schema.alias.refs(visit)
		for _, p := range schema.Properties {
			p.term.refs(visit)
		}
	}
	for _, name := range names {
		visit(name)
	}
	return all
}

// fieldMapRows reads the page's tables: by schema and field, the cell that says where it lives.
func fieldMapRows(t *testing.T) map[string]map[string]string {
	t.Helper()
	page, err := os.ReadFile(fieldMap)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]map[string]string{}
	schema := ""
	for _, line := range strings.Split(string(page), "\n") {
		if heading, ok := strings.CutPrefix(line, "## "); ok {
			schema = heading
			rows[schema] = map[string]string{}
		}
		cells := strings.Split(line, "|")
		if len(cells) != 5 || schema == "" {
			continue
		}
		field, home := strings.TrimSpace(cells[1]), strings.TrimSpace(cells[2])
		switch {
		case field == "field" || strings.HasPrefix(field, "---"):
		case home == "":
			t.Errorf("%s.%s lives nowhere", schema, field)
		case rows[schema][field] != "":
			t.Errorf("%s.%s has two rows", schema, field)
		default:
			rows[schema][field] = home
		}
	}
	return rows
}
