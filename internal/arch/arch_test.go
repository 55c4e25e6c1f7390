// SPDX-License-Identifier: Apache-2.0

package arch

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/berth-dev/berth"

// A row says what the packages of one part may import of this module, and what they may not import from elsewhere. Only
// code that ships is held to it; tests may import what they need.
type row struct {
	// part is a package's path below the module, or a prefix of it that ends in "/".
	part string
	// may are parts of this module; "std" rows of foreign modules are free unless named in never.
	may []string
	// never are import paths, or prefixes of them, that the part must do without.
	never []string
}

// Sets that several rows share.
var (
	// kubernetes is what a part without a Kubernetes client does not import.
	kubernetes = []string{"k8s.io/client-go", "sigs.k8s.io/controller-runtime"}
	// pure is what a rule does not import: it reads no cluster and serves nobody.
	pure = append([]string{"net/http"}, kubernetes...)
	// anything of Kubernetes is kept out of the agent, a small static binary.
	anyKubernetes = []string{"k8s.io", "sigs.k8s.io"}
)

// rows is the table. The first row whose part matches a package counts, so exceptions stand before the rule.
var rows = []row{
	{part: "api/v1alpha1", never: pure},
	{part: "api/coderd", never: append([]string{"net/http"}, anyKubernetes...)},
	{part: "api/agentsdk", never: append([]string{"net/http"}, anyKubernetes...)},
	{part: "api/codersdk", never: append([]string{"net/http"}, anyKubernetes...)},

	{part: "cmd/berth-manager", may: []string{"controllers", "internal/version"}},
	{part: "cmd/berth-apiserver", may: []string{"apiserver", "internal/version"}},
	{part: "cmd/berth-agent", may: []string{"internal/agent", "internal/script", "internal/version"}, never: anyKubernetes},

	{part: "cmd/kubectl-berth", may: []string{"internal/plugin"}},

	{part: "controllers/phase", may: []string{"internal/", "api/v1alpha1"}, never: []string{"net/http"}},
	{part: "controllers/workload", may: []string{"controllers/phase", "internal/", "api/v1alpha1"}, never: []string{"net/http"}},
	{part: "controllers/", may: []string{"controllers/phase", "controllers/workload", "internal/", "api/v1alpha1"}},
	{part: "controllers", may: []string{"controllers/", "internal/", "api/v1alpha1"}},

	{part: "apiserver/httpapi", may: []string{"internal/", "api/"}, never: kubernetes},
	{part: "apiserver/authn", may: []string{"apiserver/httpapi", "apiserver/store", "internal/", "api/"}},
	{part: "apiserver/store", may: []string{"apiserver/httpapi", "internal/", "api/"}},
	{part: "apiserver/view", may: []string{"api/", "internal/audit", "internal/gitops", "internal/ids", "internal/joblog", "internal/parameters", "internal/schedule"}, never: pure},
	{part: "apiserver/", may: []string{"apiserver/httpapi", "apiserver/authn", "apiserver/store", "apiserver/view", "internal/", "api/"}, never: kubernetes},
	{part: "apiserver", may: []string{"apiserver/", "internal/", "api/"}},

	{part: "internal/agent", may: []string{"api/agentsdk", "internal/agentproto", "internal/script"}, never: anyKubernetes},
	{part: "internal/script", never: append([]string{"net/http"}, anyKubernetes...)},
	{part: "internal/version", never: anyKubernetes},
	{part: "internal/fault", never: append([]string{"time"}, pure...)},
	{part: "internal/ids", may: []string{"api/v1alpha1"}, never: append([]string{"time"}, pure...)},
	{part: "internal/index", may: []string{"api/v1alpha1", "internal/ids"}, never: []string{"net/http"}},

	{part: "internal/parameters", may: []string{"api/v1alpha1", "internal/fault"}, never: pure},
	{part: "internal/schedule", may: []string{"api/v1alpha1", "internal/fault"}, never: pure},
	{part: "internal/archive", may: []string{"internal/fault"}, never: append([]string{"time"}, pure...)},
	{part: "internal/provision", may: []string{"api/v1alpha1", "internal/fault", "internal/archive"}, never: append([]string{"time"}, pure...)},
	{part: "internal/query", may: []string{"api/", "internal/fault"}, never: pure},
	{part: "internal/limit", never: pure},
	{part: "internal/apphost", never: append([]string{"time"}, pure...)},
	{part: "internal/gitops", may: []string{"api/v1alpha1", "internal/fault"}, never: pure},
	{part: "internal/joblog", may: []string{"api/v1alpha1"}, never: pure},
	{part: "internal/story", may: []string{"api/v1alpha1", "internal/joblog", "internal/podstate"}, never: pure},
	{part: "internal/activity", never: pure},
	{part: "internal/examples", may: []string{"api/v1alpha1"}, never: pure},
	{part: "internal/podstate", may: []string{"api/v1alpha1", "internal/fault"}, never: pure},
	{part: "internal/authz", may: []string{"api/v1alpha1", "internal/fault"}, never: pure},
	{part: "internal/render", may: []string{"api/v1alpha1", "internal/fault", "internal/ids", "internal/parameters", "internal/schedule", "internal/script"}, never: pure},
	{part: "internal/rollout", may: []string{"api/v1alpha1", "internal/schedule"}, never: pure},
	{part: "internal/warm", may: []string{"api/v1alpha1", "internal/ids", "internal/schedule"}, never: pure},
	{part: "internal/quota", may: []string{"api/v1alpha1", "internal/fault", "internal/ledger"}, never: pure},
	{part: "internal/ledger", may: []string{"api/v1alpha1", "internal/fault", "internal/ids", "internal/parameters", "internal/schedule"}, never: pure},
	{part: "internal/scim", may: []string{"api/coderd", "internal/fault"}, never: append([]string{"time"}, pure...)},
	{part: "internal/policy", may: []string{"api/v1alpha1", "internal/fault", "internal/authz", "internal/parameters", "internal/schedule"}, never: pure},

	{part: "internal/manifest", may: []string{"api/v1alpha1", "internal/fault", "internal/parameters", "internal/render", "config/crd"}, never: pure},
	{part: "internal/diagnosis", may: []string{"api/v1alpha1", "internal/ledger", "internal/podstate", "internal/render"}, never: pure},
	{part: "internal/plugin", may: []string{"api/", "internal/"}, never: []string{"net/http"}},

	{part: "internal/audit", may: []string{"api/", "internal/fault", "internal/authz", "internal/query"}, never: pure},

	{part: "internal/records", may: []string{"api/v1alpha1", "internal/fault"}},
	{part: "internal/claims", may: []string{"api/v1alpha1", "internal/fault"}},
	{part: "internal/credentials", may: []string{"api/v1alpha1", "internal/fault"}},
	{part: "internal/files", may: []string{"api/v1alpha1", "internal/fault", "internal/archive", "internal/ids"}},
	{part: "internal/trial", may: []string{"api/v1alpha1", "internal/fault", "internal/render"}},
	{part: "internal/identity", may: []string{"api/v1alpha1", "internal/fault", "internal/authz", "internal/policy"}},
	{part: "internal/outbound", never: anyKubernetes},
	{part: "internal/signin", may: []string{"api/v1alpha1", "internal/fault", "internal/outbound"}, never: kubernetes},
	{part: "internal/externalauth/links", may: []string{"api/v1alpha1", "internal/fault", "internal/ids", "internal/credentials", "internal/externalauth"}},
	{part: "internal/externalauth", may: []string{"internal/fault", "internal/outbound"}, never: anyKubernetes},
	{part: "internal/serving", may: []string{"api/v1alpha1"}},
	{part: "internal/podtoken", may: []string{"internal/fault"}},

	{part: "internal/testing/contract"},
	{part: "internal/testing/", may: []string{"api/v1alpha1", "internal/", "internal/testing/", "controllers/phase"}},
	{part: "internal/arch"},

	{part: "hack/contract", may: []string{"internal/testing/contract"}},
	{part: "hack/bench", may: []string{"controllers", "apiserver/store", "internal/warm", "internal/testing/cluster", "internal/testing/given", "api/v1alpha1"}},
	{part: "hack/routes", may: []string{"apiserver", "apiserver/httpapi"}},
	{part: "hack/", may: []string{"api/", "apiserver", "apiserver/httpapi", "config"}},
	{part: "config"},
	{part: "charts"},
	{part: "docs"},
}

// pkg is what `go list` says of a package.
type pkg struct {
	ImportPath string
	Imports    []string
}

func TestImports(t *testing.T) {
	for _, p := range list(t) {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		r, ok := find(name)
		if !ok {
			t.Errorf("%s has no row in internal/arch: decide what it may import", name)
			continue
		}
		for _, why := range r.refuse(name, p.Imports) {
			t.Error(why)
		}
	}
}

// TestTheTableRefuses proves that the check can fail.
func TestTheTableRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		part, imports string
		wantRefused   bool
	}{
		"a rule with a client":          {"internal/parameters", "k8s.io/client-go/rest", true},
		"a rule with a rule":            {"internal/render", module + "/internal/parameters", false},
		"a kind with another kind":      {"controllers/workspace", module + "/controllers/template", true},
		"a kind with what all share":    {"controllers/workspace", module + "/controllers/phase", false},
		"a controller with the server":  {"controllers/workspace", module + "/apiserver/view", true},
		"a noun with another noun":      {"apiserver/workspaces", module + "/apiserver/templates", true},
		"a noun with a client":          {"apiserver/workspaces", "sigs.k8s.io/controller-runtime/pkg/client", true},
		"the store with a client":       {"apiserver/store", "sigs.k8s.io/controller-runtime/pkg/client", false},
		"the agent with Kubernetes":     {"internal/agent", "k8s.io/api/core/v1", true},
		"a view with the net":           {"apiserver/view", "net/http", true},
		"a name that only starts alike": {"internal/query", "net/httpx", false},
	} {
		t.Run(name, func(t *testing.T) {
			r, ok := find(c.part)
			if !ok {
				t.Fatalf("no row for %s", c.part)
			}
			if refused := len(r.refuse(c.part, []string{c.imports})) > 0; refused != c.wantRefused {
				t.Errorf("refused: %v, want %v", refused, c.wantRefused)
			}
		})
	}
}

// find gives the first row that a package falls under.
func find(name string) (row, bool) {
	for _, r := range rows {
		if within(name, r.part) {
			return r, true
		}
	}
	return row{}, false
}

// refuse says what is wrong with a package's imports.
func (r row) refuse(name string, imports []string) []string {
	var out []string
	for _, path := range imports {
		if own, ok := strings.CutPrefix(path, module+"/"); ok {
			allowed := strings.HasPrefix(own, name+"/") && !strings.HasPrefix(r.part, "controllers")
			for _, m := range r.may {
				allowed = allowed || within(own, m)
			}
			if !allowed {
				out = append(out, name+" may not import "+own)
			}
		}
		for _, n := range r.never {
			if path == n || strings.HasPrefix(path, n+"/") {
				out = append(out, name+" must do without "+path)
			}
		}
	}
	return out
}

// within tells whether a package is a part, or below it: "a/" means everything below a and not a itself, "a" means a
// and everything below it where no row of its own stands before.
func within(name, part string) bool {
	if strings.HasSuffix(part, "/") {
		return strings.HasPrefix(name, part)
	}
	return name == part || strings.HasPrefix(name, part+"/")
}

// list asks the go command for the packages of this module.
func list(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", module+"/...").Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %s", exit.Stderr)
		}
		t.Fatal(err)
	}
	var all []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}
