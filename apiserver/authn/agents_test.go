// SPDX-License-Identifier: Apache-2.0

package authn_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/api/agentsdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/authn"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/podtoken"
)

// good takes tokens for the name of a pod in the namespace acme.
type good struct{}

func (good) Verify(_ context.Context, token string) (podtoken.Pod, error) {
	if token == "" || token == "bad" {
		return podtoken.Pod{}, fault.New(fault.Unauthenticated, "The agent's token is not valid.")
	}
	return podtoken.Pod{UID: types.UID(token), Namespace: "acme", Name: token}, nil
}

// known are whose pods are.
type known map[types.UID]store.PodParts

func (k known) PodByUID(_ context.Context, uid types.UID) (store.PodParts, error) {
	p, ok := k[uid]
	if !ok {
		return store.PodParts{}, fault.New(fault.NotFound, "no such pod")
	}
	return p, nil
}

// slotOf is a prepared workspace, changed.
func slotOf(change ...func(*v1alpha1.WarmWorkspace)) *v1alpha1.WarmWorkspace {
	s := &v1alpha1.WarmWorkspace{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "slot"}}
	for _, f := range change {
		f(s)
	}
	return s
}

func claimed(s *v1alpha1.WarmWorkspace) { s.Spec.Claim = &v1alpha1.WarmClaim{} }

func given(secret string) func(*v1alpha1.WarmWorkspace) {
	return func(s *v1alpha1.WarmWorkspace) {
		s.Status.Agents = []v1alpha1.WarmAgent{{Name: "web"}, {Name: "main", SecretHash: authn.SecretHash(secret)}}
	}
}

func going(s *v1alpha1.WarmWorkspace) { s.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)} }

func elsewhere(s *v1alpha1.WarmWorkspace) { s.Namespace = "other" }

// Which agent is let in, by its token and its secret, where only a workspace's may come and where a prepared pod's may too.
func TestAdvisory_V6_V45_AgentsAreKnown(t *testing.T) {
	ws := &v1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "dev"}}
	foreign := &v1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Namespace: "other", Name: "dev"}}
	pods := known{
		"cold":      {Workspace: ws},
		"foreign":   {Workspace: foreign},
		"free":      {Slot: slotOf()},
		"going":     {Slot: slotOf(going)},
		"elsewhere": {Slot: slotOf(elsewhere)},
		"untold":    {Slot: slotOf(claimed), Workspace: ws},
		"told":      {Slot: slotOf(claimed, given("s")), Workspace: ws},
		"ownerless": {Slot: slotOf(claimed, given("s"))},
		"over":      {Slot: slotOf(claimed, given("s"), going), Workspace: ws},
	}
	const no, later = http.StatusUnauthorized, -http.StatusUnauthorized // later says when to come again
	for name, c := range map[string]struct {
		token, secret, agent string
		// want is the status for a workspace's agents alone, wantPrepared where those of prepared pods may come too.
		want, wantPrepared int
	}{
		"no token":                       {want: no, wantPrepared: no},
		"a bad token":                    {token: "bad", want: no, wantPrepared: no},
		"a pod of nobody's":              {token: "stray", want: later, wantPrepared: later},
		"a workspace's own pod":          {token: "cold", want: 0, wantPrepared: 0},
		"another namespace's workspace":  {token: "foreign", want: no, wantPrepared: no},
		"a prepared pod":                 {token: "free", want: no, wantPrepared: 0},
		"a prepared pod, with a secret":  {token: "free", secret: "s", want: later, wantPrepared: later},
		"a prepared pod that goes":       {token: "going", want: no, wantPrepared: no},
		"another namespace's slot":       {token: "elsewhere", want: no, wantPrepared: no},
		"claimed, and not yet told":      {token: "untold", want: no, wantPrepared: no},
		"claimed, secret not seen yet":   {token: "untold", secret: "s", want: later, wantPrepared: later},
		"claimed, the token alone":       {token: "told", want: no, wantPrepared: no},
		"claimed, a wrong secret":        {token: "told", secret: "x", want: no, wantPrepared: no},
		"claimed, the hash":              {token: "told", secret: authn.SecretHash("s"), want: no, wantPrepared: no},
		"claimed, with its secret":       {token: "told", secret: "s", want: 0, wantPrepared: 0},
		"claimed, another agent's":       {token: "told", secret: "s", agent: "web", want: later, wantPrepared: later},
		"claimed, an agent there is not": {token: "told", secret: "s", agent: "x", want: later, wantPrepared: later},
		"its workspace not seen yet":     {token: "ownerless", secret: "s", want: later, wantPrepared: later},
		"claimed, and going":             {token: "over", secret: "s", want: no, wantPrepared: no},
	} {
		t.Run(name, func(t *testing.T) {
			agents := &authn.Agents{Tokens: good{}, Pods: pods, Patience: time.Nanosecond}
			if c.agent == "" {
				c.agent = "main"
			}
			for prepared, want := range map[bool]int{false: c.want, true: c.wantPrepared} {
				r := httptest.NewRequest(http.MethodGet, "/?agent="+c.agent, nil)
				if c.token != "" {
					r.Header.Set(agentsdk.TokenHeader, c.token)
				}
				if c.secret != "" {
					r.Header.Set(agentsdk.SecretHeader, c.secret)
				}
				a, err := agents.Agent(r, prepared)
				got := 0
				var after *httpapi.Refusal
				switch {
				case asRefusal(err, &after):
					got = -after.Status
					if after.RetryAfter <= 0 {
						t.Error("it does not say when to come again")
					}
				case fault.Is(err, fault.Unauthenticated):
					got = no
				case err != nil:
					t.Fatal(err)
				case a.Name != c.agent:
					t.Errorf("it is %q", a.Name)
				}
				if got != want {
					t.Errorf("prepared pods may come: %v; %d, want %d (%v)", prepared, got, want, err)
				}
				if (a != nil) != (got == 0) {
					t.Errorf("%v beside %v", a, err)
				}
			}
		})
	}
}

// Of two that differ nobody can tell which was meant, and nothing but the header counts.
func TestAgentsCredentialsAreHeaders(t *testing.T) {
	agents := &authn.Agents{Tokens: good{}, Pods: known{"free": {Slot: slotOf()}}, Patience: time.Nanosecond}
	for name, change := range map[string]func(*http.Request){
		"two tokens": func(r *http.Request) {
			r.Header[http.CanonicalHeaderKey(agentsdk.TokenHeader)] = []string{"free", "free"}
		},
		"two secrets": func(r *http.Request) {
			r.Header.Add(agentsdk.SecretHeader, "a")
			r.Header.Add(agentsdk.SecretHeader, "b")
		},
		"a cookie": func(r *http.Request) {
			r.Header.Del(agentsdk.TokenHeader)
			r.AddCookie(&http.Cookie{Name: "coder_session_token", Value: "free"})
		},
		"a bearer": func(r *http.Request) {
			r.Header.Del(agentsdk.TokenHeader)
			r.Header.Set("Authorization", "Bearer free")
		},
		"a query": func(r *http.Request) {
			r.Header.Del(agentsdk.TokenHeader)
			r.URL.RawQuery += "&coder_session_token=free"
		},
	} {
		r := httptest.NewRequest(http.MethodGet, "/?agent=main", nil)
		r.Header.Set(agentsdk.TokenHeader, "free")
		if _, err := agents.Agent(r, true); err != nil {
			t.Fatal(err)
		}
		change(r)
		if a, err := agents.Agent(r, true); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("%s: %v, %v", name, a, err)
		}
	}
}

func asRefusal(err error, to **httpapi.Refusal) bool {
	r, ok := err.(*httpapi.Refusal)
	*to = r
	return ok
}
