// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/testing/cluster"
)

// live is the control plane of this package's tests; nil while fuzzing, which needs none and has many processes.
var live *cluster.Cluster

func TestMain(m *testing.M) {
	flag.Parse()
	if fuzzing := flag.Lookup("test.fuzz"); fuzzing != nil && fuzzing.Value.String() != "" {
		os.Exit(m.Run())
	}
	os.Exit(func() int {
		var err error
		if live, err = cluster.Start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		code := m.Run()
		if err := live.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return code
	}())
}

// namespace makes a namespace for one test.
func namespace(t *testing.T) string {
	t.Helper()
	if live == nil {
		t.Skip("there is no control plane while fuzzing")
	}
	n := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "api-"}}
	if err := live.Client.Create(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	return n.Name
}

// resources are the plurals by kind; those of clusterScoped stand in no namespace.
var (
	resources = map[string]string{
		"Organization": "organizations", "User": "users", "Group": "groups", "Template": "templates",
		"TemplateVersion": "templateversions", "Workspace": "workspaces", "WorkspaceBuild": "workspacebuilds", "DryRun": "dryruns",
	}
	clusterScoped = map[string]bool{"Organization": true, "User": true}
)

// send sends a manifest just as it is written, byte for byte: our own types would smooth out what is odd about it. It
// gives the status and the body of the answer.
func send(t *testing.T, c *http.Client, namespace string, manifest []byte) (int, string) {
	t.Helper()
	var head struct {
		Kind     string            `json:"kind"`
		Metadata metav1.ObjectMeta `json:"metadata"`
	}
	if err := json.Unmarshal(manifest, &head); err != nil {
		t.Fatalf("%v in %s", err, manifest)
	}
	path := "/apis/" + v1alpha1.GroupVersion.String()
	if !clusterScoped[head.Kind] {
		path += "/namespaces/" + namespace
	}
	path += "/" + resources[head.Kind] + "?fieldValidation=Strict"
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, strings.TrimSuffix(live.Config.Host, "/")+path, bytes.NewReader(manifest))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := c.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if closed := response.Body.Close(); err != nil || closed != nil {
		t.Fatal(err, closed)
	}
	return response.StatusCode, string(body)
}

func raw(t *testing.T) *http.Client {
	t.Helper()
	c, err := rest.HTTPClientFor(live.Config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// lists reads everything of every kind with our types, as an informer does: one object that does not decode fails it.
func lists(ctx context.Context) error {
	for _, list := range []client.ObjectList{
		&v1alpha1.OrganizationList{}, &v1alpha1.UserList{}, &v1alpha1.GroupList{}, &v1alpha1.TemplateList{},
		&v1alpha1.TemplateVersionList{}, &v1alpha1.WorkspaceList{}, &v1alpha1.WorkspaceBuildList{}, &v1alpha1.DryRunList{},
	} {
		if err := live.Client.List(ctx, list); err != nil {
			return fmt.Errorf("%T: %w", list, err)
		}
	}
	return nil
}

// shapes are manifests with a hole for an odd value; N is replaced by a number of its own.
var shapes = []string{
	`{"kind":"Workspace","metadata":{"name":"wN"},"spec":{"owner":{"user":"ada"},"templateRef":{"name":"t"},"autostop":{"after":ODD}}}`,
	`{"kind":"Workspace","metadata":{"name":"wN"},"spec":{"id":ODD,"owner":{"user":"ada"},"templateRef":{"name":"t"}}}`,
	`{"kind":"Workspace","metadata":{"name":"wN"},"spec":{"owner":{"user":"ada"},"templateRef":{"name":"t"},"request":{"transition":"Start","at":ODD}}}`,
	`{"kind":"Workspace","metadata":{"name":"wN"},"spec":{"owner":{"user":"ada"},"templateRef":{"name":"t"},"parameters":{"p":ODD}}}`,
	`{"kind":"Workspace","metadata":{"name":"wN"},"spec":{"owner":{"user":"ada"},"templateRef":{"name":"t"},"autostart":{"schedule":ODD,"timeZone":ODD}}}`,
	`{"kind":"Template","metadata":{"name":"tN"},"spec":{"lifecycle":{"autostopAfter":ODD,"startTimeout":"1m"},"content":{"image":"a"}}}`,
	`{"kind":"Template","metadata":{"name":"tN"},"spec":{"lifecycle":{"autostopRequirement":{"daysOfWeek":["Monday"],"weeks":ODD}}}}`,
	`{"kind":"Template","metadata":{"name":"tN"},"spec":{"rollout":{"strategy":"Progressive","minBuilds":ODD}}}`,
	`{"kind":"Template","metadata":{"name":"tN"},"spec":{"rollout":{"strategy":"Progressive","deadline":ODD}}}`,
	`{"kind":"Template","metadata":{"name":"tN"},"spec":{"hold":{"version":"v","until":ODD}}}`,
	`{"kind":"Template","metadata":{"name":"tN"},"spec":{"limits":{"running":1,"perUser":{"kept":ODD}}}}`,
	`{"kind":"Template","metadata":{"name":"tN"},"spec":{"rollout":{"strategy":"Progressive","steps":[{"percent":ODD,"for":"1h"}]}}}`,
	`{"kind":"Template","metadata":{"name":"tN"},"spec":{"rollout":{"strategy":"Progressive","steps":[{"group":"a","for":ODD}]}}}`,
	`{"kind":"Template","metadata":{"name":"tN"},"spec":{"content":{"image":"a","dailyCost":ODD,"resources":{"requests":{"cpu":ODD}}}}}`,
	`{"kind":"Template","metadata":{"name":"tN"},"spec":{"content":{"image":"a","startTimeout":ODD}}}`,
	`{"kind":"Template","metadata":{"name":"tN"},"spec":{"content":{"image":"a","apps":[{"name":"a","port":ODD}]}}}`,
	`{"kind":"Template","metadata":{"name":"tN"},"spec":{"content":{"image":"a","parameters":[{"name":"p","type":"integer","default":ODD,"minimum":ODD,"order":0}]}}}`,
	`{"kind":"Template","metadata":{"name":"tN"},"spec":{"content":{"image":"a","parameters":[{"name":"p","type":"integer","options":[{"value":ODD}],"order":ODD}]}}}`,
	`{"kind":"Template","metadata":{"name":"tN"},"spec":{"content":{"podTemplate":{"spec":{"containers":ODD,"terminationGracePeriodSeconds":ODD}}}}}`,
	`{"kind":"Template","metadata":{"name":"tN"},"spec":{"content":{"image":"a","volumeClaims":[{"name":"home","size":ODD}]}}}`,
	`{"kind":"Template","metadata":{"name":"tN"},"spec":{"content":{"image":"a","secrets":[{"name":"db","generate":[ODD]}]}}}`,
	`{"kind":"Template","metadata":{"name":"tN"},"spec":{"content":{"image":"a","env":[{"name":"A","valueFrom":{"secretKeyRef":{"name":ODD,"key":"k"}}}]}}}`,
	`{"kind":"Template","metadata":{"name":"tN"},"spec":{"content":{"image":"a","files":[{"path":"/a","mode":"0644","content":ODD,"template":true}]}}}`,
	`{"kind":"Template","metadata":{"name":"tN"},"spec":{"content":{"image":"a","extraObjects":[{"id":"a","forEach":[{"s":ODD}],"object":{"kind":ODD,"spec":ODD}}]}}}`,
	`{"kind":"Template","metadata":{"name":"tN"},"spec":{"content":{"image":"a","presets":[{"name":"p","parameters":{"x":ODD}}]}}}`,
	`{"kind":"TemplateVersion","metadata":{"name":"vN"},"spec":{"archived":ODD,"content":{"image":"a"}}}`,
	`{"kind":"TemplateVersion","metadata":{"name":"vN"},"spec":{"source":{"file":"6ba7b810-9dad-11d1-80b4-00c04fd430c8","error":ODD,"notes":["x"]}}}`,
	`{"kind":"TemplateVersion","metadata":{"name":"vN"},"spec":{"source":{"file":ODD,"hash":"00"},"content":{"image":"a"}}}`,
	`{"kind":"TemplateVersion","metadata":{"name":"vN"},"spec":{"cancel":{"requestedAt":ODD},"content":{"image":"a"}}}`,
	`{"kind":"DryRun","metadata":{"name":"dN"},"spec":{"versionRef":{"name":"v","uid":"x"},"owner":{"user":"ada"},"parameters":{"values":{"p":ODD}}}}`,
	`{"kind":"DryRun","metadata":{"name":"dN"},"spec":{"versionRef":{"name":"v","uid":"x"},"owner":{"user":"ada"},"workspaceName":ODD}}`,
	`{"kind":"WorkspaceBuild","metadata":{"name":"bN"},"spec":{"workspaceRef":{"name":"w","uid":ODD},"number":1,"transition":"Start","reason":"Initiator","initiator":{"name":"x"}}}`,
	`{"kind":"WorkspaceBuild","metadata":{"name":"bN"},"spec":{"workspaceRef":{"name":"w","uid":"x"},"number":ODD,"transition":"Start","reason":"Initiator","initiator":{"name":"x"},"cancel":{"requestedAt":ODD}}}`,
	`{"kind":"User","metadata":{"name":"uN"},"spec":{"email":ODD}}`,
	`{"kind":"User","metadata":{"name":"uN"},"spec":{"id":ODD,"email":"a@b"}}`,
	`{"kind":"User","metadata":{"name":"uN"},"spec":{"email":"a@b","suspended":ODD,"quietHours":{"schedule":"0 0 * * *","timeZone":ODD}}}`,
	`{"kind":"Group","metadata":{"name":"gN"},"spec":{"quota":{"dailyCost":ODD}}}`,
	`{"kind":"Group","metadata":{"name":"gN"},"spec":{"quota":{"running":ODD}}}`,
	`{"kind":"Group","metadata":{"name":"gN"},"spec":{"quota":{"kept":1,"perMember":{"running":ODD}}}}`,
	`{"kind":"Organization","metadata":{"name":"oN"},"spec":{"id":ODD}}`,
	`{"kind":"Organization","metadata":{"name":"oN"},"spec":{"default":ODD}}`,
	`{"kind":"Organization","metadata":{"name":"oN"},"spec":{"everyone":ODD,"podSecurity":"baseline"}}`,
}

// odd are values of which each has once passed a schema and failed a decoder, somewhere, and their neighbours.
var odd = []string{
	`null`, `{}`, `[]`, `true`, `""`, `0`, `1`, `1.0`, `1e0`, `1E+2`, `10.50`, `-1`, `-0`, `5e-1`, `2147483648`, `9223372036854775807`,
	`9223372036854775808`, `1e400`, `0.1e1`, `"1"`, `"8h"`, `"2 days"`, `"1w"`, `"8 h"`, `"P1D"`, `"99999999999h"`, `"87840h0m0.001s"`,
	`"87840h1s"`, `"1h1h1h"`, `"1.5h"`, `"1.5555h"`, `".5h"`, `"1µs"`, `"100ms"`, `"-1h"`, `"+1h"`, `"1H"`, `"999999h"`, `"30s"`,
	`"2026-01-01t00:00:00z"`, `"2026-01-01T00:00:00Z"`, `"2026-13-45T99:99:99Z"`, `"2026-01-01T00:00:00.123456789+23:59"`, `"0000-00-00T00:00:00Z"`,
	`"1e1.5"`, `"1.5e"`, `"10Gi"`, `"1Ki1"`, `"0x10"`, `"${parameters.x}"`, `"\u0000"`, `"\ud800"`, `"💥"`, `"a\nb"`,
	`"6BA7B810-9DAD-11D1-80B4-00C04FD430C8"`, `"6ba7b8109dad11d180b400c04fd430c8"`, `"6ba7b810-9dad-11d1-80b4-00c04fd430c8"`,
	`"urn:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8"`, `"{6ba7b810-9dad-11d1-80b4-00c04fd430c8}"`, `"zzzzzzzz-9dad-11d1-80b4-00c04fd430c8"`,
	`"Ada <a@b>"`, `"a@b@c"`, `"a@b"`, `"@b"`, `"a@"`, `"ADA@EXAMPLE.ORG"`, `"ada@exämple.org"`, `"a b@c"`, `"\"a\"@b"`,
	`"30 9 * * 1-5"`, `"@daily"`, `"CRON_TZ=UTC 0 0 * * *"`, `"0 0 0 0 0 0"`, `"* * * * *\n"`, `"99 99 99 99 99"`, `"Europe/Zurich"`, `"../../etc/passwd"`,
	`{"value":1,"value":2}`, `[[[[[[[[]]]]]]]]`, `[{"name":"a","image":1.0}]`, `{"a":{"b":[1e999]}}`, `"true"`, `"null"`,
}

// Whatever the kube-apiserver admits, our typed lists decode: one odd manifest of one member must never stop an informer.
func TestWhateverIsAdmittedDecodes(t *testing.T) {
	ns, c := namespace(t), raw(t)
	random := rand.New(rand.NewPCG(1, 2))
	n := 0
	for _, shape := range shapes {
		var admitted []string
		values := odd
		if testing.Short() {
			values = odd[:16]
		}
		for _, value := range values {
			n++
			text := strings.ReplaceAll(shape, "ODD", value)
			if strings.Count(shape, "ODD") > 1 { // the other holes get something else, so that one refusal does not hide another
				text = strings.ReplaceAll(strings.Replace(shape, "ODD", value, 1), "ODD", odd[random.IntN(len(odd))])
			}
			text = strings.Replace(strings.Replace(text, "{", `{"apiVersion":"berth.dev/v1alpha1",`, 1), `N"`, fmt.Sprintf(`%d"`, n), 1)
			status, body := send(t, c, ns, []byte(text))
			switch {
			case status == http.StatusCreated:
				admitted = append(admitted, text)
			case status >= http.StatusInternalServerError:
				t.Errorf("%d for %s: %s", status, text, body)
			}
		}
		if len(admitted) == 0 {
			t.Errorf("nothing was admitted of %s: the test proves nothing for it", shape)
		}
		if err := lists(t.Context()); err != nil {
			t.Errorf("one of these was admitted, and no list decodes any more: %v\n%s", err, strings.Join(admitted, "\n"))
		}
		remove(t, ns)
	}
}

// remove takes everything away again, so that lists stay short.
func remove(t *testing.T, ns string) {
	t.Helper()
	for _, o := range []client.Object{&v1alpha1.Group{}, &v1alpha1.Template{}, &v1alpha1.TemplateVersion{}, &v1alpha1.Workspace{}, &v1alpha1.WorkspaceBuild{}, &v1alpha1.DryRun{}} {
		if err := live.Client.DeleteAllOf(t.Context(), o, client.InNamespace(ns)); err != nil {
			t.Fatal(err)
		}
	}
	for _, o := range []client.Object{&v1alpha1.Organization{}, &v1alpha1.User{}} {
		if err := live.Client.DeleteAllOf(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
}

// The manifests that people are shown are admitted as they stand.
func TestShownManifestsAreAdmitted(t *testing.T) {
	ns, c := namespace(t), raw(t)
	for name, manifest := range map[string]string{
		"the four-line template": "kind: Template\nmetadata: {name: plain}\nspec: {content: {image: registry.example/base:24.04}}",
		"a template with everything": `
kind: Template
metadata: {name: go-dev, annotations: {kustomize.toolkit.fluxcd.io/substitute: disabled}}
spec:
  displayName: Go
  access: [{kind: Group, name: backend, role: Use}, {kind: Organization, name: guests, role: Use}]
  lifecycle: {autostopAfter: 8h, dormantAfter: 336h}
  rollout: {strategy: Progressive, steps: [{group: canaries, for: 24h}, {percent: 25, for: 24h}], minBuilds: 5}
  content:
    image: registry.example/go-dev:1.26
    parameters:
    - {name: cpu, type: integer, default: 2, minimum: 1, maximum: 8, mutable: true}
    - {name: repo, type: string, default: "", pattern: "^(https://.+)?$", patternMessage: must be an https address}
    resources: {requests: {cpu: "${parameters.cpu}", memory: "${parameters.cpu * 2}Gi"}}
    apps: [{name: code, displayName: VS Code, port: 13337, healthCheck: {path: /healthz}}]
    scripts:
    - {name: clone, runAt: Start, blocksLogin: true, run: 'test -z "$BERTH_PARAM_REPO" || git clone "$BERTH_PARAM_REPO" ~/src'}
    dailyCost: "${parameters.cpu * 3}"`,
		"a template with a database": `
kind: Template
metadata: {name: django}
spec:
  content:
    image: registry.example/python-dev:3.14
    parameters: [{name: database, type: boolean, default: true}]
    secrets: [{name: db, generate: [password]}]
    volumeClaims: [{name: home, size: 20Gi, mountPath: /home/dev, whenDeleted: Retain}, {name: data, size: 5Gi, includeWhen: ["${parameters.database}"]}]
    sidecars: [{name: db, image: "registry.example/postgres:18", includeWhen: ["${parameters.database}"], volumeMounts: [{name: data, mountPath: /var/lib/postgresql}], env: [{name: POSTGRES_PASSWORD, valueFrom: {secretKeyRef: {name: "${secrets.db.name}", key: password}}}]}]
    files: [{path: ~/.gitconfig, mode: "0644", content: "[user]\n"}]
    apps: [{name: admin, port: 8080, includeWhen: ["${parameters.database}"]}]
    presets: [{name: small, parameters: {database: false}}]`,
		"a template with several agents": `
kind: Template
metadata: {name: torch}
spec:
  content:
    parameters: [{name: gpus, type: integer, default: 1, options: [{value: 1}, {value: 4, displayName: Four (queued)}]}, {name: shares, type: array, default: []}]
    agents: [{name: train, container: train}, {name: web, container: web, directory: /src/web}]
    podTemplate:
      metadata: {labels: {kueue.x-k8s.io/queue-name: gpu}}
      spec:
        tolerations: [{key: nvidia.com/gpu, operator: Exists}]
        containers: [{name: train, image: "registry.example/torch:2.9", resources: {limits: {nvidia.com/gpu: "${parameters.gpus}"}}}, {name: web, image: "registry.example/node:24"}, {name: otel, image: "registry.example/otel:1"}]
    extraObjects:
    - {id: share, keep: true, forEach: [{s: "${parameters.shares}"}], object: {apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: "${workspace.objectName}-${s}"}, spec: {accessModes: [ReadWriteMany], resources: {requests: {storage: 1Gi}}}}}`,
		"a workspace": `
kind: Workspace
metadata: {name: ada-api}
spec: {name: api, owner: {user: ada}, autostop: {after: 8h}, templateRef: {name: go-dev}, parameters: {cpu: 4}, autostart: {schedule: "30 9 * * 1-5", timeZone: Europe/Zurich}}`,
		"an organization": "kind: Organization\nmetadata: {name: platform}\nspec: {displayName: Platform, default: true, podSecurity: restricted}",
		"a user":          "kind: User\nmetadata: {name: ada}\nspec: {email: ada@example.org, loginType: OIDC, subjects: [{kind: User, name: \"oidc:ada\"}]}",
		"a template that is held, with caps": "kind: Template\nmetadata: {name: held}\nspec: {hold: {version: torch-51aa03, until: \"2026-11-26T14:00:00Z\", by: ada}, " +
			"limits: {running: 8, perUser: {running: 1, kept: 2}}, content: {image: a}}",
		"a group with caps": "kind: Group\nmetadata: {name: frontend}\nspec: {quota: {dailyCost: 100, running: 40, kept: 80, perMember: {running: 2, kept: 4}}}",
		"a group":           "kind: Group\nmetadata: {name: backend}\nspec: {members: [grace], subjects: [{kind: Group, name: \"oidc:backend\"}], quota: {dailyCost: 100, running: 40}}",
	} {
		t.Run(name, func(t *testing.T) {
			text, err := yaml.YAMLToJSON([]byte("apiVersion: berth.dev/v1alpha1\n" + manifest))
			if err != nil {
				t.Fatal(err)
			}
			if status, body := send(t, c, ns, text); status != http.StatusCreated {
				t.Errorf("%d: %s", status, body)
			}
		})
	}
}
