// SPDX-License-Identifier: Apache-2.0

package audit_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/audit"
)

func TestDiff(t *testing.T) {
	type diff = codersdk.AuditDiff
	value := func(text string) v1alpha1.Value {
		var v v1alpha1.Value
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	for name, c := range map[string]struct {
		before, after any
		want          diff
	}{
		"nothing":  {nil, nil, diff{}},
		"the same": {v1alpha1.UserSpec{Email: "a@example.org"}, v1alpha1.UserSpec{Email: "a@example.org"}, diff{}},
		"made":     {nil, v1alpha1.UserSpec{Email: "a@example.org"}, diff{"email": {New: "a@example.org"}}},
		"removed":  {v1alpha1.UserSpec{Email: "a@example.org"}, nil, diff{"email": {Old: "a@example.org"}}},
		"a field, a list and a field below a field": {
			v1alpha1.WorkspaceSpec{Name: "dev", Owner: v1alpha1.WorkspaceOwner{User: "ada"}},
			v1alpha1.WorkspaceSpec{Name: "api", Owner: v1alpha1.WorkspaceOwner{User: "ada"}, Autostop: &v1alpha1.Autostop{After: "2h"}},
			diff{"name": {Old: "dev", New: "api"}, "autostop.after": {New: "2h"}},
		},
		"a list": {
			v1alpha1.UserSpec{}, v1alpha1.UserSpec{Roles: []v1alpha1.SiteRole{v1alpha1.SiteRoleOwner}},
			diff{"roles": {New: []any{string(v1alpha1.SiteRoleOwner)}}},
		},
		"V51: a parameter's value is nobody's to read": {
			v1alpha1.WorkspaceSpec{Parameters: map[string]v1alpha1.Value{"token": value(`"canary-1"`), "same": value("1")}},
			v1alpha1.WorkspaceSpec{Parameters: map[string]v1alpha1.Value{"token": value(`"canary-2"`), "same": value("1")}},
			diff{"parameters.token": audit.Secret()},
		},
	} {
		t.Run(name, func(t *testing.T) {
			have, err := audit.Diff(c.before, c.after)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, have); d != "" {
				t.Errorf("(-want +have):\n%s", d)
			}
		})
	}
}

// V51: what a template holds, scripts and environments, does not stand in the log; that it changed does.
func TestAdvisory_V51_ContentIsADigest(t *testing.T) {
	content := func(secret string) v1alpha1.TemplateSpec {
		return v1alpha1.TemplateSpec{Content: &v1alpha1.TemplateContent{
			Image: "registry.example/" + secret, Env: []v1alpha1.EnvVar{{Name: "TOKEN", Value: secret}},
		}}
	}
	have, err := audit.Diff(content("canary-1"), content("canary-2"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(have)
	if err != nil {
		t.Fatal(err)
	}
	f, ok := have["content"]
	if len(have) != 1 || !ok || f.Old == f.New || strings.Contains(string(text), "canary") {
		t.Errorf("the difference is %s", text)
	}
}

func TestDiffIsBounded(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	have, err := audit.Diff(nil, v1alpha1.TemplateSpec{Description: long})
	if err != nil {
		t.Fatal(err)
	}
	if shown, _ := have["description"].New.(string); len(shown) > 100 || !strings.HasPrefix(shown, "sha256:") {
		t.Errorf("a long text is shown as %d bytes", len(shown))
	}
	many := map[string]string{}
	for i := range 10_000 {
		many[strconv.Itoa(i)] = "x"
	}
	have, err = audit.Diff(nil, many)
	if err != nil || len(have) > 101 {
		t.Errorf("%d fields; %v", len(have), err)
	}
}

func TestUserAgent(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "",
		"curl/8.9":                     "curl/8.9",
		"a\x1b[31mb\r\n\u202ec\u200bd": "a[31mbcd",
		"bad\xffutf":                   "badutf",
		strings.Repeat("é", 10_000):    strings.Repeat("é", 128),
	} {
		if have := audit.UserAgent(text); have != want {
			t.Errorf("%.20q: %q, want %q", text, have, want)
		}
	}
}
