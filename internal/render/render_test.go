// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/render"
)

func environment(c corev1.Container) map[string]string {
	env := map[string]string{}
	for _, v := range c.Env {
		env[v.Name] = v.Value
	}
	return env
}

func TestExpressionsInText(t *testing.T) {
	tests := map[string]struct {
		value      string
		parameters map[string]any
		want       string
	}{
		"text":                   {`plain`, nil, "plain"},
		"whole text":             {`${parameters.repo}`, map[string]any{"repo": "x"}, "x"},
		"whole integer":          {`${parameters.cpu}`, nil, "2"},
		"whole boolean":          {`${parameters.database}`, nil, "false"},
		"integer within":         {`a${parameters.cpu * 3}b`, nil, "a6b"},
		"number":                 {`${parameters.ratio}`, nil, "0.5"},
		"whole number as number": {`${parameters.ratio * 4.0}`, nil, "2"},
		"large number":           {`${parameters.ratio}`, map[string]any{"ratio": 1e21}, "1000000000000000000000"},
		"escaped":                {`$${parameters.repo}`, nil, "${parameters.repo}"},
		"list joined":            {`${parameters.shares.join(",")}`, map[string]any{"shares": []string{"a", "b"}}, "a,b"},
		"variable":               {`${variables.region}`, nil, "zrh"},
		"owner":                  {`${owner.name}/${owner.email}`, nil, "sample/sample@example.org"},
		"workspace":              {`${workspace.name} ${workspace.objectName} ${workspace.id}`, nil, "sample sample 00000000-0000-4000-8000-000000000001"},
		"template, organization": {`${template.name} ${organization.name}`, nil, "sample sample"},
		"condition":              {`${parameters.database ? "with" : "without"}`, nil, "without"},
		"map literal":            {`${ {'a': 1}['a'] }`, nil, "1"},
		"brace in a string":      {`${parameters.repo + '}'}`, map[string]any{"repo": "x"}, "x}"},
		"quantity":               {`${quantity("1Gi").add(quantity("1Gi"))}`, nil, "2Gi"},
		"not interpolated twice": {`${parameters.repo}`, map[string]any{"repo": "%{owner.name}"}, "%{owner.name}"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			encoded, err := json.Marshal(test.value)
			if err != nil {
				t.Fatal(err)
			}
			w := rendered(t, image("env: [{name: X, value: "+string(encoded)+"}]"), test.parameters)
			if got := environment(w.Pod.Spec.Containers[0])["X"]; got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// What a person typed is never read as an expression.
func TestParametersAreNotInterpolatedTwice(t *testing.T) {
	w := rendered(t, image(`resourceMetadata: [{name: pod, items: [{key: a, value: "${parameters.repo}"}]}]`), map[string]any{"repo": "${owner.email}"})
	if got := w.Resources[0].Items[0].Value; got != "${owner.email}" {
		t.Errorf("got %q", got)
	}
}

func TestExpressionsKeepTheirType(t *testing.T) {
	w := rendered(t, pod(`
command: "${parameters.shares}"
ports: [{containerPort: "${parameters.cpu + 8000}"}]
stdin: "${parameters.database}"
resources: {limits: {cpu: "${parameters.cpu}", memory: "${parameters.cpu * 2}Gi", ephemeral-storage: "${parameters.ratio * 4.0}Gi"}}
livenessProbe: {httpGet: {port: "${parameters.cpu}", path: "/${parameters.cpu}"}}`), map[string]any{"cpu": 3, "database": true, "shares": []string{"serve", "$(HOME)"}})
	c := w.Pod.Spec.Containers[0]
	if c.Ports[0].ContainerPort != 8003 || !c.Stdin || c.LivenessProbe.HTTPGet.Port.IntValue() != 3 || c.LivenessProbe.HTTPGet.Path != "/3" {
		t.Errorf("container %+v", c)
	}
	if l := c.Resources.Limits; l.Cpu().String() != "3" || l.Memory().String() != "6Gi" || l.StorageEphemeral().String() != "2Gi" {
		t.Errorf("limits %v", c.Resources.Limits)
	}
	want := []string{"/.berth/berth-agent", "run", "--name", "main", "--", "serve", "$$(HOME)"}
	if diff := cmp.Diff(want, c.Command); diff != "" {
		t.Errorf("command (-want +got):\n%s", diff)
	}
}

func TestRenderSaysWhatIsWrong(t *testing.T) {
	tests := map[string]struct {
		content    string
		parameters map[string]any
		want       fault.Field
		reason     string
	}{
		"division by zero": {image(`dailyCost: "${10 / parameters.cpu}"`), map[string]any{"cpu": 0},
			fault.Field{Path: "spec.content.dailyCost", Detail: `"${10 / parameters.cpu}" fails: division by zero`}, v1alpha1.ReasonExpressionInvalid},
		"quantity that is none": {image(`resources: {limits: {memory: "${parameters.repo}"}}`), map[string]any{"repo": "much"},
			fault.Field{Path: "spec.content.resources.limits.memory", Detail: `"${parameters.repo}" is "much", which is not a quantity, such as 500m, 2 or 4Gi`}, v1alpha1.ReasonExpressionInvalid},
		"nothing asked for": {image(`volumeClaims: [{name: a, size: "${parameters.cpu}Gi"}]`), map[string]any{"cpu": 0},
			fault.Field{Path: "spec.content.volumeClaims[0].size", Detail: `"0" must be more than nothing`}, v1alpha1.ReasonPodInvalid},
		"cost below nothing": {image(`dailyCost: "${0 - parameters.cpu}"`), nil,
			fault.Field{Path: "spec.content.dailyCost", Detail: `is -2; a cost lies between 0 and 1000000000 credits a day`}, v1alpha1.ReasonInvalid},
		"claim that is not there": {image(`volumeClaims: [{name: a, size: 1Gi, includeWhen: ["${parameters.database}"]}]
sidecars: [{name: db, image: x, volumeMounts: [{name: a, mountPath: /a}]}]`), nil,
			fault.Field{Path: "spec.content.sidecars[0].volumeMounts[0].name", Detail: `volume claim "a" is not there, as its includeWhen says; give both the same condition`}, v1alpha1.ReasonPodInvalid},
		"parameter without a value": {image(""), map[string]any{"cpu": nil},
			fault.Field{Path: "spec.parameters.cpu", Detail: "has no value; give a whole number"}, v1alpha1.ReasonParameterRefused},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := tryRender(t, test.content, test.parameters)
			f, ok := fault.As(err)
			if !ok || f.Kind != fault.Invalid || f.Reason != test.reason {
				t.Fatalf("got %#v, want an Invalid fault with reason %s", err, test.reason)
			}
			if diff := cmp.Diff([]fault.Field{test.want}, f.Fields); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
		})
	}
}

func TestClaimsAndCosts(t *testing.T) {
	text := django + `
dailyCost: 4
resourceMetadata: [{name: pod, icon: /pod.svg, dailyCost: 1}, {name: data, hide: true, dailyCost: "${parameters.database ? 2 : 0}", items: [{key: size, value: 5Gi}]}]
`
	w := rendered(t, text, nil)
	want := []v1alpha1.BuildResource{
		{Kind: "Pod", Name: "pod", Icon: "/pod.svg", DailyCost: 5},
		{Kind: "PersistentVolumeClaim", Name: "home"},
		{Kind: "PersistentVolumeClaim", Name: "data", Hide: true, DailyCost: 2, Items: []v1alpha1.ResourceMetadataItem{{Key: "size", Value: "5Gi"}}},
		{Kind: "Secret", Name: "db"},
	}
	if diff := cmp.Diff(want, w.Resources); diff != "" || w.DailyCost != 7 {
		t.Errorf("costs %d; resources (-want +got):\n%s", w.DailyCost, diff)
	}
	home, data := w.Claims[0], w.Claims[1]
	if home.WhenDeleted != v1alpha1.WhenDeletedRetain || data.WhenDeleted != v1alpha1.WhenDeletedDelete || data.MountPath != "" {
		t.Errorf("claims %+v", w.Claims)
	}
	if got := home.Spec.Resources.Requests.Storage().String(); got != "20Gi" {
		t.Errorf("home asks for %s", got)
	}
	if w := rendered(t, text, map[string]any{"database": false}); len(w.Claims) != 1 || len(w.Pod.Spec.Containers) != 1 || w.DailyCost != 5 {
		t.Errorf("without the database: %+v", w)
	}
}

// A claim that the workspace has is used by the name that its status recorded.
func TestRecordedClaimNames(t *testing.T) {
	compiled := compile(t, podSpec(`volumes: [{name: home, persistentVolumeClaim: {claimName: home}}]`)+"volumeClaims: [{name: home, size: 1Gi, mountPath: /home/x}]")
	in, _ := compiled.Sample()
	in.Workspace.ClaimNames = map[string]string{"home": "restored"}
	w, refusal := compiled.Render(in)
	if refusal != nil {
		t.Fatal(refusal)
	}
	if w.Claims[0].Name != "restored" || w.Pod.Spec.Volumes[0].PersistentVolumeClaim.ClaimName != "restored" {
		t.Errorf("claims %+v, volumes %+v", w.Claims, w.Pod.Spec.Volumes)
	}
}

func TestReferences(t *testing.T) {
	w := rendered(t, podSpec(`
imagePullSecrets: [{name: pull}]
volumes: [{name: a, secret: {secretName: certs, optional: true}}, {name: b, configMap: {name: settings}}, {name: c, projected: {sources: [{secret: {name: certs}}]}}]
initContainers: [{name: i, image: x, envFrom: [{configMapRef: {name: settings}}]}]`)+
		`agents: [{name: main, env: [{name: T, valueFrom: {secretKeyRef: {name: token, key: k}}}]}]
sidecars: [{name: s, image: x, env: [{name: T, valueFrom: {configMapKeyRef: {name: other, key: k}}}]}]`, nil)
	const spec = "spec.content.podTemplate.spec"
	want := []render.Reference{
		{Kind: "ConfigMap", Name: "other", Path: "spec.content.sidecars[0].env[0].valueFrom.configMapKeyRef.name"},
		{Kind: "ConfigMap", Name: "settings", Path: spec + ".volumes[1].configMap.name"},
		{Kind: "Secret", Name: "certs", Path: spec + ".volumes[0].secret.secretName"},
		{Kind: "Secret", Name: "pull", Path: spec + ".imagePullSecrets[0].name"},
		{Kind: "Secret", Name: "token", Path: "spec.content.agents[0].env[0].valueFrom.secretKeyRef.name"},
	}
	if diff := cmp.Diff(want, w.References); diff != "" {
		t.Errorf("references (-want +got):\n%s", diff)
	}
}

func TestRenderIsDeterministic(t *testing.T) {
	for name, text := range map[string]string{"go-dev": goDev, "torch": torch, "django": django,
		"maps": pod(`resources: {limits: {a.b/c: 1, a.b/d: 2, cpu: "${parameters.cpu}", memory: 1Gi}}`) + "volumeClaims: [{name: b, size: 1Gi}, {name: a, size: 1Gi}]"} {
		t.Run(name, func(t *testing.T) {
			var first []byte
			for range 20 {
				text, err := json.Marshal(rendered(t, text, nil))
				if err != nil {
					t.Fatal(err)
				}
				if first == nil {
					first = text
				}
				if diff := cmp.Diff(string(first), string(text)); diff != "" {
					t.Fatalf("another pod from the same content:\n%s", diff)
				}
			}
		})
	}
	compiled := compile(t, torch)
	in, _ := compiled.Sample()
	for range 4 {
		t.Run("one content at a time for several workspaces", func(t *testing.T) {
			t.Parallel()
			if _, refusal := compiled.Render(in); refusal != nil {
				t.Error(refusal)
			}
		})
	}
	intent := func(parameters map[string]any) string {
		w := rendered(t, goDev, parameters)
		w.Pod.Annotations = map[string]string{v1alpha1.AnnotationIntent: "whatever"}
		got, err := render.Intent(&w.Pod)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if a, b, c := intent(nil), intent(nil), intent(map[string]any{"cpu": 3}); a != b || a == c {
		t.Errorf("intents %s %s %s: want the first two alike", a, b, c)
	}
}

func TestSample(t *testing.T) {
	compiled := compile(t, `
image: "registry.example/${parameters.flavour}:1"
parameters:
- {name: flavour, type: string, options: [{value: small}, {value: large}]}
- {name: least, type: integer, minimum: 3}
- {name: most, type: number, maximum: 0.5}
- {name: repo, type: string}
- {name: count, type: integer}
- {name: gpu, type: boolean}
- {name: list, type: array}
- {name: given, type: string, default: ""}
`)
	in, placeholders := compiled.Sample()
	if diff := cmp.Diff([]string{"count", "gpu", "list", "repo"}, placeholders); diff != "" {
		t.Errorf("placeholders (-want +got):\n%s", diff)
	}
	got := map[string]string{}
	for name, v := range in.Parameters {
		got[name] = string(v.Raw)
	}
	want := map[string]string{"flavour": `"small"`, "least": "3", "most": "0.5", "repo": `"placeholder"`, "count": "1", "gpu": "false", "list": `["placeholder"]`, "given": `""`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	if _, refusal := compiled.Render(in); refusal != nil {
		t.Error(refusal)
	}
}

func TestHash(t *testing.T) {
	hash := func(text string) string {
		got, err := render.Hash(content(t, text))
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if a, b := hash("podTemplate: {spec: {a: 1, b: 2}}"), hash("podTemplate: {spec: {b: 2, a: 1}}"); a != b {
		t.Errorf("the order of fields changes the hash")
	}
	if a, b := hash("image: x"), hash("image: y"); a == b || len(a) != 64 {
		t.Errorf("hashes %s and %s", a, b)
	}
	// Names of versions are made of it: it must stay what it is in every release.
	if got := hash(goDev); got != "b7109147f83d4324069e35492a88061aa2d3f41ef46a55077bec22ca927607bc" {
		t.Errorf("the content of go-dev has the hash %s", got)
	}
	var numbers v1alpha1.TemplateContent
	if err := json.Unmarshal([]byte(`{"image":"x","dailyCost":12345678901234567890}`), &numbers); err != nil {
		t.Fatal(err)
	}
	a, err := render.Hash(&numbers)
	if err != nil {
		t.Fatal(err)
	}
	numbers.DailyCost.Raw = []byte("12345678901234567891")
	b, err := render.Hash(&numbers)
	if err != nil || a == b {
		t.Errorf("a large number lost its digits: %v", err)
	}
}

func TestNotEnforced(t *testing.T) {
	template := &v1alpha1.Template{Spec: v1alpha1.TemplateSpec{
		Content:   content(t, goDev),
		Lifecycle: &v1alpha1.Lifecycle{AutostopAfter: "8h", DormantAfter: "336h", ActivityBump: "2h", AutostopMax: "0s", KeepDeletedFor: "1h", StartTimeout: "5m"},
	}}
	want := []string{"spec.lifecycle.activityBump", "spec.content.apps"}
	if diff := cmp.Diff(want, render.NotEnforced(template)); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	if got := render.NotEnforced(&v1alpha1.TemplateVersion{Spec: v1alpha1.TemplateVersionSpec{Content: *content(t, plain)}}); len(got) != 0 {
		t.Errorf("the shortest content states %v", got)
	}
}
