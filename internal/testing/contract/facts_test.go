// SPDX-License-Identifier: Apache-2.0

package contract_test

import (
	"strings"
	"testing"

	"github.com/berth-dev/berth/internal/testing/contract"
)

func TestSeedIsWhole(t *testing.T) {
	facts := contract.Seed(t)
	if got := len(facts.Endpoints()); got != 208 {
		t.Errorf("%d endpoints, want 208", got)
	}
	if got := len(facts.Schemas()); got < 200 {
		t.Errorf("%d schemas, want over 200", got)
	}
	seen := map[string]bool{}
	for _, e := range facts.Endpoints() {
		if seen[e.String()] {
			t.Errorf("%s stands there twice", e)
		}
		seen[e.String()] = true
		if found, ok := facts.Endpoint(e.Method, e.Path); !ok || found.Path != e.Path {
			t.Errorf("%s is not found by its own path but as %s", e, found)
		}
	}
}

func TestEndpoint(t *testing.T) {
	for name, test := range map[string]struct {
		method, path string
		wantPath     string // "" for none
	}{
		"as the contract spells it":     {"GET", "/api/v2/workspaces/{workspace}", "/api/v2/workspaces/{workspace}"},
		"with a value":                  {"GET", "/api/v2/workspaces/0f6d", "/api/v2/workspaces/{workspace}"},
		"a word before a value":         {"GET", "/api/v2/users/first", "/api/v2/users/first"},
		"a value where a word could be": {"GET", "/api/v2/users/ada", "/api/v2/users/{user}"},
		"with a query":                  {"GET", "/api/v2/workspaces?q=owner:me", "/api/v2/workspaces"},
		"through the Kubernetes API":    {"GET", "/apis/codersdk.berth.dev/v2/workspaces", "/api/v2/workspaces"},
		"two values in a segment":       {"GET", "/@ada/api.main/apps/code/static/x.js", "/@{user}/{workspace_and_agent}/apps/{workspaceapp}/*"},
		"the root":                      {"GET", "/api/v2/", "/api/v2/"},
		"another method":                {"PUT", "/api/v2/workspaces", ""},
		"one segment more":              {"GET", "/api/v2/workspaces/x/y/z", ""},
		"a value is no path":            {"GET", "/api/v2/users/a/b", ""},
		"nothing for a value":           {"GET", "/api/v2/workspaces/", ""},
	} {
		t.Run(name, func(t *testing.T) {
			e, ok := contract.Seed(t).Endpoint(test.method, test.path)
			if e.Path != test.wantPath || ok != (test.wantPath != "") {
				t.Errorf("is %q, %t, want %q", e.Path, ok, test.wantPath)
			}
		})
	}
}

func TestCoverage(t *testing.T) {
	facts := contract.Seed(t)
	const twice = `{"method":"GET","path":"/api/v2/buildinfo","tag":"General"}
{"method":"GET","path":"/api/v2/templates/{template}","tag":"Templates"}
{"method":"GET","path":"/api/v2/buildinfo","tag":"General"}
`
	coverage, err := facts.Coverage(strings.NewReader(twice))
	if err != nil {
		t.Fatal(err)
	}
	text := coverage.String()
	for _, line := range []string{"General 1 of 10\n", "Templates 1 of 32\n", "Users 0 of 28\n"} {
		if !strings.Contains(text, line) {
			t.Errorf("no line %q in\n%s", line, text)
		}
	}
	if !strings.HasSuffix(text, "\n2 of 208 endpoints\n") {
		t.Errorf("ends wrongly:\n%s", text)
	}
	for name, log := range map[string]string{
		"no JSON":          "GET /api/v2/buildinfo\n",
		"unknown endpoint": `{"method":"GET","path":"/api/v2/nothing"}`,
		"a request's path": `{"method":"GET","path":"/api/v2/templates/x"}`,
	} {
		if _, err := facts.Coverage(strings.NewReader(log)); err == nil {
			t.Errorf("%s: counted", name)
		}
	}
}
