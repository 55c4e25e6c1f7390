// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"net/http"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/berth-dev/berth/api/v1alpha1"
)

const (
	workspace = "kind: Workspace\nmetadata: {name: dev}\nspec: {owner: {user: ada}, templateRef: {name: plain}, "
	template  = "kind: Template\nmetadata: {name: plain}\nspec: {content: {image: a, "
	user      = "kind: User\nmetadata: {name: refused}\nspec: {email: a@b, "
)

// What is wrong in a manifest is refused by the kube-apiserver itself, with the field and what would be right.
func TestBadManifestsAreRefused(t *testing.T) {
	ns, c := namespace(t), raw(t)
	for name, test := range map[string]struct {
		manifest string
		want     []string
	}{
		"a duration in days":             {workspace + "autostop: {after: 2 days}}", []string{"spec.autostop.after: Invalid value", "must be a length of time in h, m and s, such as 8h"}},
		"a duration that overflows":      {workspace + "autostop: {after: 999999h999999h}}", []string{"spec.autostop.after", "at most 87840h"}},
		"a schedule with a zone in it":   {workspace + "autostart: {schedule: 'CRON_TZ=UTC 0 0 * * *'}}", []string{"spec.autostart.schedule", "five fields"}},
		"a schedule that is no schedule": {workspace + "autostart: {schedule: tomorrow}}", []string{"spec.autostart.schedule"}},
		"a state that is none":           {workspace + "state: Paused}", []string{"spec.state", "Running", "Stopped"}},
		"a misspelt field":               {workspace + "paramters: {cpu: 1}}", []string{"spec.paramters"}},
		"a name of 300 characters": {"kind: Workspace\nmetadata: {name: dev}\nspec: {name: " + strings.Repeat("a", 300) +
			", owner: {user: ada}, templateRef: {name: plain}}", []string{"spec.name", "32"}},
		"a name that climbs": {"kind: Workspace\nmetadata: {name: dev}\nspec: {name: ../etc, owner: {user: ada}, templateRef: {name: plain}}",
			[]string{"spec.name", "letters and digits in parts joined by single hyphens"}},
		"a name with two hyphens": {"kind: Workspace\nmetadata: {name: dev}\nspec: {name: a--b, owner: {user: ada}, templateRef: {name: plain}}",
			[]string{"spec.name", "letters and digits in parts joined by single hyphens"}},
		"an object name with two hyphens, which would be the name": {
			"kind: Workspace\nmetadata: {name: a--b}\nspec: {owner: {user: ada}, templateRef: {name: plain}}", []string{"metadata.name", "spec.name"}},
		"an owner in capitals": {"kind: Workspace\nmetadata: {name: dev}\nspec: {owner: {user: Ada}, templateRef: {name: plain}}",
			[]string{"spec.owner.user", "names are lower case: ada"}},
		"no owner":                  {"kind: Workspace\nmetadata: {name: dev}\nspec: {templateRef: {name: plain}}", []string{"spec.owner"}},
		"V 43: another namespace":   {"kind: Workspace\nmetadata: {name: dev}\nspec: {owner: {user: ada}, templateRef: {name: plain, namespace: other}}", []string{"namespace"}},
		"neither image nor pod":     {"kind: Template\nmetadata: {name: plain}\nspec: {content: {readme: x}}", []string{"spec.content", "exactly one of image and podTemplate"}},
		"both image and pod":        {template + "podTemplate: {spec: {}}}}", []string{"exactly one of image and podTemplate"}},
		"two agents with one image": {template + "agents: [{name: a}, {name: b}]}}", []string{"one agent"}},
		"a parameter twice":         {template + "parameters: [{name: a, type: string}, {name: a, type: string}]}}", []string{"parameters[1]", "Duplicate"}},
		"a type that is none":       {template + "parameters: [{name: a, type: bool}]}}", []string{"parameters[0].type", "boolean"}},
		"a pattern for a number":    {template + "parameters: [{name: a, type: number, pattern: x}]}}", []string{"parameters[0]", "pattern is for string"}},
		"an app without anything":   {template + "apps: [{name: a}]}}", []string{"apps[0]", "exactly one of port, url and command"}},
		"a port that is none":       {template + "apps: [{name: a, port: 70000}]}}", []string{"apps[0].port", "65535"}},
		"a schedule without one":    {template + "scripts: [{name: a, runAt: Schedule, run: x}]}}", []string{"scripts[0]", "schedule belongs to runAt: Schedule"}},
		"a start that lasts days":   {template + "startTimeout: 2 days}}", []string{"startTimeout", "is invalid: spec.content.startTimeout: Invalid value: \\\"2 days\\\": must be a length of time in h, m and s"}},
		"a start that never fails":  {template + "startTimeout: 1s}}", []string{"startTimeout", "between 30s and 24h"}},
		"a Secret's name by choice": {template + "env: [{name: A, valueFrom: {secretKeyRef: {name: '${parameters.x}', key: k}}}]}}",
			[]string{"env[0].valueFrom.secretKeyRef.name", "the one expression here is ${secrets.NAME.name}"}},
		"a Secret that generates nothing": {template + "secrets: [{name: db, generate: []}]}}", []string{"secrets[0].generate"}},
		"a Secret in capitals":            {template + "secrets: [{name: DB, generate: [a]}]}}", []string{"secrets[0].name"}},
		"a file without a path":           {template + "files: [{path: etc/x}]}}", []string{"files[0].path"}},
		"a file mode in decimals":         {template + "files: [{path: /etc/x, mode: \"644\"}]}}", []string{"files[0].mode"}},
		"a file mode without quotes":      {template + "files: [{path: /etc/x, mode: 0644}]}}", []string{"files[0].mode", "string"}},
		"two variables of a loop at once": {template + "extraObjects: [{id: a, forEach: [{a: x, b: y}], object: {}}]}}", []string{"extraObjects[0].forEach[0]"}},
		"an extra object twice":           {template + "extraObjects: [{id: a, object: {}}, {id: a, object: {}}]}}", []string{"extraObjects[1]", "Duplicate"}},
		"a preset without values":         {template + "presets: [{name: a}]}}", []string{"presets[0].parameters"}},
		"steps without Progressive":       {"kind: Template\nmetadata: {name: plain}\nspec: {rollout: {steps: [{percent: 5}]}}", []string{"strategy: Progressive"}},
		"a hold without an end":           {"kind: Template\nmetadata: {name: plain}\nspec: {hold: {version: plain-1}}", []string{"spec.hold.until"}},
		"a hold until tomorrow":           {"kind: Template\nmetadata: {name: plain}\nspec: {hold: {version: plain-1, until: tomorrow}}", []string{"spec.hold.until"}},
		"a cap below nothing":             {"kind: Template\nmetadata: {name: plain}\nspec: {limits: {perUser: {running: -1}}}", []string{"spec.limits.perUser.running", "0"}},
		"everyone by name":                {"kind: Template\nmetadata: {name: plain}\nspec: {access: [{kind: Everyone, name: x, role: Use}]}", []string{"access[0]", "Everyone has no name"}},
		"an organization without a name":  {"kind: Template\nmetadata: {name: plain}\nspec: {access: [{kind: Organization, role: Use}]}", []string{"access[0]", "Organization"}},
		"an organization as an admin":     {"kind: Template\nmetadata: {name: plain}\nspec: {access: [{kind: Organization, name: x, role: Admin}]}", []string{"access[0]", "may only Use"}},
		"a template's namespace":          {"kind: Workspace\nmetadata: {name: refused}\nspec: {owner: {user: ada}, templateRef: {name: plain, namespace: x}}", []string{"spec.templateRef.namespace"}},
		"an organization in capitals":     {"kind: Workspace\nmetadata: {name: refused}\nspec: {owner: {user: ada}, templateRef: {name: plain, organization: X}}", []string{"spec.templateRef.organization", "lower case"}},
		"an address in brackets":          {"kind: User\nmetadata: {name: refused}\nspec: {email: 'Ada <a@b>'}", []string{"spec.email"}},
		"an address with two @":           {"kind: User\nmetadata: {name: refused}\nspec: {email: a@b@c}", []string{"spec.email"}},
		"a group as a person":             {user + "subjects: [{kind: Group, name: x}]}", []string{"spec.subjects", "Group"}},
		"an id in capitals":               {user + "id: 6BA7B810-9DAD-11D1-80B4-00C04FD430C8}", []string{"spec.id"}},
		"a role that is none":             {user + "roles: [God]}", []string{"spec.roles[0]"}},
		"a group called Everyone":         {"kind: Group\nmetadata: {name: everyone}", []string{"Everyone is the group of all members"}},
		"a level that is none":            {"kind: Organization\nmetadata: {name: refused}\nspec: {podSecurity: none}", []string{"spec.podSecurity", "restricted"}},
		"a version of nothing":            {"kind: TemplateVersion\nmetadata: {name: v}\nspec: {message: x}", []string{"content says what a workspace consists of; only an archive that can't be read has none"}},
		"an archive without a word":       {"kind: TemplateVersion\nmetadata: {name: v}\nspec: {source: {file: 6ba7b810-9dad-11d1-80b4-00c04fd430c8}}", []string{"content says what a workspace consists of"}},
		"a dry run of nobody":             {"kind: DryRun\nmetadata: {name: d}\nspec: {versionRef: {name: v, uid: x}}", []string{"spec.owner"}},
		"an organization too long":        {"kind: Organization\nmetadata: {name: " + strings.Repeat("a", 33) + "}", []string{"metadata.name", "at most 32"}},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := yaml.YAMLToJSON([]byte("apiVersion: berth.dev/v1alpha1\n" + test.manifest))
			if err != nil {
				t.Fatal(err)
			}
			status, body := send(t, c, ns, text)
			if status < 400 || status >= http.StatusInternalServerError {
				t.Fatalf("%d, want a refusal: %s", status, body)
			}
			for _, part := range test.want {
				if !strings.Contains(body, part) {
					t.Errorf("it does not name %q: %s", part, body)
				}
			}
		})
	}
}

// What never changes is refused with what to do instead; what may change, may.
func TestWhatNeverChanges(t *testing.T) {
	const version = "kind: TemplateVersion\nmetadata: {name: v}\nspec: {templateRef: {name: plain}, content: {podTemplate: {spec: {containers: [{name: a, image: a}]}}}}"
	const upload = "kind: TemplateVersion\nmetadata: {name: v}\nspec: {source: {file: 6ba7b810-9dad-11d1-80b4-00c04fd430c8, error: x}}"
	const dryRun = "kind: DryRun\nmetadata: {name: d}\nspec: {versionRef: {name: v, uid: x}, owner: {user: ada}, cancel: {requestedAt: x}}"
	const build = "kind: WorkspaceBuild\nmetadata: {name: dev-1}\nspec: {workspaceRef: {name: dev, uid: x}, number: 1, transition: Start, reason: Initiator, initiator: {name: ada}}"
	for name, test := range map[string]struct {
		manifest, patch string
		want            string // empty: it is admitted
	}{
		"a workspace's owner":             {workspace + "}", `{"spec":{"owner":{"user":"eve"}}}`, "spec.owner.user never changes"},
		"a workspace's template":          {workspace + "}", `{"spec":{"templateRef":{"name":"other"}}}`, "spec.templateRef.name never changes"},
		"a template's organization, late": {workspace + "}", `{"spec":{"templateRef":{"organization":"other"}}}`, "spec.templateRef.organization never changes"},
		"a workspace's name, given late":  {workspace + "}", `{"spec":{"name":"api"}}`, "spec.name never changes"},
		"a workspace's state":             {workspace + "}", `{"spec":{"state":"Stopped"}}`, ""},
		"an id that is set":               {workspace + "id: 6ba7b810-9dad-11d1-80b4-00c04fd430c8}", `{"spec":{"id":null}}`, "spec.id never changes"},
		"an id that is set to another":    {workspace + "id: 6ba7b810-9dad-11d1-80b4-00c04fd430c8}", `{"spec":{"id":"7ba7b810-9dad-11d1-80b4-00c04fd430c8"}}`, "spec.id never changes"},
		"an id, once":                     {workspace + "}", `{"spec":{"id":"6ba7b810-9dad-11d1-80b4-00c04fd430c8"}}`, ""},
		"a version's image":               {version, `{"spec":{"content":{"podTemplate":{"spec":{"containers":[{"name":"a","image":"b"}]}}}}}`, "edit spec.content of the Template and a new version follows"},
		"a key in a version's pod":        {version, `{"spec":{"content":{"podTemplate":{"spec":{"hostNetwork":true}}}}}`, "TemplateVersion.spec.content never changes"},
		"a version's template":            {version, `{"spec":{"templateRef":{"name":"other"}}}`, "spec.templateRef never changes"},
		"a version's template, taken":     {version, `{"spec":{"templateRef":null}}`, "spec.templateRef never changes"},
		"a version's message":             {version, `{"spec":{"message":"x","archived":true}}`, ""},
		"a version's archive":             {upload, `{"spec":{"source":{"error":"y"}}}`, "spec.source never changes"},
		"an archive's content":            {upload, `{"spec":{"content":{"image":"a"}}}`, "TemplateVersion.spec.content never changes"},
		"a version's end, asked for":      {upload, `{"spec":{"cancel":{"requestedAt":"2026-01-01T00:00:00Z"}}}`, ""},
		"a dry run's owner":               {dryRun, `{"spec":{"owner":{"user":"eve"}}}`, "a dry run never changes"},
		"a dry run's parameters":          {dryRun, `{"spec":{"parameters":{"values":{"cpu":1}}}}`, "a dry run never changes"},
		"a dry run's end, twice":          {dryRun, `{"spec":{"cancel":{"requestedAt":"y"}}}`, "spec.cancel is set once"},
		"a build's transition":            {build, `{"spec":{"transition":"Stop"}}`, "a build never changes"},
		"a build's parameters":            {build, `{"spec":{"parameters":{"values":{"cpu":1}}}}`, "a build never changes"},
		"a build's wish":                  {build, `{"spec":{"wish":{"state":"Running"}}}`, "a build never changes"},
		"a build's hash":                  {build, `{"spec":{"resolvedHash":"x"}}`, "a build never changes"},
		"a build's request":               {build, `{"spec":{"requestID":"x"}}`, "a build never changes"},
		"a build's log level":             {build, `{"spec":{"logLevel":"debug"}}`, "a build never changes"},
		"a restart of a start":            {strings.Replace(build, "{workspaceRef", "{restart: false, workspaceRef", 1), `{"spec":{"restart":true}}`, "a build never changes"},
		"an orphan of a deletion":         {strings.Replace(build, "transition: Start", "orphan: false, transition: Delete", 1), `{"spec":{"orphan":true}}`, "a build never changes"},
		"a build's end, asked for":        {build, `{"spec":{"cancel":{"requestedAt":"2026-01-01T00:00:00Z"}}}`, ""},
		"a template's content":            {template + "}}", `{"spec":{"content":{"image":"b"}}}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			u := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte("apiVersion: berth.dev/v1alpha1\n"+test.manifest), &u.Object); err != nil {
				t.Fatal(err)
			}
			u.SetNamespace(namespace(t))
			if err := live.Client.Create(t.Context(), u); err != nil {
				t.Fatal(err)
			}
			err := live.Client.Patch(t.Context(), u, client.RawPatch("application/merge-patch+json", []byte(test.patch)))
			switch {
			case test.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("want a refusal with %q, got %v", test.want, err)
			}
		})
	}
}

// Accepted numbers only rise, so that no build that was overtaken is ever held to again.
func TestAcceptedNumbersOnlyRise(t *testing.T) {
	w := &v1alpha1.Workspace{}
	if err := yaml.Unmarshal([]byte(workspace+"}"), w); err != nil {
		t.Fatal(err)
	}
	w.Namespace = namespace(t)
	if err := live.Client.Create(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if w.Status.ObservedGeneration != -1 {
		t.Errorf("observedGeneration begins at %d, want -1", w.Status.ObservedGeneration)
	}
	for _, step := range []struct {
		number int64
		want   bool
	}{{1, true}, {3, true}, {2, false}, {3, true}} {
		w.Status.Build = &v1alpha1.AcceptedBuild{UIDReference: v1alpha1.UIDReference{Name: "dev-1", UID: "x"}, Number: step.number}
		err := live.Client.Status().Update(t.Context(), w)
		if (err == nil) != step.want {
			t.Errorf("number %d: %v, want admitted %v", step.number, err, step.want)
		}
		if err := live.Client.Get(t.Context(), client.ObjectKeyFromObject(w), w); err != nil {
			t.Fatal(err)
		}
	}
}
