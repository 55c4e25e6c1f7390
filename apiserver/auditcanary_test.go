// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/records"
	"github.com/berth-dev/berth/internal/testing/given"
)

// storedRecords is the text of everything that is stored of the audit log.
func storedRecords(ctx context.Context) string {
	GinkgoHelper()
	var all corev1.SecretList
	Expect(env.Client.List(ctx, &all, client.InNamespace(namespace), client.HasLabels{records.Label})).To(Succeed())
	var text strings.Builder
	for _, secret := range all.Items {
		Expect(secret.Type).To(Equal(records.Type))
		for _, data := range secret.Data {
			r, err := gzip.NewReader(bytes.NewReader(data))
			Expect(err).NotTo(HaveOccurred())
			_, err = io.Copy(&text, r)
			Expect(err).NotTo(HaveOccurred())
		}
	}
	return text.String()
}

var _ = Describe("What is secret", func() {
	It("V51, V7: stands in no entry, on no line of the stream, and in no log", func(ctx SpecContext) {
		w := newWorld(ctx)
		const canary = "canary-s3cret"
		p := newPerson(ctx, w.organization.Name)
		setPassword(ctx, p, canary+"-old-password")
		from := session("").with("X-Forwarded-For", "192.0.2.78")
		var secrets []string
		login := ask(ctx, from, "POST", "/api/v2/users/login", codersdk.LoginWithPasswordRequest{Email: p.Spec.Email, Password: canary + "-old-password"})
		Expect(login.Status).To(Equal(http.StatusCreated))
		var began codersdk.LoginWithPasswordResponse
		login.JSON(&began)
		secrets = append(secrets, began.SessionToken)
		self := session(began.SessionToken)
		Eventually(func() int { return ask(ctx, self, "GET", "/api/v2/users/me", nil).Status }).Should(Equal(http.StatusOK))

		var answers []answer
		did := func(by door, method, path string, body any, status int) answer {
			GinkgoHelper()
			a := ask(ctx, by, method, path, body)
			Expect(a.Status).To(Equal(status), "%s %s: %s", method, path, a.Body)
			answers = append(answers, a)
			return a
		}
		var key codersdk.GenerateAPIKeyResponse
		did(self, "POST", "/api/v2/users/me/keys/tokens", codersdk.CreateTokenRequest{TokenName: unique("t")}, 201).JSON(&key)
		secrets = append(secrets, key.Key)
		did(self, "PUT", "/api/v2/users/me/password", map[string]string{"old_password": canary + "-wrong", "password": canary + "-new-password"}, 400)
		did(self, "PUT", "/api/v2/users/me/password", map[string]string{"old_password": canary + "-old-password", "password": canary + "-new-password"}, 204)
		made := unique("made")
		did(w.owner.session, "POST", "/api/v2/users", map[string]any{"username": made, "email": made + "@example.org", "password": canary + "-first-password", "organization_id": ids.Of(w.organization)}, 201)
		did(from, "POST", "/api/v2/users/login", codersdk.LoginWithPasswordRequest{Email: p.Spec.Email, Password: canary + "-guess"}, 401)
		did(from, "POST", "/api/v2/users/login", codersdk.LoginWithPasswordRequest{Email: canary + "-in-the-wrong-field", Password: "x"}, 401)
		ws := w.workspace(ctx)
		did(w.member.session, "POST", "/api/v2/workspaces/"+ids.Of(ws).String()+"/builds", map[string]any{
			"transition": "start", "rich_parameter_values": []map[string]string{{"name": "no-such", "value": canary + "-parameter"}}}, 400)
		did(w.owner.session, "POST", "/api/v2/organizations/"+w.organization.Name+"/templateversions", map[string]any{
			"storage_method": "file", "provisioner": "terraform", "file_id": ids.VersionFile(w.version),
			"user_variable_values": []map[string]string{{"name": "no-such", "value": canary + "-variable"}}}, 201)

		kept := given.Workspace(w.organization.Name, unique("held"), w.member.Name, w.template.Name, func(o *v1alpha1.Workspace) {
			Expect(json.Unmarshal([]byte(`{"token":"`+canary+`-in-a-manifest"}`), &o.Spec.Parameters)).To(Succeed())
		})
		Expect(env.Client.Create(ctx, kept)).To(Succeed())
		template := given.Template(w.organization.Name, unique("holds"), func(t *v1alpha1.Template) {
			t.Spec.Content = &v1alpha1.TemplateContent{Image: "registry.example/x:1", Env: []v1alpha1.EnvVar{{Name: "TOKEN", Value: canary + "-in-content"}}}
		})
		Expect(env.Client.Create(ctx, template)).To(Succeed())
		for _, id := range []string{ids.Of(kept).String(), ids.Of(template).String()} {
			Eventually(func() int64 { return audited(ctx, w.auditor.session, "resource_id:"+id).Count }).WithTimeout(20 * time.Second).Should(BeEquivalentTo(1))
		}

		said := map[string]string{"what is stored": storedRecords(ctx), "the stream": env.stream.String(), "the log": env.log.String()}
		for _, a := range append(answers, login) {
			for _, by := range []*person{w.owner, w.auditor} {
				found := entriesOf(ctx, by.session, a)
				text, err := json.Marshal(found)
				Expect(err).NotTo(HaveOccurred())
				said["the answers"] += string(text)
			}
		}
		Expect(said["the answers"]).To(ContainSubstring(`"hashed_password":{"old":"","new":"","secret":true}`))
		for where, text := range said {
			Expect(text).NotTo(BeEmpty(), where)
			Expect(text).NotTo(ContainSubstring(canary), where)
			for _, secret := range secrets {
				_, hidden, _ := strings.Cut(secret, "-")
				Expect(text).NotTo(ContainSubstring(hidden), where)
			}
		}
	})
})

// 50 clients write until their server ends under them. Every write that was answered as done has one entry, and every
// write that was done has one in the end, told by the request or found by the next server.
var _ = Describe("Fifty clients", func() {
	It("have one entry for each write, also where the server ends", func(ctx SpecContext) {
		w := newWorld(ctx)
		token := w.owner.session.header.Get("Coder-Session-Token")
		dying := start()
		var targets []*v1alpha1.Group
		for range 50 {
			g := given.Group(w.organization.Name, unique("busy-"))
			Expect(env.Client.Create(ctx, g)).To(Succeed())
			targets = append(targets, g)
		}
		d := sessionAt(dying, token)
		for _, g := range targets {
			Eventually(func() int { return ask(ctx, d, "GET", "/api/v2/groups/"+ids.Of(g).String(), nil).Status }).Should(Equal(http.StatusOK))
		}
		var clients sync.WaitGroup
		var mu sync.Mutex
		answered := map[string]string{} // request ids by what was written
		for i, g := range targets {
			clients.Go(func() {
				defer GinkgoRecover()
				for round := range 20 {
					name := fmt.Sprintf("client %d round %d", i, round)
					request, err := http.NewRequestWithContext(ctx, "PATCH", d.url("/api/v2/groups/"+ids.Of(g).String()),
						strings.NewReader(fmt.Sprintf(`{"display_name":%q}`, name)))
					Expect(err).NotTo(HaveOccurred())
					request.Header.Set("Coder-Session-Token", token)
					response, err := http.DefaultClient.Do(request)
					if err != nil {
						return // the server has ended
					}
					_ = response.Body.Close()
					if response.StatusCode == http.StatusOK {
						mu.Lock()
						answered[name] = response.Header.Get("X-Request-Id")
						n := len(answered)
						mu.Unlock()
						if n == 200 {
							dying.stop()
						}
					}
				}
			})
		}
		clients.Wait()
		Expect(len(answered)).To(BeNumerically(">=", 200))
		for name, request := range answered {
			Eventually(func() []codersdk.AuditLog { return audited(ctx, w.auditor.session, "request_id:"+request).AuditLogs }).
				Should(HaveLen(1), name)
			e := audited(ctx, w.auditor.session, "request_id:"+request).AuditLogs[0]
			Expect(e.Diff["displayName"].New).To(Equal(name))
		}
		for _, g := range targets {
			is := &v1alpha1.Group{}
			Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(g), is)).To(Succeed())
			Eventually(func() int64 {
				return audited(ctx, w.auditor.session, "action:write resource_id:"+ids.Of(g).String()).Count
			}).WithTimeout(time.Minute).Should(BeEquivalentTo(is.Generation-g.Generation), "writes of %s", g.Name)
		}
	})
})
