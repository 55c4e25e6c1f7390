// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/render"
)

// The contents that the documentation shows, as they stand there.
const (
	plain = `{image: registry.example/base:24.04}`

	goDev = `
image: registry.example/go-dev:1.26
parameters:
- {name: cpu, type: integer, default: 2, minimum: 1, maximum: 8, mutable: true}
- {name: repo, type: string, default: "", pattern: "^(https://.+)?$", patternMessage: must be an https address}
resources: {requests: {cpu: "${parameters.cpu}", memory: "${parameters.cpu * 2}Gi"}}
apps: [{name: code, displayName: VS Code, port: 13337, healthCheck: {path: /healthz}}]
scripts:
- {name: clone, runAt: Start, blocksLogin: true, run: 'test -z "$BERTH_PARAM_REPO" || git clone "$BERTH_PARAM_REPO" ~/src'}
dailyCost: "${parameters.cpu * 3}"
`

	torch = `
parameters: [{name: gpus, type: integer, default: 1, options: [{value: 1}, {value: 4, displayName: Four (queued)}]}, {name: shares, type: array, default: []}]
agents: [{name: train, container: train}, {name: web, container: web, directory: /src/web}]
podTemplate:
  metadata: {labels: {kueue.x-k8s.io/queue-name: gpu}}
  spec:
    tolerations: [{key: nvidia.com/gpu, operator: Exists}]
    containers: [{name: train, image: "registry.example/torch:2.9", resources: {limits: {nvidia.com/gpu: "${parameters.gpus}"}}}, {name: web, image: "registry.example/node:24"}, {name: otel, image: "registry.example/otel:1"}]
extraObjects:
- {id: share, keep: true, forEach: [{s: "${parameters.shares}"}], object: {apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: "${workspace.objectName}-${s}"}, spec: {accessModes: [ReadWriteMany], resources: {requests: {storage: 1Gi}}}}}
`

	django = `
image: registry.example/python-dev:3.14
parameters: [{name: database, type: boolean, default: true}]
secrets: [{name: db, generate: [password]}]
volumeClaims: [{name: home, size: 20Gi, mountPath: /home/dev, whenDeleted: Retain}, {name: data, size: 5Gi, includeWhen: ["${parameters.database}"]}]
sidecars: [{name: db, image: "registry.example/postgres:18", includeWhen: ["${parameters.database}"], volumeMounts: [{name: data, mountPath: /var/lib/postgresql}], env: [{name: POSTGRES_PASSWORD, valueFrom: {secretKeyRef: {name: "${secrets.db.name}", key: password}}}]}]
`
)

// content reads a content from YAML.
func content(t testing.TB, text string) *v1alpha1.TemplateContent {
	t.Helper()
	var c v1alpha1.TemplateContent
	if err := yaml.Unmarshal([]byte(text), &c); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return &c
}

// compile compiles a content that must be right.
func compile(t testing.TB, text string) *render.Compiled {
	t.Helper()
	compiled, problems := render.Compile(content(t, text))
	if len(problems) > 0 {
		t.Fatalf("problems: %v", problems)
	}
	return compiled
}

// rendered renders a content that must be right, with its own sample and some parameters beside.
func rendered(t testing.TB, text string, parameters map[string]any) *render.Workload {
	t.Helper()
	w, refusal := tryRender(t, text, parameters)
	if refusal != nil {
		t.Fatalf("refused: %v", refusal)
	}
	return w
}

func tryRender(t testing.TB, text string, parameters map[string]any) (*render.Workload, error) {
	t.Helper()
	compiled := compile(t, text)
	in, _ := compiled.Sample()
	for name, x := range parameters {
		in.Parameters[name] = v1alpha1.ValueOf(x)
	}
	w, refusal := compiled.Render(in)
	if refusal != nil {
		return nil, refusal
	}
	return w, nil
}
