// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/examples"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/render"
)

func nobodys(c *render.Compiled) render.Input {
	in, _ := c.Sample()
	in.Workspace = render.Workspace{ID: "11111111-0000-4000-8000-000000000001", Name: "go-dev-warm-x", ObjectName: "go-dev-warm-x"}
	in.Owner, in.Hold = render.Owner{}, true
	return in
}

func TestPoolable(t *testing.T) {
	tests := map[string]struct {
		content string
		want    []string // the fields that stand in the way
	}{
		"plain":                           {plain, nil},
		"parameters":                      {goDev, nil},
		"parameters in extras":            {torch, nil},
		"owner in a variable":             {image("env: [{name: GIT_AUTHOR_EMAIL, value: \"${owner.email}\"}]"), nil},
		"owner in an agent's":             {image("agents: [{name: main, env: [{name: A, value: \"${owner.email}\"}]}]"), nil},
		"owner in a long form's variable": {pod(`env: [{name: A, value: "${workspace.name}"}]`), nil},
		"owner outside the pod": {image(`dailyCost: "${size(owner.name)}"
apps: [{name: code, port: 1, includeWhen: ["${owner.name == 'ada'}"]}]
resourceMetadata: [{name: pod, items: [{key: a, value: "${owner.email.split('@')[1]}"}]}]
extraObjects: [{id: a, object: {apiVersion: v1, kind: ConfigMap, metadata: {name: "${workspace.objectName}"}}}]`), nil},

		"image":    {`{image: "x/${owner.name}"}`, []string{"spec.content.image"}},
		"resource": {image(`resources: {limits: {memory: "${size(owner.name)}Gi"}}`), []string{"spec.content.resources.limits.memory"}},
		"labels and annotations": {`{podTemplate: {metadata: {labels: {team: "${owner.name}"}, annotations: {a: "${workspace.id}"}}, spec: {containers: [{name: main, image: x}]}}}`,
			[]string{"spec.content.podTemplate.metadata.annotations.a", "spec.content.podTemplate.metadata.labels.team"}},
		"size of a claim":   {image(`volumeClaims: [{name: a, size: "${size(owner.name)}Gi"}]`), []string{"spec.content.volumeClaims[0].size"}},
		"claim's condition": {image(`volumeClaims: [{name: a, size: 1Gi, includeWhen: ["${owner.name == 'ada'}"]}]`), []string{"spec.content.volumeClaims[0].includeWhen[0]"}},
		"sidecar": {image(`sidecars: [{name: s, image: "x/${owner.name}", command: ["${workspace.name}"], env: [{name: A, value: "${owner.id}"}], includeWhen: ["${owner.name != ''}"]}]`),
			[]string{"spec.content.sidecars[0].command[0]", "spec.content.sidecars[0].env[0].value", "spec.content.sidecars[0].image", "spec.content.sidecars[0].includeWhen[0]"}},
		"another container's variable": {`{podTemplate: {spec: {containers: [{name: main, image: x}, {name: db, image: img, env: [{name: A, value: "${owner.name}"}]}]}}}`,
			[]string{"spec.content.podTemplate.spec.containers[1].env[0].value"}},
		"file":                         {image(`files: [{path: ~/.gitconfig, content: "${owner.email}", template: true}]`), []string{"spec.content.files[0].content"}},
		"file as it stands":            {image(`files: [{path: ~/.gitconfig, content: "${owner.email}"}]`), nil},
		"generated secret":             {django, []string{"spec.content.secrets[0]"}},
		"hidden in a macro":            {image(`volumeClaims: [{name: a, size: "${[1].map(x, x + size(owner.name))[0]}Gi"}]`), []string{"spec.content.volumeClaims[0].size"}},
		"command that uses a variable": {pod(`command: [serve, "--for=$(BERTH_OWNER_NAME)"]`), []string{"spec.content.podTemplate.spec.containers[0].command"}},
		"arguments by a detour": {pod(`command: [serve]
args: ["$(B)"]
env: [{name: A, value: "${owner.name}"}, {name: B, value: "x$(A)"}]`), []string{"spec.content.podTemplate.spec.containers[0].command"}},
		"not a reference":             {pod(`command: [serve, "$$(BERTH_OWNER_NAME)"]`), nil},
		"place that uses a variable":  {pod(`volumeMounts: [{name: v, mountPath: /v, subPathExpr: "$(BERTH_WORKSPACE_NAME)"}]`) + "volumeClaims: [{name: v, size: 1Gi}]", []string{"spec.content.podTemplate.spec.containers[0].volumeMounts[0].subPathExpr"}},
		"mixed with a Secret's value": {image(`env: [{name: T, valueFrom: {secretKeyRef: {name: s, key: k}}}, {name: A, value: "$(T)${owner.name}"}]`), []string{"spec.content.env"}},
		"extra object in the pod": {`{podTemplate: {spec: {containers: [{name: main, image: x, envFrom: [{configMapRef: {name: shared}}]}]}}, extraObjects: [{id: a, object: {apiVersion: v1, kind: ConfigMap, metadata: {name: shared}}}]}`,
			[]string{"spec.content.extraObjects[0]"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := compile(t, test.content)
			refusal := c.Poolable(nobodys(c))
			var got []string
			if refusal != nil {
				if refusal.Reason != v1alpha1.ReasonNotPoolable || refusal.Kind != fault.Invalid {
					t.Errorf("reason %q, kind %v", refusal.Reason, refusal.Kind)
				}
				for _, f := range refusal.Fields {
					got = append(got, f.Path)
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("fields in the way (-want +got):\n%s\n%v", diff, refusal)
			}
		})
	}
}

// A prepared pod is the workspace's own but for what Bind tells its agents: whatever the content, whoever the owner.
func TestPreparedPodBecomesTheWorkspaces(t *testing.T) {
	contents := map[string]string{
		"plain": plain, "go-dev": goDev, "torch": torch,
		"variables": image(`env: [{name: A, value: "$$(X) ${owner.name}"}, {name: B, value: "$(A)/$(BERTH_WORKSPACE_NAME)/$(HOME)/$(NONE)"}, {name: HOME2, value: "$(HOME)"}]
agents: [{name: main, env: [{name: HOME2, value: fixed}]}]
volumeClaims: [{name: home, size: 1Gi, mountPath: /home/dev}]`),
		"two agents": `{agents: [{name: a, container: first}, {name: b, container: second, env: [{name: C, value: "${workspace.objectName}"}]}], podTemplate: {spec: {containers: [{name: first, image: i, command: [run, me], env: [{name: A, value: "${owner.displayName}"}]}, {name: second, image: i}, {name: third, image: i}]}}}`,
	}
	offered, err := examples.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range offered {
		text, err := yaml.Marshal(e.Template.Spec.Content)
		if err != nil {
			t.Fatal(err)
		}
		contents["example "+e.ID] = string(text)
	}
	owners := []render.Owner{
		{ID: "22222222-0000-4000-8000-000000000001", Name: "ada", Email: "ada@example.org", DisplayName: "Ada $(HOME) $$ L."},
		{ID: "22222222-0000-4000-8000-000000000002", Name: "x", Email: "", DisplayName: "$(BERTH_OWNER_NAME"},
	}
	for name, text := range contents {
		t.Run(name, func(t *testing.T) {
			c := compile(t, text)
			in := nobodys(c)
			in.Workspace.ClaimNames = map[string]string{"home": "kept", "data": "kept-too"}
			if refusal := c.Poolable(in); refusal != nil {
				if !strings.HasPrefix(name, "example") {
					t.Fatal(refusal)
				}
				t.Skip(refusal)
			}
			prepared, refusal := c.Render(in)
			if refusal != nil {
				t.Fatal(refusal)
			}
			checkSafe(t, prepared)
			for _, owner := range owners {
				own := in
				own.Owner, own.Hold = owner, false
				own.Workspace = render.Workspace{ID: "33333333-0000-4000-8000-000000000001", Name: "api", ObjectName: owner.Name + "--api", ClaimNames: in.Workspace.ClaimNames}
				whole, refusal := c.Render(own)
				if refusal != nil {
					t.Fatal(refusal)
				}
				bound, refusal := c.Bind(own)
				if refusal != nil {
					t.Fatal(refusal)
				}
				for i := range whole.Pod.Spec.Containers {
					want, is := &whole.Pod.Spec.Containers[i], prepared.Pod.Spec.Containers[i].DeepCopy()
					at := slices.IndexFunc(whole.Agents, func(a render.Agent) bool { return a.Container == want.Name })
					if at < 0 {
						continue
					}
					env := seen(is.Env)
					for _, v := range bound[whole.Agents[at].Name] {
						if _, there := env[v.Name]; there {
							t.Errorf("%s is told though the pod has it", v.Name)
						}
						env[v.Name] = v.Value
					}
					if diff := cmp.Diff(seen(want.Env), env); diff != "" {
						t.Errorf("environment of %s (-own +prepared and told):\n%s", want.Name, diff)
					}
					if !slices.Contains(is.Command, "--hold") {
						t.Errorf("%s does not hold: %v", want.Name, is.Command)
					}
					is.Command = slices.DeleteFunc(is.Command, func(s string) bool { return s == "--hold" })
					is.Env = want.Env
					prepared.Pod.Spec.Containers[i] = *is
				}
				if diff := cmp.Diff(whole.Pod, prepared.Pod); diff != "" {
					t.Errorf("pod (-own +prepared):\n%s", diff)
				}
				if prepared, refusal = c.Render(in); refusal != nil {
					t.Fatal(refusal)
				}
			}
		})
	}
}

// seen is the environment as the programs of a container see it: what Kubernetes makes of it, by its own rules written
// down once more.
func seen(env []corev1.EnvVar) map[string]string {
	is := map[string]string{}
	for _, v := range env {
		value := strings.ReplaceAll(v.Value, "$$", "\x00")
		for name, known := range is {
			value = strings.ReplaceAll(value, "$("+name+")", strings.ReplaceAll(known, "$", "\x00"))
		}
		is[v.Name] = strings.ReplaceAll(value, "\x00", "$")
		if v.ValueFrom != nil {
			is[v.Name] = "from elsewhere"
		}
	}
	return is
}

// What makes no difference for two made-up people must make none for anybody: the fields are judged by their expressions.
func TestPoolableIsNotAGuess(t *testing.T) {
	c := compile(t, `{image: "${owner.name == 'one-of-a-kind' ? 'theirs' : 'everybodys'}"}`)
	if c.Poolable(nobodys(c)) == nil {
		t.Error("an image that is another for one person alone can be prepared for all")
	}
	in := nobodys(c)
	in.Owner.Name = "one-of-a-kind"
	if _, refusal := c.Bind(in); refusal == nil {
		t.Error("a prepared pod is bound to somebody whose own would be another")
	}
}

// What depends on a person is not even worked out for nobody, as it need not make sense for one without a name.
func TestNobodyNeedsNoEmail(t *testing.T) {
	c := compile(t, image(`env: [{name: DOMAIN, value: "${owner.email.split('@')[1]}"}]`))
	in := nobodys(c)
	if refusal := c.Poolable(in); refusal != nil {
		t.Fatal(refusal)
	}
	w, refusal := c.Render(in)
	if refusal != nil {
		t.Fatal(refusal)
	}
	for _, name := range []string{"DOMAIN", "BERTH_OWNER_NAME", "BERTH_OWNER_EMAIL", "BERTH_WORKSPACE_ID", "BERTH_WORKSPACE_NAME"} {
		if _, there := environment(w.Pod.Spec.Containers[0])[name]; there {
			t.Errorf("a pod that is nobody's has %s", name)
		}
	}
	in.Owner.Email = "ada@example.org"
	bound, refusal := c.Bind(in)
	if refusal != nil {
		t.Fatal(refusal)
	}
	if !slices.Contains(bound["main"], v1alpha1.EnvVar{Name: "DOMAIN", Value: "example.org"}) {
		t.Errorf("told %v", bound)
	}
}
