// SPDX-License-Identifier: Apache-2.0

package berth_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// signIn are values by which people sign in at both identity providers.
var signIn = []string{
	"apiserver.accessURL=https://berth.example.org", "login.oidc.issuerURL=https://login.example.org/realms/dev", "login.oidc.clientID=berth",
	"login.oidc.clientSecret.name=login-oidc", "login.oidc.emailDomain={example.org}", "login.oidc.groupField=groups", "login.oidc.allowedGroups={backend}",
	"login.oidc.groupRegexFilter=^b", "login.oidc.authURLParams.access_type=offline", "login.oidc.userRoleField=roles", "login.oidc.userRoleDefault={auditor}",
	"login.oidc.iconURL=/icon.svg", "login.github.clientID=app", "login.github.clientSecret.name=login-github", "login.github.allowedOrgs={acme}",
	"login.github.allowedTeams={acme/backend}", "login.github.enterpriseBaseURL=https://github.example.org",
}

func TestValues(t *testing.T) {
	for name, c := range map[string]struct {
		set        []string
		wantText   []string
		wantAbsent []string
	}{
		"the image by digest": {
			set:        []string{"image.repository=registry.example/berth", "image.digest=sha256:" + strings.Repeat("a", 64), "image.tag=v9"},
			wantText:   []string{"image: registry.example/berth@sha256:" + strings.Repeat("a", 64), "--agent-image=registry.example/berth@sha256:"},
			wantAbsent: []string{":v9"},
		},
		"the agent's own tag": {
			set:      []string{"image.repository=registry.example/berth", "agentImage.tag=v8"},
			wantText: []string{"image: registry.example/berth:0.1.0", "--agent-image=registry.example/berth:v8"},
		},
		"a node port":  {set: []string{"service.type=NodePort", "service.nodePorts.http=30080"}, wantText: []string{"nodePort: 30080"}},
		"no node port": {wantAbsent: []string{"nodePort"}},
		"sessions and limits": {wantText: []string{"--session-duration=24h\n", "--disable-session-expiry-refresh=false\n", "--disable-password-auth=false\n",
			"--api-rate-limit=512\n", "--dangerous-disable-rate-limits=false\n"}},
		"other sessions and limits": {
			set: []string{"apiserver.sessions.duration=8h", "apiserver.sessions.refresh=false", "apiserver.sessions.passwords=false",
				"apiserver.rateLimits.api=2000000", "apiserver.rateLimits.disableAll=true"},
			wantText: []string{"--session-duration=8h\n", "--disable-session-expiry-refresh=true\n", "--disable-password-auth=true\n",
				"--api-rate-limit=2000000\n", "--dangerous-disable-rate-limits=true\n"},
		},
		"accounts by SCIM":     {set: []string{"apiserver.scimKeySecret=scim"}, wantText: []string{"--scim-key-file=/etc/berth/scim/key\n", "secretName: scim\n"}},
		"none by SCIM":         {wantAbsent: []string{"scim"}},
		"the access URL":       {set: []string{"apiserver.accessURL=https://berth.example.org"}, wantText: []string{"--access-url=https://berth.example.org"}},
		"no access URL":        {wantAbsent: []string{"--access-url"}},
		"no aggregation":       {set: []string{"aggregation.enabled=false"}, wantText: []string{"--aggregation=false"}},
		"no network policy":    {set: []string{"networkPolicy.enabled=false"}, wantAbsent: []string{"kind: NetworkPolicy"}},
		"no metrics":           {set: []string{"metrics.enabled=false", "metrics.serviceMonitor.enabled=true"}, wantAbsent: []string{"kind: ServiceMonitor", "berth-manager-metrics"}},
		"a service monitor":    {set: []string{"metrics.serviceMonitor.enabled=true", "metrics.serviceMonitor.labels.release=prom"}, wantText: []string{"kind: ServiceMonitor", "release: prom"}},
		"no memory limit":      {set: []string{"manager.resources=null", "apiserver.resources=null"}, wantAbsent: []string{"GOMEMLIMIT", "resources:\n        limits"}},
		"no sign-in elsewhere": {wantAbsent: []string{"--oidc", "--oauth2", "/etc/berth", "SSL_CERT_DIR", "identity providers"}},
		"sign-in at a provider": {
			set: slices.Concat(signIn, []string{"login.oidc.groupMapping.dev=backend", "login.oidc.userRoleMapping.platform={template-admin}", "login.caConfigMap=corporate"}),
			wantText: []string{
				`"--oidc-issuer-url=https://login.example.org/realms/dev"`, "--oidc-client-secret-file=/etc/berth/oidc/secret", "--oidc-allow-signups=false",
				`"--oidc-group-mapping={\"dev\":\"backend\"}"`, `"--oidc-user-role-mapping={\"platform\":[\"template-admin\"]}"`, "secretName: login-oidc",
				"name: corporate", "value: /etc/berth/ca", `"--oauth2-github-allowed-orgs=acme"`, "secretName: login-github", "# identity providers",
			},
		},
		"where pods stand": {
			set:      []string{"manager.nodeSelector.pool=system", "manager.priorityClassName=system-cluster-critical", "imagePullSecrets[0].name=pull"},
			wantText: []string{"pool: system", "priorityClassName: system-cluster-critical", "- name: pull"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			out := render(t, c.set...)
			for _, text := range c.wantText {
				if !strings.Contains(out, text) {
					t.Errorf("lacks %q", text)
				}
			}
			for _, text := range c.wantAbsent {
				if strings.Contains(out, text) {
					t.Errorf("has %q", text)
				}
			}
		})
	}
}

func TestWrongValuesAreRefused(t *testing.T) {
	for set, want := range map[string]string{
		"manger.replicas=2":                "manger",
		"manager.replica=2":                "replica",
		"manager.replicas=two":             "/manager/replicas",
		"image.digest=latest":              "/image/digest",
		"service.type=Headless":            "/service/type",
		"service.nodePorts.http=99999":     "/service/nodePorts/http",
		"apiserver.sessions.duration=1d":   "/apiserver/sessions/duration",
		"apiserver.rateLimits.api=0":       "/apiserver/rateLimits/api",
		"apiserver.accessURL=berth.local":  "/apiserver/accessURL",
		"metrics.serviceMonitor.every=30s": "every",
		"login.oidc.issuerUrl=https://x":   "issuerUrl",
		"login.oidc.issuerURL=https://x":   "login.oidc.clientSecret.name",
		"login.github.allowedTeams={acme}": "/login/github/allowedTeams",
	} {
		if _, err := run(t.Context(), t, "template", chart, "--kube-version", kubeVersion, "--set", set); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("--set %s: %v, want a refusal that names %s", set, err, want)
		}
	}
}

// The schema knows every value, explains it, and knows no other.
func TestSchemaIsThatOfTheValues(t *testing.T) {
	read := func(file string, into any) {
		t.Helper()
		text, err := os.ReadFile(file)
		if err == nil {
			err = yaml.Unmarshal(text, into)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var values, schema map[string]any
	read("values.yaml", &values)
	read("values.schema.json", &schema)
	var check func(path string, value any, schema map[string]any)
	check = func(path string, value any, schema map[string]any) {
		if path != "" && schema["description"] == nil {
			t.Errorf("%s has no description", path)
		}
		properties, ok := schema["properties"].(map[string]any)
		if !ok {
			return
		}
		if schema["additionalProperties"] != false {
			t.Errorf("%s lets unknown values through", path)
		}
		own, _ := value.(map[string]any)
		for name := range own {
			if properties[name] == nil {
				t.Errorf("%s/%s is not in the schema", path, name)
			}
		}
		for name, property := range properties {
			if _, ok := own[name]; !ok && path+"/"+name != "/global" {
				t.Errorf("%s/%s is not in values.yaml", path, name)
			}
			check(path+"/"+name, own[name], property.(map[string]any))
		}
	}
	check("", values, schema)
}
