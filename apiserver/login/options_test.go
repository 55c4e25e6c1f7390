// SPDX-License-Identifier: Apache-2.0

package login

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// read makes providers of flags.
func read(t *testing.T, args ...string) (Providers, error) {
	t.Helper()
	var o Options
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	o.AddFlags(f)
	if err := f.Parse(args); err != nil {
		return Providers{}, err
	}
	return o.Providers("https://berth.example", time.Now)
}

func secretFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestOptions(t *testing.T) {
	file := secretFile(t, "the secret\n")
	if p, err := read(t); err != nil || p.OIDC != nil || p.GitHub != nil || !p.Methods().Password.Enabled || p.Methods().OIDC.Enabled {
		t.Errorf("without any flag: %+v, %v", p, err)
	}
	p, err := read(t, "--oidc-issuer-url=https://login.example.org", "--oidc-client-id=berth", "--oidc-client-secret-file="+file,
		"--oidc-allow-signups", "--oidc-email-domain=example.org,corp.example", "--oidc-group-field=groups",
		`--oidc-group-mapping={"cn=dev,ou=x":"backend"}`, "--oidc-group-regex-filter=^backend$", "--oidc-user-role-field=roles",
		`--oidc-user-role-mapping={"platform":["template-admin","auditor"]}`, "--oidc-sign-in-text=Acme", "--oidc-icon-url=/icon.svg",
		"--oauth2-github-client-id=app", "--oauth2-github-client-secret-file="+file, "--oauth2-github-allowed-orgs=acme")
	if err != nil {
		t.Fatal(err)
	}
	r := p.OIDC.Rules
	if !r.Signups || !r.SyncGroups || !r.SyncRoles || len(r.EmailDomains) != 2 || r.GroupMapping["cn=dev,ou=x"] != "backend" ||
		len(r.RoleMapping["platform"]) != 2 || !r.GroupFilter.MatchString("backend") || r.IgnoreEmailVerified {
		t.Errorf("%+v", r)
	}
	if m := p.Methods(); !m.OIDC.Enabled || m.OIDC.SignInText != "Acme" || m.OIDC.IconURL != "/icon.svg" || !m.Github.Enabled {
		t.Errorf("%+v", m)
	}
	if !p.SetRoles(v1alpha1.LoginTypeOIDC) || p.SetRoles(v1alpha1.LoginTypeGitHub) || p.SetRoles(v1alpha1.LoginTypePassword) {
		t.Error("roles come from elsewhere than was said")
	}
}

// What is not said lets nobody in, and what contradicts itself is told by the flag's name.
func TestAdvisory_V32_OptionsUnsaidAreSafe(t *testing.T) {
	file := secretFile(t, "x")
	oidc := []string{"--oidc-issuer-url=https://login.example.org", "--oidc-client-id=berth", "--oidc-client-secret-file=" + file}
	p, err := read(t, oidc...)
	if err != nil {
		t.Fatal(err)
	}
	if r := p.OIDC.Rules; r.Signups || r.IgnoreEmailVerified || r.SyncGroups || r.SyncRoles || len(r.DefaultRoles) > 0 {
		t.Errorf("unsaid, the rules are %+v", r)
	}
	for want, args := range map[string][]string{
		"--oidc-allow-signups":               append(oidc, "--oidc-allow-signups"),
		"--oidc-allowed-groups":              append(oidc, "--oidc-allowed-groups=x"),
		"--oidc-user-role-default":           append(oidc, "--oidc-user-role-default=owner"),
		"--oidc-user-role-mapping":           append(oidc, "--oidc-user-role-field=r", `--oidc-user-role-mapping={"x":["boss"]}`),
		"oidc-group-mapping":                 append(oidc, "--oidc-group-mapping=a=b"),
		"--oidc-group-regex-filter":          append(oidc, "--oidc-group-field=g", "--oidc-group-regex-filter=("),
		"--oidc-email-domain":                append(oidc, "--oidc-email-domain=*.example.org"),
		"--oidc-client-secret-file":          oidc[:2],
		"client id":                          {oidc[0], oidc[2]},
		"issuer URL":                         {"--oidc-issuer-url=http://login.example.org", oidc[1], oidc[2]},
		"--oauth2-github":                    {"--oauth2-github-client-id=app", "--oauth2-github-client-secret-file=" + file},
		"--oauth2-github-client-secret-file": {"--oauth2-github-client-id=app", "--oauth2-github-client-secret-file=" + file + "-not"},
	} {
		if _, err := read(t, args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want one that names %s", args, err, want)
		}
	}
	var o Options
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	o.AddFlags(f)
	if err := f.Parse(oidc); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Providers("", time.Now); err == nil || !strings.Contains(err.Error(), "--access-url") {
		t.Errorf("without an access URL: %v", err)
	}
}
