// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/testing/given"
)

// audited are the entries that a search finds.
func audited(ctx context.Context, d door, q string) codersdk.AuditLogResponse {
	GinkgoHelper()
	a := ask(ctx, d, "GET", "/api/v2/audit?q="+url.QueryEscape(q), nil)
	Expect(a.Status).To(Equal(http.StatusOK), string(a.Body))
	var found codersdk.AuditLogResponse
	a.JSON(&found)
	Expect(found.Count).To(BeNumerically(">=", len(found.AuditLogs)))
	return found
}

// entriesOf are those of the request that was answered.
func entriesOf(ctx context.Context, d door, a answer) []codersdk.AuditLog {
	GinkgoHelper()
	return audited(ctx, d, "request_id:"+a.Header.Get("X-Request-Id")).AuditLogs
}

// additional are an entry's additional fields.
func additional(e codersdk.AuditLog) map[string]any {
	GinkgoHelper()
	fields := map[string]any{}
	Expect(json.Unmarshal(e.AdditionalFields, &fields)).To(Succeed())
	return fields
}

// setPassword gives a person a password and waits until the server knows it.
func setPassword(ctx context.Context, p *person, password string) {
	GinkgoHelper()
	Expect(credentials.New(env.Client, namespace, time.Now).SetPassword(ctx, p.User, ids.Of(p.User), password)).To(Succeed())
	from := session("").with("X-Forwarded-For", "192.0.2.77")
	Eventually(func() int {
		return ask(ctx, from, "POST", "/api/v2/users/login", codersdk.LoginWithPasswordRequest{Email: p.Spec.Email, Password: password}).Status
	}).WithTimeout(10 * time.Second).Should(Equal(http.StatusCreated))
}

// afterRefusal makes a refused attempt until it has an entry of its own: all attempts together have one a second, and other
// specs make many; those that are alike, from one network, are counted.
func afterRefusal(ctx context.Context, auditor door, attempt func(network string) answer) (found []codersdk.AuditLog) {
	GinkgoHelper()
	tries := 0
	Eventually(func() []codersdk.AuditLog {
		tries++
		found = entriesOf(ctx, auditor, attempt(fmt.Sprintf("198.18.%d.%d", number.Add(1)%250, tries)))
		return found
	}).WithTimeout(time.Minute).WithPolling(time.Second).Should(HaveLen(1))
	return found
}

var _ = Describe("The audit log", Ordered, ContinueOnFailure, func() {
	var w *world
	var auditor door

	BeforeAll(func(ctx SpecContext) {
		w = newWorld(ctx)
		auditor = w.auditor.session
	})

	It("says who changed what, from where, by either door, before the answer is there", func(ctx SpecContext) {
		ws := w.workspace(ctx)
		path := "/api/v2/workspaces/" + ids.Of(ws).String() + "/ttl"
		for _, d := range []door{w.member.session, w.member.aggregated} {
			ttl, want, wantDoor := `{"ttl_ms":7200000}`, "2h", "session"
			if d.aggregated {
				ttl, want, wantDoor = `{"ttl_ms":10800000}`, "3h", "aggregated"
			}
			a := ask(ctx, d.with("X-Forwarded-For", "198.51.100.7").with("User-Agent", "probe/1.0 \u202egnp"), "PUT", path, ttl)
			Expect(a.Status).To(Equal(http.StatusNoContent), string(a.Body))
			found := entriesOf(ctx, auditor, a)
			Expect(found).To(HaveLen(1))
			e := found[0]
			Expect(e.User.Username).To(Equal(w.member.WireName()))
			Expect(e.User.ID).To(Equal(ids.Of(w.member.User)))
			Expect(e.Action).To(Equal(codersdk.AuditActionWrite))
			Expect(e.ResourceType).To(Equal(codersdk.ResourceTypeWorkspace))
			Expect(e.ResourceID).To(Equal(ids.Of(ws)))
			Expect(e.ResourceTarget).To(Equal(ws.WireName()))
			Expect(e.OrganizationID).To(Equal(ids.Of(w.organization)))
			Expect(e.StatusCode).To(Equal(http.StatusNoContent))
			Expect(e.ResourceLink).To(Equal("/@" + w.member.WireName() + "/" + ws.WireName()))
			Expect(e.Description).To(Equal("{user} updated workspace {target}"))
			Expect(e.Diff).To(HaveKey("autostop.after"))
			Expect(e.Diff["autostop.after"].New).To(Equal(want))
			Expect(e.UserAgent).NotTo(ContainSubstring("\u202e"))
			Expect(e.IP).NotTo(BeEmpty())
			if !d.aggregated {
				Expect(e.IP).To(Equal("198.51.100.7"))
				Expect(e.UserAgent).To(HavePrefix("probe/1.0"))
			}
			Expect(env.stream.String()).To(ContainSubstring(`{"audit":{"id":"` + e.ID.String() + `"`))
			Expect(env.stream.String()).To(MatchRegexp(`"id":"` + e.ID.String() + `"[^\n]*"door":"` + wantDoor + `"`))
		}
		Expect(audited(ctx, auditor, "resource_id:"+ids.Of(ws).String()+" action:write username:"+w.member.WireName()).Count).To(BeEquivalentTo(2))
		Expect(audited(ctx, auditor, "resource_id:"+ids.Of(ws).String()+" username:"+w.owner.WireName()).Count).To(BeEquivalentTo(0))
	})

	It("has no entry of what was only read", func(ctx SpecContext) {
		a := ask(ctx, w.member.session, "GET", "/api/v2/users/me", nil)
		Expect(entriesOf(ctx, auditor, a)).To(BeEmpty())
		a = ask(ctx, w.member.session, "POST", "/api/v2/authcheck", `{"checks":{}}`)
		Expect(a.Status).To(Equal(http.StatusOK), string(a.Body))
		Expect(entriesOf(ctx, auditor, a)).To(BeEmpty())
	})

	It("V15: has who was refused, also where the answer does not admit what there is", func(ctx SpecContext) {
		ws := w.workspace(ctx)
		for name, c := range map[string]struct {
			by           *person
			method, path string
			body         any
			status       int
			action       codersdk.AuditAction
			said         string
		}{
			"a write of what is hidden":     {w.stranger, "PUT", "/api/v2/workspaces/" + ids.Of(ws).String() + "/ttl", `{"ttl_ms":0}`, 404, "write", "unsuccessfully attempted to update"},
			"a write without the right":     {w.peer, "PATCH", "/api/v2/templates/" + ids.Of(w.template).String(), `{}`, 403, "write", "unsuccessfully attempted to update"},
			"the removal of another":        {w.member, "DELETE", "/api/v2/users/" + w.peer.WireName(), nil, 404, "delete", "unsuccessfully attempted to delete"},
			"a look at what is another's":   {w.peer, "GET", "/api/v2/workspaces/" + ids.Of(ws).String(), nil, 404, "write", "unsuccessfully attempted to read"},
			"a write that is wrong":         {w.member, "PUT", "/api/v2/workspaces/" + ids.Of(ws).String() + "/ttl", `{"ttl_ms":-5}`, 400, "write", "unsuccessfully attempted to update"},
			"a look at the log by a member": {w.peer, "GET", "/api/v2/audit", nil, 404, "write", "unsuccessfully attempted to read"},
		} {
			found := afterRefusal(ctx, auditor, func(network string) answer {
				a := ask(ctx, c.by.session.with("X-Forwarded-For", network), c.method, c.path, c.body)
				Expect(a.Status).To(Equal(c.status), "%s: %s", name, a.Body)
				return a
			})
			Expect(found[0].StatusCode).To(Equal(c.status), name)
			Expect(found[0].User.ID).To(Equal(ids.Of(c.by.User)), name)
			Expect(found[0].Action).To(Equal(c.action), name)
			Expect(found[0].Description).To(ContainSubstring(c.said), name)
			Expect(found[0].Diff).To(BeEmpty(), name)
		}
		eve := unique("oidc:eve")
		config, err := env.AddUser(eve)
		Expect(err).NotTo(HaveOccurred())
		found := afterRefusal(ctx, auditor, func(network string) answer {
			a := ask(ctx, aggregated(config).with("X-Forwarded-For", network), "GET", "/api/v2/workspaces", nil)
			Expect(a.Status).To(Equal(http.StatusForbidden))
			return a
		})
		Expect(found[0].User).To(BeNil())
		Expect(additional(found[0])).To(HaveKeyWithValue("identity", eve))
	})

	It("has sign-ins, those that are refused, and sign-outs", func(ctx SpecContext) {
		const password = "correct horse battery"
		p := newPerson(ctx, w.organization.Name)
		setPassword(ctx, p, password)
		from := session("").with("X-Forwarded-For", "203.0.113.9")
		a := ask(ctx, from, "POST", "/api/v2/users/login", codersdk.LoginWithPasswordRequest{Email: p.Spec.Email, Password: password})
		Expect(a.Status).To(Equal(http.StatusCreated))
		found := entriesOf(ctx, auditor, a)
		Expect(found).To(HaveLen(1))
		Expect(found[0].Action).To(Equal(codersdk.AuditActionLogin))
		Expect(found[0].User.Username).To(Equal(p.WireName()))
		Expect(found[0].IP).To(Equal("203.0.113.9"))
		Expect(found[0].ResourceType).To(Equal(codersdk.ResourceTypeAPIKey))
		Expect(found[0].Description).To(Equal("{user} logged in"))
		var began codersdk.LoginWithPasswordResponse
		a.JSON(&began)

		Eventually(func() int { return ask(ctx, session(began.SessionToken), "GET", "/api/v2/users/me", nil).Status }).Should(Equal(http.StatusOK))
		a = ask(ctx, session(began.SessionToken), "POST", "/api/v2/users/logout", nil)
		Expect(a.Status).To(Equal(http.StatusOK))
		found = entriesOf(ctx, auditor, a)
		Expect(found).To(HaveLen(1))
		Expect(found[0].Action).To(Equal(codersdk.AuditActionLogout))

		var other *person // each time, as those that are alike are counted, whatever their network
		var wrong codersdk.LoginWithPasswordRequest
		found = afterRefusal(ctx, auditor, func(network string) answer {
			other = newPerson(ctx, w.organization.Name)
			from, wrong = session("").with("X-Forwarded-For", network), codersdk.LoginWithPasswordRequest{Email: other.Spec.Email, Password: "wrong"}
			a = ask(ctx, from, "POST", "/api/v2/users/login", wrong)
			Expect(a.Status).To(Equal(http.StatusUnauthorized))
			return a
		})
		Expect(found[0].StatusCode).To(Equal(http.StatusUnauthorized))
		Expect(found[0].Action).To(Equal(codersdk.AuditActionLogin))
		Expect(found[0].ResourceTarget).To(Equal(other.WireName()))
		for range 4 {
			a = ask(ctx, from, "POST", "/api/v2/users/login", wrong)
			Expect(a.Status).To(Equal(http.StatusUnauthorized))
			Expect(entriesOf(ctx, auditor, a)).To(BeEmpty(), "those that are alike are counted")
		}
		a = ask(ctx, from, "POST", "/api/v2/users/login", codersdk.LoginWithPasswordRequest{Email: "typed-password-canary@example.org", Password: "wrong"})
		Expect(a.Status).To(Equal(http.StatusUnauthorized))
		Expect(env.stream.String()).NotTo(ContainSubstring("typed-password-canary"), "what a stranger types may be a password")

		a = ask(ctx, from, "POST", "/api/v2/users/login", codersdk.LoginWithPasswordRequest{Email: p.Spec.Email, Password: password})
		a.JSON(&began)
		again := session(began.SessionToken)
		Eventually(func() int { return ask(ctx, again, "GET", "/api/v2/users/me", nil).Status }).Should(Equal(http.StatusOK))
		found = afterRefusal(ctx, auditor, func(string) (a answer) { // what is alike is counted, whatever its network: another person each time
			p = newPerson(ctx, w.organization.Name)
			before := p.DeepCopy()
			p.Spec.Suspended = true
			Expect(env.Client.Patch(ctx, p.User, client.MergeFrom(before))).To(Succeed())
			Eventually(func() int { a = ask(ctx, p.session, "GET", "/api/v2/users/me", nil); return a.Status }).Should(Equal(http.StatusUnauthorized))
			return a
		})
		Expect(found[0].User.Username).To(Equal(p.WireName()))
	})

	It("has what manifests change, with the program that wrote them, once, also after a restart", func(ctx SpecContext) {
		g := given.Group(w.organization.Name, unique("by-hand-"))
		Expect(env.Client.Create(ctx, g, client.FieldOwner("kubectl-create"))).To(Succeed())
		search := func(action string) string { return "resource_id:" + ids.Of(g).String() + " action:" + action }
		var found codersdk.AuditLogResponse
		Eventually(func() int64 { found = audited(ctx, auditor, search("create")); return found.Count }).WithTimeout(20 * time.Second).Should(BeEquivalentTo(1))
		e := found.AuditLogs[0]
		Expect(e.User).To(BeNil())
		Expect(e.ResourceType).To(Equal(codersdk.ResourceTypeGroup))
		Expect(additional(e)).To(HaveKeyWithValue("field_manager", "kubectl-create"))
		Expect(e.Description).To(Equal("kubectl-create created group {target}"))
		Expect(e.RequestID).To(Equal(uuid.Nil))

		before := g.DeepCopy()
		g.Spec.DisplayName = "By hand"
		Expect(env.Client.Patch(ctx, g, client.MergeFrom(before), client.FieldOwner("argocd-controller"))).To(Succeed())
		Eventually(func() int64 { found = audited(ctx, auditor, search("write")); return found.Count }).WithTimeout(20 * time.Second).Should(BeEquivalentTo(1))
		Expect(additional(found.AuditLogs[0])).To(HaveKeyWithValue("field_manager", "argocd-controller"))
		Expect(found.AuditLogs[0].Diff).To(HaveKeyWithValue("displayName", codersdk.AuditDiffField{New: "By hand"}))

		second := start()
		Consistently(func() int64 {
			return audited(ctx, sessionAt(second, w.auditor.session.header.Get("Coder-Session-Token")), "resource_id:"+ids.Of(g).String()).Count
		}).WithTimeout(10 * time.Second).Should(BeEquivalentTo(2))
		Expect(env.Client.Delete(ctx, g)).To(Succeed())
	})

	It("has whom the cluster wrote down for a manifest's change: a person, or a bare identity", func(ctx SpecContext) {
		p := newPerson(ctx, w.organization.Name)
		before := p.DeepCopy()
		p.Spec.Subjects = []v1alpha1.Subject{{Kind: "User", Name: "oidc:" + p.Name}}
		Expect(env.Client.Patch(ctx, p.User, client.MergeFrom(before))).To(Succeed())
		for name, seen := range map[string]struct{ who, identity string }{
			"oidc:" + p.Name:                            {p.WireName(), ""},
			"system:serviceaccount:argocd:sync":         {"", "system:serviceaccount:argocd:sync"},
			"system:serviceaccount:" + namespace + ":x": {"", ""},
		} {
			g := given.Group(w.organization.Name, unique("by-hand-"), func(g *v1alpha1.Group) {
				g.Annotations = map[string]string{v1alpha1.AnnotationRequester: name}
			})
			Expect(env.Client.Create(ctx, g, client.FieldOwner("kubectl-create"))).To(Succeed())
			var found codersdk.AuditLogResponse
			Eventually(func() int64 {
				found = audited(ctx, auditor, "resource_id:"+ids.Of(g).String()+" action:create")
				return found.Count
			}).WithTimeout(20 * time.Second).Should(BeEquivalentTo(1))
			e := found.AuditLogs[0]
			Expect(additional(e)).To(HaveKeyWithValue("field_manager", "kubectl-create"))
			switch {
			case seen.who != "":
				Expect(e.User.Username).To(Equal(seen.who))
				Expect(e.Description).To(Equal("{user} created group {target}"))
				Expect(additional(e)).NotTo(HaveKey("identity"))
			case seen.identity != "":
				Expect(e.User).To(BeNil())
				Expect(additional(e)).To(HaveKeyWithValue("identity", seen.identity))
				Expect(e.Description).To(Equal(seen.identity + " created group {target}"))
			default:
				Expect(e.User).To(BeNil())
				Expect(additional(e)).NotTo(HaveKey("identity"))
				Expect(e.Description).To(Equal("kubectl-create created group {target}"))
			}
			Expect(env.Client.Delete(ctx, g)).To(Succeed())
		}
	})

	It("refuses who asks for what it does not know, naming it", func(ctx SpecContext) {
		a := ask(ctx, auditor, "GET", "/api/v2/audit?q="+url.QueryEscape("foo:bar action:dance date_from:yesterday"), nil)
		Expect(a.Status).To(Equal(http.StatusBadRequest))
		var refused codersdk.Response
		a.JSON(&refused)
		var fields []string
		for _, v := range refused.Validations {
			fields = append(fields, v.Field)
		}
		Expect(fields).To(ConsistOf("foo", "action", "date_from"))
		Expect(ask(ctx, auditor, "GET", "/api/v2/audit?limit=-1", nil).Status).To(Equal(http.StatusBadRequest))
		Expect(ask(ctx, auditor, "GET", "/api/v2/audit?limit=100000", nil).Status).To(Equal(http.StatusBadRequest))
	})

	It("makes the entries that tests wish for", func(ctx SpecContext) {
		id := uuid.New()
		a := ask(ctx, w.owner.session, "POST", "/api/v2/audit/testgenerate", map[string]any{
			"action": "stop", "resource_type": "workspace_build", "resource_id": id, "build_reason": "autostop",
			"time": "2026-01-31T12:00:00Z", "additional_fields": map[string]string{"workspace_name": "dev"},
		})
		Expect(a.Status).To(Equal(http.StatusNoContent), string(a.Body))
		found := audited(ctx, auditor, "resource_id:"+id.String()+" build_reason:autostop date_from:2026-01-31 date_to:2026-01-31")
		Expect(found.AuditLogs).To(HaveLen(1))
		Expect(additional(found.AuditLogs[0])).To(HaveKeyWithValue("workspace_name", "dev"))
		Expect(audited(ctx, auditor, "resource_id:"+id.String()+" date_from:2026-02-01").Count).To(BeEquivalentTo(0))
		a = ask(ctx, w.owner.session, "POST", "/api/v2/audit/testgenerate", `{"action":"dance","resource_type":"moon","build_reason":"x","additional_fields":[1]}`)
		Expect(a.Status).To(Equal(http.StatusBadRequest))
		for _, field := range []string{"action", "resource_type", "build_reason", "additional_fields"} {
			Expect(string(a.Body)).To(ContainSubstring(`"field":"` + field + `"`))
		}
	})

	It("pages, newest first", func(ctx SpecContext) {
		id := uuid.New()
		for _, at := range []string{"2026-03-01T00:00:00Z", "2026-03-03T00:00:00Z", "2026-03-02T00:00:00Z"} {
			a := ask(ctx, w.owner.session, "POST", "/api/v2/audit/testgenerate", map[string]any{"resource_id": id, "time": at})
			Expect(a.Status).To(Equal(http.StatusNoContent), string(a.Body))
		}
		var days []string
		for _, page := range []string{"limit=2", "limit=2&offset=2", "limit=2&offset=4"} {
			a := ask(ctx, auditor, "GET", "/api/v2/audit?"+page+"&q=resource_id:"+id.String(), nil)
			var found codersdk.AuditLogResponse
			a.JSON(&found)
			Expect(found.Count).To(BeEquivalentTo(3))
			for _, e := range found.AuditLogs {
				days = append(days, e.Time.Format(time.DateOnly))
			}
		}
		Expect(strings.Join(days, " ")).To(Equal("2026-03-03 2026-03-02 2026-03-01"))
	})
})
