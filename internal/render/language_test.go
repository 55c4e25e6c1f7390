// SPDX-License-Identifier: Apache-2.0

package render

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/cel-go/common/types"
	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/api/v1alpha1"
)

func declarationsOf(t testing.TB, content *v1alpha1.TemplateContent) *declarations {
	t.Helper()
	d, err := declare(content)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// The list in testdata is what people may call; a dependency that adds to it must not do so unseen. Functions of an
// authorizer are among them since the Kubernetes environment declares them, but there is no value to call them on.
func TestAdvisory_V44_FunctionsOfTheLanguage(t *testing.T) {
	var got []string
	for name, f := range declarationsOf(t, &v1alpha1.TemplateContent{}).env.Functions() {
		for _, overload := range f.OverloadDecls() {
			var arguments []string
			for _, a := range overload.ArgTypes() {
				arguments = append(arguments, a.String())
			}
			got = append(got, name+"("+strings.Join(arguments, ", ")+") -> "+overload.ResultType().String())
		}
	}
	slices.Sort(got)
	golden, err := os.ReadFile("testdata/functions.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(strings.TrimSpace(string(golden)), "\n"), got); diff != "" {
		t.Errorf("testdata/functions.txt (-want +got): look at each that is new, whether it dials, resolves or reads the clock\n%s", diff)
	}
	for _, line := range got {
		for _, word := range []string{"now(", "dial", "lookup", "resolve", "http", "env(", "file", "exec"} {
			if strings.Contains(strings.ToLower(line), word) {
				t.Errorf("%s has %q in it", line, word)
			}
		}
	}
}

func TestAdvisory_V44_NamesOfTheLanguage(t *testing.T) {
	d := declarationsOf(t, &v1alpha1.TemplateContent{
		Parameters: []v1alpha1.Parameter{{Name: "cpu", Type: v1alpha1.TypeInteger}},
		Variables:  []v1alpha1.Variable{{Name: "region", Type: v1alpha1.TypeString}, {Name: "hidden", Type: v1alpha1.TypeString, ValueFrom: &v1alpha1.VariableSource{}}},
	})
	var names []string
	for _, v := range d.env.Variables() {
		if v.Type().Kind() != types.TypeKind { // int, string and the like name themselves
			names = append(names, v.Name())
		}
	}
	slices.Sort(names)
	if diff := cmp.Diff([]string{"organization", "owner", "parameters", "template", "variables", "workspace"}, names); diff != "" {
		t.Errorf("roots (-want +got):\n%s", diff)
	}
	want := map[string][]string{
		"parameters": {"cpu"}, "variables": {"region"}, "workspace": {"id", "name", "objectName"},
		"owner": {"displayName", "email", "id", "name"}, "template": {"displayName", "name"}, "organization": {"name"},
	}
	if diff := cmp.Diff(want, d.fields); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	for _, source := range []string{"authorizer.path('/').check('get').allowed()", "request.userInfo", "object", "oldObject", "namespaceObject", "owner.roles", "variables.hidden", "workspace.spec", "now()"} {
		if _, problem := d.compile(source); problem == "" {
			t.Errorf("%s compiles", source)
		}
	}
}

// What the values hold beside the declared names is not to be had by ways around the type checker either.
func TestAdvisory_V44_ValuesAreTheDeclaredOnes(t *testing.T) {
	content := &v1alpha1.TemplateContent{Parameters: []v1alpha1.Parameter{{Name: "cpu", Type: v1alpha1.TypeInteger}}}
	in := &Input{Parameters: map[string]v1alpha1.Value{"cpu": v1alpha1.ValueOf(1), "undeclared": v1alpha1.ValueOf("x")}}
	in.Organization.ServiceAccountName = "hidden"
	values, refusal := bindings(content, in)
	if refusal != nil {
		t.Fatal(refusal)
	}
	d := declarationsOf(t, content)
	for _, source := range []string{"dyn(parameters)['undeclared']", "dyn(organization)['serviceAccountName']", "dyn(workspace).claimNames"} {
		x, problem := d.compile(source)
		if problem != "" {
			continue
		}
		if got, _, err := x.program.Eval(values); err == nil {
			t.Errorf("%s gives %v", source, got)
		}
	}
}
