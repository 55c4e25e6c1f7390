// SPDX-License-Identifier: Apache-2.0

package render

import (
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// The page of documentation has a row for every field that PolicyMet may name, and none for another.
func TestDocumentationAgreesWithNotEnforced(t *testing.T) {
	text, err := os.ReadFile("../../docs/not-enforced.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Za-z.\\[\\]]+)` \\| ([^|]+) \\|$").FindAllStringSubmatch(string(text), -1) {
		documented[row[1]] = true
	}
	named := map[string]bool{}
	for kind, object := range everythingStated() {
		for _, path := range NotEnforced(object) {
			named[kind+"."+regexp.MustCompile(`\[\d+\]`).ReplaceAllString(path, "[]")] = true
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(named)), slices.Sorted(maps.Keys(documented))); diff != "" {
		t.Errorf("the code -, the page +:\n%s", diff)
	}
}

// A version is told the same about its content as its template.
func TestVersionsAreToldAsTemplatesAre(t *testing.T) {
	var want []string
	for _, path := range NotEnforced(everythingStated()["Template"]) {
		if strings.HasPrefix(path, "spec.content.") {
			want = append(want, path)
		}
	}
	version := &v1alpha1.TemplateVersion{}
	state(reflect.ValueOf(&version.Spec.Content).Elem())
	if diff := cmp.Diff(want, NotEnforced(version)); diff != "" || len(want) == 0 {
		t.Errorf("template -, version +:\n%s", diff)
	}
}

// Nothing is said of an object that states nothing.
func TestNothingStatedNothingToTell(t *testing.T) {
	for kind, object := range everythingStated() {
		empty := reflect.New(reflect.TypeOf(object).Elem()).Interface().(v1alpha1.Object)
		if got := NotEnforced(empty); len(got) > 0 {
			t.Errorf("%s: %v", kind, got)
		}
	}
}

// everythingStated has an object of each kind in which every field is written; where a field is acted on for some values
// only, with one for which it is not.
func everythingStated() map[string]v1alpha1.Object {
	template, workspace, group, user, organization := &v1alpha1.Template{}, &v1alpha1.Workspace{}, &v1alpha1.Group{}, &v1alpha1.User{}, &v1alpha1.Organization{}
	all := map[string]v1alpha1.Object{"Template": template, "Workspace": workspace, "Group": group, "User": user, "Organization": organization}
	for _, object := range all {
		state(reflect.ValueOf(object).Elem().FieldByName("Spec"))
	}
	template.Spec.Lifecycle.UserCancel = v1alpha1.PermissionForbid
	return all
}

// state writes something into every exported field below v.
func state(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		state(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				state(v.Field(i))
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		state(v.Index(0))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		state(key)
		state(value)
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint8:
		v.SetUint('1')
	}
}
