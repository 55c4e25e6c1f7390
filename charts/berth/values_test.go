// SPDX-License-Identifier: Apache-2.0

package berth_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/yaml"

	"github.com/berth-dev/berth/apiserver/externalauth"
	rules "github.com/berth-dev/berth/internal/externalauth"
)

// signIn are values by which people sign in at both identity providers.
var signIn = []string{
	"apiserver.accessURL=https://berth.example.org", "login.oidc.issuerURL=https://login.example.org/realms/dev", "login.oidc.clientID=berth",
	"login.oidc.clientSecret.name=login-oidc", "login.oidc.emailDomain={example.org}", "login.oidc.groupField=groups", "login.oidc.allowedGroups={backend}",
	"login.oidc.groupRegexFilter=^b", "login.oidc.authURLParams.access_type=offline", "login.oidc.userRoleField=roles", "login.oidc.userRoleDefault={auditor}",
	"login.oidc.iconURL=/icon.svg", "login.github.clientID=app", "login.github.clientSecret.name=login-github", "login.github.allowedOrgs={acme}",
	"login.github.allowedTeams={acme/backend}", "login.github.enterpriseBaseURL=https://github.example.org",
}

// gitHosts are values by which people sign in to git hosts, with every field that there is.
var gitHosts = []string{
	"apiserver.accessURL=https://berth.example.org", "externalAuth.caConfigMap=corporate",
	"externalAuth.providers[0].type=github", "externalAuth.providers[0].clientID=app", "externalAuth.providers[0].clientSecret.name=ext-github",
	"externalAuth.providers[1].id=Own.git", "externalAuth.providers[1].type=forge", "externalAuth.providers[1].clientID=berth",
	"externalAuth.providers[1].clientSecret.name=ext-own", "externalAuth.providers[1].clientSecret.key=secret",
	"externalAuth.providers[1].authURL=https://git.example.org/auth", "externalAuth.providers[1].tokenURL=https://git.example.org/token",
	"externalAuth.providers[1].validateURL=https://git.example.org/me", "externalAuth.providers[1].revokeURL=https://git.example.org/revoke",
	"externalAuth.providers[1].deviceCodeURL=https://git.example.org/device", "externalAuth.providers[1].noRefresh=true",
	"externalAuth.providers[1].scopes={read,write}", "externalAuth.providers[1].extraTokenKeys={team}", "externalAuth.providers[1].regex=git\\\\.example\\\\.org/(a|$(b))",
	"externalAuth.providers[1].appInstallURL=https://git.example.org/apps", "externalAuth.providers[1].appInstallationsURL=https://git.example.org/apps/mine",
	"externalAuth.providers[1].displayName=Forge", "externalAuth.providers[1].displayIcon=/icon/git.svg",
	"externalAuth.providers[2].id=device", "externalAuth.providers[2].type=gitlab", "externalAuth.providers[2].clientID=public", "externalAuth.providers[2].deviceFlow=true",
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
		"accounts by SCIM": {set: []string{"apiserver.scimKeySecret=scim"}, wantText: []string{"--scim-key-file=/etc/berth/scim/key\n", "secretName: scim\n"}},
		"none by SCIM":     {wantAbsent: []string{"scim"}},
		"the access URL":   {set: []string{"apiserver.accessURL=https://berth.example.org"}, wantText: []string{"--access-url=https://berth.example.org"}},
		"no access URL":    {wantAbsent: []string{"--access-url", "--wildcard-access-url"}},
		"hosts of apps": {
			set:      []string{"apiserver.accessURL=https://berth.example.org", "apiserver.wildcardAccessURL=*.apps.example.org:8443"},
			wantText: []string{`- "--wildcard-access-url=*.apps.example.org:8443"`},
		},
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
		"no git hosts": {wantAbsent: []string{"--external-auth", "/etc/berth", "# git hosts"}},
		"git hosts": {
			set: slices.Concat(gitHosts, []string{"networkPolicy.externalAuthPorts={443,8444}"}),
			wantText: []string{"name: ext-github\n", "name: ext-own\n", "key: secret\n", "path: Own.git\n", "name: corporate\n", "value: /etc/berth/external-auth-ca\n",
				"# git hosts\n  - ports:\n    - port: 443\n    - port: 8444\n"},
			wantAbsent: []string{"path: device", "# identity providers"},
		},
		"git hosts and identity providers, with CAs of both": {
			set:      slices.Concat(signIn, gitHosts, []string{"login.caConfigMap=logins"}),
			wantText: []string{"value: /etc/berth/ca:/etc/berth/external-auth-ca\n", "name: corporate\n", "name: logins\n", "# git hosts", "# identity providers"},
		},
		"a device flow alone, without a secret": {
			set: []string{"apiserver.accessURL=https://berth.example.org", "externalAuth.providers[0].type=gitlab",
				"externalAuth.providers[0].clientID=public", "externalAuth.providers[0].deviceFlow=true"},
			wantText: []string{"device_flow"}, wantAbsent: []string{"/etc/berth/external-auth", "client_secret_file"},
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
		"manger.replicas=2":                                 "manger",
		"manager.replica=2":                                 "replica",
		"manager.replicas=two":                              "/manager/replicas",
		"image.digest=latest":                               "/image/digest",
		"service.type=Headless":                             "/service/type",
		"service.nodePorts.http=99999":                      "/service/nodePorts/http",
		"apiserver.sessions.duration=1d":                    "/apiserver/sessions/duration",
		"apiserver.rateLimits.api=0":                        "/apiserver/rateLimits/api",
		"apiserver.accessURL=berth.local":                   "/apiserver/accessURL",
		"metrics.serviceMonitor.every=30s":                  "every",
		"apiserver.wildcardAccessURL=apps.example.org":      "/apiserver/wildcardAccessURL",
		"apiserver.wildcardAccessURL=https://*.example.org": "/apiserver/wildcardAccessURL",
		"apiserver.wildcardAccessURL=*.apps.example.org/x":  "/apiserver/wildcardAccessURL",
		"apiserver.wildcardAccessURL=*.apps.example.org":    "apiserver.accessURL: apiserver.wildcardAccessURL needs it",
		"login.oidc.issuerUrl=https://x":                    "issuerUrl",
		"login.oidc.issuerURL=https://x":                    "login.oidc.clientSecret.name",
		"login.github.allowedTeams={acme}":                  "/login/github/allowedTeams",
		"networkPolicy.externalAuthPorts={0}":               "/networkPolicy/externalAuthPorts",
	} {
		if _, err := run(t.Context(), t, "template", chart, "--kube-version", kubeVersion, "--set", set); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("--set %s: %v, want a refusal that names %s", set, err, want)
		}
	}
}

func TestWrongGitHostsAreRefused(t *testing.T) {
	const first, third = "externalAuth.providers[0].", "externalAuth.providers[3]."
	for set, want := range map[string]string{
		first + "client_id=app":                           "client_id",
		first + "clientSecret.value=x":                    "value",
		first + "authURL=http://git.example.org/auth":     "/externalAuth/providers/0/authURL",
		first + "tokenURL=http://127.0.0.1/token":         "/externalAuth/providers/0/tokenURL",
		first + "authURL=https://ada@git.example.org/":    "/externalAuth/providers/0/authURL",
		first + "revokeURL=https://git.example.org/x#y":   "/externalAuth/providers/0/revokeURL",
		first + "displayIcon=http://git.example.org/i":    "/externalAuth/providers/0/displayIcon",
		first + "id=../github":                            "/externalAuth/providers/0/id",
		first + "type=GitHub":                             "/externalAuth/providers/0/type",
		first + "clientID=":                               "/externalAuth/providers/0/clientID",
		first + "clientSecret.name=":                      "externalAuth.providers[0].clientSecret.name",
		"apiserver.accessURL=":                            "apiserver.accessURL",
		"externalAuth.caSecret=corporate":                 "caSecret",
		first + "id=Own.git":                              "two are called Own.git",
		third + "type=github," + third + "clientID=other": "two are called github",
		third + "clientID=other":                          "type",
	} {
		args := []string{"template", chart, "--kube-version", kubeVersion}
		for _, s := range append(slices.Clone(gitHosts), set) {
			args = append(args, "--set", s)
		}
		if _, err := run(t.Context(), t, args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("--set %s: %v, want a refusal that names %s", set, err, want)
		}
	}
}

// The API server refuses a field that it does not know, so each that the schema knows is called as the flag calls it.
func TestTheServerTakesTheGitHosts(t *testing.T) {
	var schema struct {
		Properties struct {
			ExternalAuth struct {
				Properties struct {
					Providers struct {
						Items struct {
							Properties map[string]any `json:"properties"`
						} `json:"items"`
					} `json:"providers"`
				} `json:"properties"`
			} `json:"externalAuth"`
		} `json:"properties"`
	}
	text, err := os.ReadFile("values.schema.json")
	if err == nil {
		err = yaml.Unmarshal(text, &schema)
	}
	if err != nil {
		t.Fatal(err)
	}
	set := strings.Join(gitHosts, "\n")
	for field := range schema.Properties.ExternalAuth.Properties.Providers.Items.Properties {
		if !strings.Contains(set, "]."+field+"=") && !strings.Contains(set, "]."+field+".") {
			t.Errorf("%s is not tried here", field)
		}
	}

	const flag, mount = "--external-auth-providers=", "/etc/berth/external-auth"
	var value string
	for _, o := range of(objects(t, render(t, gitHosts...)), "Deployment") {
		for _, arg := range as[appsv1.Deployment](t, o).Spec.Template.Spec.Containers[0].Args {
			if after, ok := strings.CutPrefix(arg, flag); ok {
				value = strings.ReplaceAll(after, "$$", "$") // as the kubelet reads it
			}
		}
	}
	files := t.TempDir()
	for _, id := range []string{"github", "Own.git"} {
		if err := os.WriteFile(filepath.Join(files, id), []byte("secret of "+id), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var o externalauth.Options
	f := pflag.NewFlagSet("berth-apiserver", pflag.ContinueOnError)
	o.AddFlags(f)
	if err := f.Parse([]string{flag + strings.ReplaceAll(value, mount, files)}); err != nil {
		t.Fatal(err)
	}
	providers, err := o.Providers("https://berth.example.org", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if len(providers) != 3 {
		t.Fatalf("%d providers of %s", len(providers), value)
	}
	if secret, err := providers[1].Secret(); err != nil || secret != "secret of Own.git" {
		t.Errorf("the second's secret is %q, %v", secret, err)
	}
	got := providers[1].Config
	got.Secret = nil
	const at = "https://git.example.org"
	want := rules.Config{ID: "Own.git", Type: "forge", ClientID: "berth", AuthURL: at + "/auth", TokenURL: at + "/token", ValidateURL: at + "/me",
		RevokeURL: at + "/revoke", DeviceCodeURL: at + "/device", NoRefresh: true, Scopes: []string{"read", "write"}, ExtraTokenKeys: []string{"team"},
		Regex: `git\.example\.org/(a|$(b))`, AppInstallURL: at + "/apps", AppInstallationsURL: at + "/apps/mine", DisplayName: "Forge", DisplayIcon: "/icon/git.svg"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !providers[2].DeviceFlow || providers[2].Secret != nil {
		t.Errorf("the third is not a public client of the device flow: %+v", providers[2].Config)
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
