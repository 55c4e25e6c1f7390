// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/render"
)

// extra is a content with one extra object, written in one line.
func extra(object string) string {
	return image("extraObjects: [{id: x, object: {" + object + "}}]\n")
}

func TestExtraObjects(t *testing.T) {
	w := rendered(t, torch, map[string]any{"shares": []string{"a", "b"}})
	if len(w.Extras) != 2 {
		t.Fatalf("extra objects %+v", w.Extras)
	}
	want := render.Extra{ID: "share", Resource: "share-1", Kind: "PersistentVolumeClaim", Name: "sample-b", Keep: true, Object: map[string]any{
		"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": map[string]any{"name": "sample-b"},
		"spec": map[string]any{"accessModes": []any{"ReadWriteMany"}, "resources": map[string]any{"requests": map[string]any{"storage": "1Gi"}}},
	}}
	if diff := cmp.Diff(want, w.Extras[1]); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
	last := w.Resources[len(w.Resources)-1]
	if last.Kind != "PersistentVolumeClaim" || last.Name != "share-1" || last.ObjectName != "sample-b" {
		t.Errorf("clients see %+v", last)
	}
	if w := rendered(t, torch, nil); len(w.Extras) != 0 {
		t.Errorf("without shares there are %+v", w.Extras)
	}
}

func TestExtraObjectsByCondition(t *testing.T) {
	text := image(`
extraObjects:
- {id: policy, includeWhen: ["${parameters.database}"], object: {apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: "${workspace.objectName}"}, spec: {podSelector: {matchLabels: {a: "${owner.name}"}}}}}
- id: each
  forEach: [{a: "${['x', 'y']}"}, {m: "${lists.range(parameters.cpu)}"}]
  object: {apiVersion: v1, kind: ConfigMap, metadata: {name: "${workspace.objectName}-${a}${m}"}, data: {command: "$(HOME) ${a} $${b}", port: "${m + 1}"}}
`)
	var names []string
	w := rendered(t, text, nil)
	for _, x := range w.Extras {
		names = append(names, x.Resource+" "+x.Kind+"/"+x.Name)
	}
	want := []string{"each-0 ConfigMap/sample-x0", "each-1 ConfigMap/sample-x1", "each-2 ConfigMap/sample-y0", "each-3 ConfigMap/sample-y1"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
	if diff := cmp.Diff(map[string]any{"command": "$(HOME) y ${b}", "port": "2"}, w.Extras[3].Object["data"]); diff != "" {
		t.Errorf("data (-want +got):\n%s", diff)
	}
	if w := rendered(t, text, map[string]any{"database": true}); w.Extras[0].Kind != "NetworkPolicy" {
		t.Errorf("extra objects %+v", w.Extras)
	}
}

func TestExtraObjectsSayWhatIsWrong(t *testing.T) {
	const at = "spec.content.extraObjects[0]"
	configMap := func(more string) string {
		return image("extraObjects: [{id: x, object: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}, " + more + "}]\n")
	}
	for name, test := range map[string]struct {
		content string
		want    render.Problem
	}{
		"misspelt parameter": {extra(`apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: a}, spec: {resources: {requests: {storage: "${parameters.cp}Gi"}}}`),
			render.Problem{Path: at + ".object.spec.resources.requests.storage", Message: `no parameter "cp" in "${parameters.cp}"; did you mean "cpu"?`, Reason: v1alpha1.ReasonExpressionInvalid}},
		"misspelt field": {extra(`apiVersion: v1, kind: Service, metadata: {name: a}, spec: {port: []}`),
			render.Problem{Path: at + ".object.spec.port", Message: `there is no field "port" here; did you mean "ports"?`, Reason: v1alpha1.ReasonPodInvalid}},
		"a list that is none": {configMap(`forEach: [{s: "${parameters.cpu}"}]`),
			render.Problem{Path: at + ".forEach[0].s", Message: `"${parameters.cpu}" is a whole number, and forEach goes through a list of text, numbers or booleans`, Reason: v1alpha1.ReasonExpressionInvalid}},
		"a variable that is taken": {configMap(`forEach: [{parameters: "${parameters.shares}"}]`),
			render.Problem{Path: at + ".forEach[0].parameters", Message: `"parameters" is taken already; choose another name`, Reason: v1alpha1.ReasonExpressionInvalid}},
		"no expression": {configMap(`forEach: [{s: parameters.shares}]`),
			render.Problem{Path: at + ".forEach[0].s", Message: `"parameters.shares" must be one expression for a list, such as "${parameters.shares}"`, Reason: v1alpha1.ReasonExpressionInvalid}},
		"a loop's variable outside of its object": {image(`dailyCost: "${size(s)}"` + "\n" + strings.TrimPrefix(configMap(`forEach: [{s: "${parameters.shares}"}]`), image(""))),
			render.Problem{Path: "spec.content.dailyCost", Message: `no "s" in "${size(s)}"; an expression begins with organization, owner, parameters, template, variables, workspace`, Reason: v1alpha1.ReasonExpressionInvalid}},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := render.Compile(content(t, test.content))
			if diff := cmp.Diff([]render.Problem{test.want}, problems); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
	for want, object := range map[string]string{
		`object.metadata.name: "A_" cannot be a name`:   `apiVersion: v1, kind: ConfigMap, metadata: {name: "${'A_'}"}`,
		`object.metadata.name: "" cannot be a name`:     `apiVersion: v1, kind: ConfigMap`,
		`object.metadata.name: "../x" cannot be a name`: `apiVersion: v1, kind: ConfigMap, metadata: {name: "${'../x'}"}`,
	} {
		if _, err := tryRender(t, extra(object), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	double := configMap(`forEach: [{s: "${parameters.shares}"}]`)
	if _, err := tryRender(t, double, map[string]any{"shares": []string{"a", "b"}}); err == nil || !strings.Contains(err.Error(), `"ConfigMap/a" stands there twice`) {
		t.Errorf("got %v", err)
	}
	many := image(`extraObjects: [{id: x, forEach: [{a: "${lists.range(9)}"}, {b: "${lists.range(9)}"}], object: {apiVersion: v1, kind: ConfigMap, metadata: {name: "c${a}-${b}"}}}]`)
	if _, err := tryRender(t, many, nil); err == nil || !strings.Contains(err.Error(), "makes more than 32 extra objects") {
		t.Errorf("got %v", err)
	}
}

// Extra objects are no way around what a pod may not be: what runs, names accounts, reads Secrets, reaches another
// workspace's data or another namespace is refused, whatever the service account may do.
func TestAdvisory_V41_HostileExtraObjectsAreRefused(t *testing.T) {
	const claim, service = "apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: a}, spec: ", "apiVersion: v1, kind: Service, metadata: {name: a}, spec: "
	meta := func(more string) string { return "apiVersion: v1, kind: ConfigMap, metadata: {name: a, " + more + "}" }
	for name, test := range map[string]struct{ object, wantField string }{
		"a pod":                        {"apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {hostNetwork: true}", "kind"},
		"a job":                        {"apiVersion: batch/v1, kind: Job, metadata: {name: a}", "kind"},
		"a Secret":                     {"apiVersion: v1, kind: Secret, metadata: {name: a}, stringData: {a: b}", "kind"},
		"an account":                   {"apiVersion: v1, kind: ServiceAccount, metadata: {name: a}", "kind"},
		"rights":                       {"apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: a}", "kind"},
		"a workspace":                  {"apiVersion: berth.dev/v1alpha1, kind: Workspace, metadata: {name: a}", "kind"},
		"a kind of another group":      {"apiVersion: example.org/v1, kind: ConfigMap, metadata: {name: a}", "kind"},
		"a kind by choice":             {`apiVersion: v1, kind: "${parameters.repo}", metadata: {name: a}`, "kind"},
		"V 43: another namespace":      {meta("namespace: kube-system"), "metadata.namespace"},
		"V 43: a namespace by choice":  {meta(`namespace: "${parameters.repo}"`), "metadata.namespace"},
		"an owner":                     {meta("ownerReferences: [{apiVersion: v1, kind: Pod, name: a, uid: b}]"), "metadata.ownerReferences"},
		"a finalizer":                  {meta("finalizers: [a/b]"), "metadata.finalizers"},
		"a name of the cluster's":      {meta("generateName: b"), "metadata.generateName"},
		"V 40: Berth's own label":      {meta("labels: {berth.dev/mountable: \"true\"}"), `metadata.labels["berth.dev/mountable"]`},
		"V 40: Berth's own annotation": {meta("annotations: {berth.dev/delete-after: x}"), `metadata.annotations["berth.dev/delete-after"]`},
		"managed by":                   {meta("labels: {app.kubernetes.io/managed-by: berth}"), `metadata.labels["app.kubernetes.io/managed-by"]`},
		"a clone of a foreign claim":   {claim + "{dataSource: {kind: PersistentVolumeClaim, name: bob-home}}", "spec.dataSource"},
		"a clone, by the new field":    {claim + "{dataSourceRef: {kind: PersistentVolumeClaim, name: bob-home, namespace: other}}", "spec.dataSourceRef"},
		"a foreign volume":             {claim + "{volumeName: pv-of-bob}", "spec.volumeName"},
		"a foreign volume by label":    {claim + "{selector: {matchLabels: {a: b}}}", "spec.selector"},
		"a port of the nodes":          {service + "{type: NodePort, ports: [{port: 1}]}", "spec.type"},
		"a type by choice":             {service + `{type: "${'LoadBalancer'}"}`, "spec.type"},
		"another's address":            {service + "{externalIPs: [10.0.0.1]}", "spec.externalIPs"},
		"another's name":               {service + "{externalName: metadata.internal, type: ExternalName}", "spec.externalName"},
		"a status":                     {claim + "{}, status: {phase: Bound}", "status"},
	} {
		t.Run(name, func(t *testing.T) {
			compiled, problems := render.Compile(content(t, extra(test.object)))
			got := ""
			if compiled != nil {
				in, _ := compiled.Sample()
				if _, refusal := compiled.Render(in); refusal != nil {
					got = refusal.Fields[0].Path
				}
			} else {
				got = problems[0].Path
			}
			if want := "spec.content.extraObjects[0].object." + test.wantField; got != want {
				t.Errorf("refused at %q, want %q", got, want)
			}
		})
	}
}

// What a loop binds is gone behind it, and the language is the same inside as outside.
func TestAdvisory_V44_LoopsAddTheirVariableAlone(t *testing.T) {
	for _, source := range []string{"s.namespace", "object", "self", "workspace.spec", "organization.serviceAccountName", "secrets.db"} {
		_, problems := render.Compile(content(t, image(`extraObjects: [{id: x, forEach: [{s: "${parameters.shares}"}], object: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {a: "${`+source+`}"}}}]`)))
		if len(problems) == 0 {
			t.Errorf("%s compiles", source)
		}
	}
}
