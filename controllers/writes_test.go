// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/testing/given"
)

// tally counts the manager's writes in each namespace, by verb and resource, as they leave its process. Conflicts and dry
// runs have written nothing.
type tally struct {
	mu sync.Mutex
	of map[string]map[string]int
}

var written = &tally{of: map[string]map[string]int{}}

type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

// through counts what goes through a transport.
func (t *tally) through(next http.RoundTripper) http.RoundTripper {
	return transport(func(r *http.Request) (*http.Response, error) {
		response, err := next.RoundTrip(r)
		if err == nil && r.Method != http.MethodGet && response.StatusCode < 300 && r.URL.Query().Get("dryRun") == "" {
			t.note(r)
		}
		return response, err
	})
}

// note counts a request: /api/VERSION or /apis/GROUP/VERSION, then namespaces/NAMESPACE/RESOURCE/NAME/SUBRESOURCE.
func (t *tally) note(r *http.Request) {
	_, rest, ok := strings.Cut(r.URL.Path, "/namespaces/")
	parts := strings.Split(rest, "/")
	if !ok || len(parts) < 2 {
		return
	}
	what := r.Method + " " + parts[1]
	if len(parts) > 3 {
		what += "/" + parts[3]
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of[parts[0]] == nil {
		t.of[parts[0]] = map[string]int{}
	}
	t.of[parts[0]][what]++
}

// in gives what was written in a namespace, and forgets it.
func (t *tally) in(namespace string) map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	was := t.of[namespace]
	delete(t.of, namespace)
	return was
}

// theWritesOfAStart counts what the whole manager writes for starts that go their way. The first start is not counted: its
// template has to be checked, and its use is told at once.
func theWritesOfAStart(ctx SpecContext) {
	template := given.Template("yard", "plain")
	create(ctx, given.Organization("yard"), given.User("rigger", func(u *v1alpha1.User) {
		u.Spec.Memberships = []v1alpha1.Membership{{Organization: "yard"}}
	}))
	Eventually(func() error { return env.Client.Create(ctx, template) }).WithContext(ctx).WithTimeout(soon).Should(Succeed())
	start := func(names ...string) {
		GinkgoHelper()
		for _, name := range names {
			create(ctx, given.Workspace("yard", name, "rigger", "plain"))
		}
		for _, name := range names {
			ws := given.Workspace("yard", name, "rigger", "plain")
			Eventually(func() string {
				kubelet(ctx, ws)
				is := state(ctx, ws)()
				return fmt.Sprint(is.Status.Phase, " ", reason(is))
			}).WithContext(ctx).WithTimeout(soon).Should(Equal("Running AgentReady"), name)
		}
	}
	start("one")
	written.in("yard")

	names := []string{"two", "three", "four", "five", "six"}
	start(names...)
	Eventually(state(ctx, template)).WithContext(ctx).WithTimeout(soon).Should(HaveField("Status.Usage", "6/6"))
	made := written.in("yard")
	counts := made["PATCH templates/status"] + made["PATCH templateversions/status"]
	By(fmt.Sprintf("%d writes of counts for %d starts", counts, len(names)))
	delete(made, "PATCH templates/status")
	delete(made, "PATCH templateversions/status")
	n := len(names)
	for what, times := range map[string]int{"PATCH workspaces": 1, "POST workspacebuilds": 1, "POST persistentvolumeclaims": 1, "POST pods": 1} {
		Expect(made).To(HaveKeyWithValue(what, times*n), what)
		delete(made, what)
	}
	// Where one watch is behind another, what it brings is told by a write more: of some starts at most, never of each.
	for what, times := range map[string]int{"PUT workspaces/status": 2, "PATCH workspacebuilds/status": 1} {
		Expect(made).To(HaveKeyWithValue(what, And(BeNumerically(">=", times*n), BeNumerically("<", (times+1)*n))), what)
		delete(made, what)
	}
	Expect(made).To(BeEmpty(), "seven writes a start, and no event of one that went the way it was asked for")
}
