// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/testing/cluster"
)

// crds reads the generated definitions by kind.
func crds(t *testing.T) map[string]apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(cluster.Root(), "config", "crd", "*.yaml"))
	if err != nil || len(files) != 10 {
		t.Fatalf("%d definitions, want 10: %v", len(files), err)
	}
	all := map[string]apiextensionsv1.CustomResourceDefinition{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var crd apiextensionsv1.CustomResourceDefinition
		if err := yaml.UnmarshalStrict(text, &crd); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all[crd.Spec.Names.Kind] = crd
	}
	return all
}

// What `kubectl explain` shows is a page that people read, so every field says what it is; and nothing is without a
// bound, so that no object grows beyond what etcd takes and no rule beyond its budget.
func TestEveryFieldIsExplainedAndBounded(t *testing.T) {
	var walk func(path string, s apiextensionsv1.JSONSchemaProps)
	walk = func(path string, s apiextensionsv1.JSONSchemaProps) {
		entry := strings.HasSuffix(path, "[]") || strings.HasSuffix(path, "{}")
		if s.Description == "" && !entry {
			t.Errorf("%s has no description", path)
		}
		switch s.Type {
		case "boolean":
		case "string":
			if s.MaxLength == nil && len(s.Enum) == 0 && s.Format != "date-time" {
				t.Errorf("%s has no maxLength", path)
			}
		case "integer":
			if strings.Contains(path, ".spec.") && (s.Minimum == nil || s.Maximum == nil) {
				t.Errorf("%s has no minimum and maximum", path)
			}
		case "array":
			if s.MaxItems == nil {
				t.Errorf("%s has no maxItems", path)
			}
			walk(path+"[]", *s.Items.Schema)
		case "object":
			if s.AdditionalProperties != nil {
				if s.MaxProperties == nil {
					t.Errorf("%s has no maxProperties", path)
				}
				walk(path+"{}", *s.AdditionalProperties.Schema)
			}
			for name, field := range s.Properties {
				walk(path+"."+name, field)
			}
		default:
			if preserved := s.XPreserveUnknownFields; preserved == nil || !*preserved {
				t.Errorf("%s is a %q", path, s.Type)
			}
		}
	}
	for kind, crd := range crds(t) {
		root := crd.Spec.Versions[0].Schema.OpenAPIV3Schema
		for _, part := range []string{"spec", "status"} {
			walk(kind+"."+part, root.Properties[part])
		}
		if root.Description == "" {
			t.Errorf("%s has no description", kind)
		}
		if def := root.Properties["status"].Default; def == nil || string(def.Raw) != `{"observedGeneration":-1}` {
			t.Errorf("%s.status: default %v, so tools take a new object for a healthy one", kind, def)
		}
	}
}

// What people type and see in place of the plurals, which other operators have too.
func TestNamesAndColumns(t *testing.T) {
	type shown struct {
		Short, Columns string
		Selectable     []string
	}
	want := map[string]shown{
		"Organization":     {"borg", "DISPLAY NAME,DEFAULT,READY,REASON,AGE", nil},
		"Template":         {"btpl", "VERSION,READY,ROLLOUT,WORKSPACES,AGE", nil},
		"TemplateVersion":  {"btv", "TEMPLATE,ACTIVE,READY,BUILDS,REVISION,AGE", []string{".spec.templateRef.name"}},
		"DryRun":           {"bdr", "VERSION,OWNER,STATE,AGE", nil},
		"Workspace":        {"bws", "OWNER,TEMPLATE,STATE,READY,REASON,AGE", []string{".spec.owner.user", ".spec.templateRef.name", ".status.phase"}},
		"WorkspaceBuild":   {"bwb", "WORKSPACE,NUMBER,TRANSITION,REASON,BY,STATE,TOOK,AGE", []string{".spec.workspaceRef.name", ".spec.transition"}},
		"DeletedWorkspace": {"bdws", "WORKSPACE,OWNER,TEMPLATE,CLAIMS-UNTIL,EXPIRES,AGE", []string{".spec.owner.user", ".spec.objectName"}},
		"WarmWorkspace":    {"bwws", "TEMPLATE,VERSION,STATE,WORKSPACE,AGE", []string{".spec.templateRef.name", ".status.phase"}},
		"Group":            {"bgrp", "MEMBERS,COST/DAY,RUNNING,READY,AGE", nil},
		"User":             {"buser", "EMAIL,ROLES,STATE,LAST-SEEN,READY", nil},
	}
	got := map[string]shown{}
	for kind, crd := range crds(t) {
		if !slices.Equal(crd.Spec.Names.Categories, []string{"berth"}) {
			t.Errorf("%s is in the categories %v", kind, crd.Spec.Names.Categories)
		}
		version := crd.Spec.Versions[0]
		is := shown{Short: strings.Join(crd.Spec.Names.ShortNames, ",")}
		var columns []string
		for _, c := range version.AdditionalPrinterColumns {
			if c.Priority == 0 {
				columns = append(columns, c.Name)
			}
		}
		is.Columns = strings.Join(columns, ",")
		for _, f := range version.SelectableFields {
			is.Selectable = append(is.Selectable, f.JSONPath)
		}
		got[kind] = is
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

// No field that people write has a Go type whose decoder can fail on what a schema lets through: one such object would
// blind every informer of its kind. The two exceptions take any JSON.
func TestNoSpecHasAFragileType(t *testing.T) {
	decoder := reflect.TypeFor[json.Unmarshaler]()
	sturdy := []reflect.Type{reflect.TypeFor[v1alpha1.Value](), reflect.TypeFor[runtime.RawExtension]()}
	var walk func(path string, of reflect.Type)
	walk = func(path string, of reflect.Type) {
		if of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		if slices.Contains(sturdy, of) {
			return
		}
		if of.Implements(decoder) || reflect.PointerTo(of).Implements(decoder) {
			t.Errorf("%s is a %s", path, of)
			return
		}
		switch of.Kind() {
		case reflect.Slice, reflect.Map:
			walk(path, of.Elem())
		case reflect.Struct:
			for i := range of.NumField() {
				walk(path+"."+of.Field(i).Name, of.Field(i).Type)
			}
		case reflect.Float32, reflect.Float64, reflect.Interface, reflect.Uint, reflect.Uint64:
			t.Errorf("%s is a %s", path, of)
		}
	}
	for _, spec := range []any{
		v1alpha1.OrganizationSpec{}, v1alpha1.UserSpec{}, v1alpha1.GroupSpec{}, v1alpha1.TemplateSpec{},
		v1alpha1.TemplateVersionSpec{}, v1alpha1.WorkspaceSpec{}, v1alpha1.WorkspaceBuildSpec{},
		v1alpha1.DeletedWorkspaceSpec{}, v1alpha1.DryRunSpec{}, v1alpha1.WarmWorkspaceSpec{},
	} {
		walk(reflect.TypeOf(spec).Name(), reflect.TypeOf(spec))
	}
}

// Tools that wait for health must not pass before the manager has seen an object: kstatus calls a new one of any kind in
// progress.
func TestANewObjectIsNotYetHealthy(t *testing.T) {
	ns := namespace(t)
	spec := v1alpha1.WorkspaceBuildSpec{
		WorkspaceRef: v1alpha1.UIDReference{Name: "new", UID: "x"}, Number: 1, Transition: v1alpha1.TransitionStart,
		Reason: v1alpha1.BuildReasonInitiator, Initiator: v1alpha1.Initiator{Name: "ada"},
	}
	content := v1alpha1.TemplateContent{Image: "registry.example/base:24.04"}
	for _, o := range []client.Object{
		&v1alpha1.Organization{}, &v1alpha1.User{Spec: v1alpha1.UserSpec{Email: "new@example.org"}}, &v1alpha1.Group{},
		&v1alpha1.Template{Spec: v1alpha1.TemplateSpec{Content: &content}}, &v1alpha1.TemplateVersion{Spec: v1alpha1.TemplateVersionSpec{Content: content}},
		&v1alpha1.Workspace{Spec: v1alpha1.WorkspaceSpec{Owner: v1alpha1.WorkspaceOwner{User: "ada"}, TemplateRef: v1alpha1.TemplateReference{Name: "plain"}}},
		&v1alpha1.WorkspaceBuild{Spec: spec},
		&v1alpha1.DryRun{Spec: v1alpha1.DryRunSpec{VersionRef: v1alpha1.UIDReference{Name: "new", UID: "x"}, Owner: v1alpha1.WorkspaceOwner{User: "ada"}}},
	} {
		o.SetName("new")
		if kind := reflect.TypeOf(o).Elem().Name(); !clusterScoped[kind] {
			o.SetNamespace(ns)
		}
		if err := live.Client.Create(t.Context(), o); err != nil {
			t.Fatalf("%T: %v", o, err)
		}
		if err := live.Client.Get(t.Context(), client.ObjectKeyFromObject(o), o); err != nil {
			t.Fatal(err)
		}
		health, err := cluster.Health(o, live.Client.Scheme())
		if err != nil {
			t.Fatal(err)
		}
		if health != status.InProgressStatus {
			t.Errorf("a new %T is %s", o, health)
		}
	}
}
