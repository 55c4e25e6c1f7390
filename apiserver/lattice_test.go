// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/testing/given"
)

// applyAs sends a manifest by server-side apply, as a tool does that takes fields over.
func applyAs(ctx context.Context, manager, manifest string) {
	GinkgoHelper()
	o := &unstructured.Unstructured{}
	Expect(json.Unmarshal([]byte(manifest), &o.Object)).To(Succeed())
	Expect(env.Client.Patch(ctx, o, client.RawPatch(types.ApplyYAMLPatchType, []byte(manifest)), client.FieldOwner(manager), client.ForceOwnership)).To(Succeed())
}

var _ = Describe("Who is weaker", Ordered, func() {
	var o *v1alpha1.Organization
	people := map[string]*person{}
	admin := func(u *v1alpha1.User) {
		u.Spec.Memberships[0].Roles = []v1alpha1.OrganizationRole{v1alpha1.OrganizationRoleAdmin}
	}
	kinds := map[string]func(*v1alpha1.User){
		"an owner": role(v1alpha1.SiteRoleOwner), "a user administrator": role(v1alpha1.SiteRoleUserAdmin),
		"a template administrator": role(v1alpha1.SiteRoleTemplateAdmin), "an auditor": role(v1alpha1.SiteRoleAuditor),
		"an organization administrator": admin, "a member": func(*v1alpha1.User) {},
	}

	BeforeAll(func(ctx SpecContext) {
		o = newOrganization(ctx)
		for name, change := range kinds {
			people[name] = newPerson(ctx, o.Name, change)
		}
	})

	// What is done to an account. All of it would succeed for an owner.
	actions := []struct{ method, rest, body string }{
		{"PUT", "/password", `{"password":"taken over by me"}`},
		{"PUT", "/roles", `{"roles":["owner"]}`},
		{"PUT", "/roles", `{"roles":[]}`},
		{"PUT", "/profile", `{"username":"another"}`},
		{"PUT", "/appearance", `{"theme_preference":"mine"}`},
		{"PUT", "/quiet-hours", `{"schedule":"0 3 * * *"}`},
		{"PUT", "/status/suspend", ""},
		{"PUT", "/status/activate", ""},
		{"POST", "/keys/tokens", `{"token_name":"mine"}`},
		{"PUT", "/gitsshkey", ""},
		{"DELETE", "", ""},
	}
	for actor := range kinds {
		if actor == "an owner" {
			continue
		}
		It("V16: touches no account of somebody with a role, at neither door: "+actor, func(ctx SpecContext) {
			who := people[actor]
			direct := map[string]bool{}
			for _, r := range apiserver.Routes(apiserver.Deps{}) {
				direct[r.String()] = !r.Door.Aggregated()
			}
			for target := range kinds {
				if target == actor || target == "a member" && actor == "a user administrator" {
					continue
				}
				victim := given.User(unique("victim"), func(u *v1alpha1.User) {
					u.Spec.LoginType = v1alpha1.LoginTypePassword
					u.Spec.Memberships = []v1alpha1.Membership{{Organization: v1alpha1.ObjectName(o.Name)}}
				}, kinds[target])
				Expect(env.Client.Create(ctx, victim)).To(Succeed())
				Eventually(func() int {
					return ask(ctx, people["an owner"].session, "GET", "/api/v2/users/"+victim.Name, nil).Status
				}).WithTimeout(30 * time.Second).Should(Equal(200))
				want := http.StatusForbidden
				if actor == "a member" {
					want = http.StatusNotFound // who may not know of it
				}
				for _, a := range actions {
					for _, d := range []door{who.session, who.aggregated} {
						if d.aggregated && direct[a.method+" /api/v2/users/{user}"+a.rest] {
							continue
						}
						have := ask(ctx, d, a.method, "/api/v2/users/"+victim.Name+a.rest, a.body)
						allowed := []int{want}
						if strings.HasPrefix(a.rest, "/keys") || a.rest == "/gitsshkey" {
							allowed = []int{http.StatusForbidden, http.StatusNotFound} // whose keys nobody else knows of
						}
						Expect(have.Status).To(BeElementOf(allowed), "%s %s of %s: %s", a.method, a.rest, target, have.Body)
					}
				}
				Expect(live(ctx, victim.Name).Spec).To(Equal(victim.Spec), "nothing of %s has changed", target)
				Expect(env.Client.Delete(ctx, victim)).To(Succeed())
			}
		})
	}

	It("V16: promotes nobody, and not itself, whatever it may do else", func(ctx SpecContext) {
		uma, target := people["a user administrator"], newPerson(ctx, o.Name)
		for _, name := range []string{"owner", "user-admin", "template-admin", "auditor"} {
			for _, d := range []door{uma.session, uma.aggregated} {
				refused(ctx, 403, d, "PUT", "users/"+target.Name+"/roles", codersdk.UpdateRoles{Roles: []string{name}})
				refused(ctx, 403, d, "PUT", "users/me/roles", codersdk.UpdateRoles{Roles: []string{name, "user-admin"}})
			}
		}
		Expect(live(ctx, target.Name).Spec.Roles).To(BeEmpty())
		got[codersdk.User](ctx, 200, uma.session, "PUT", "users/"+target.Name+"/status/suspend", nil)
		got[codersdk.User](ctx, 200, uma.aggregated, "PUT", "users/"+target.Name+"/status/activate", nil)
	})

	It("V16: an owner who takes the role from an owner leaves one, also where two do it to each other", func(ctx SpecContext) {
		a, b := people["an owner"], newPerson(ctx, o.Name, role(v1alpha1.SiteRoleOwner))
		var all v1alpha1.UserList
		Expect(env.Client.List(ctx, &all)).To(Succeed())
		for i := range all.Items { // what other specs have left
			if u := &all.Items[i]; u.Name != a.Name && u.Name != b.Name && slices.Contains(u.Spec.Roles, v1alpha1.SiteRoleOwner) {
				Expect(env.Client.Delete(ctx, u)).To(Succeed())
			}
		}
		statuses := make([]int, 2)
		var race sync.WaitGroup
		for i, pair := range [][2]*person{{a, b}, {b, a}} {
			race.Go(func() {
				defer GinkgoRecover()
				statuses[i] = ask(ctx, pair[0].session, "PUT", "/api/v2/users/"+pair[1].Name+"/roles", codersdk.UpdateRoles{}).Status
			})
		}
		race.Wait()
		left := owners(ctx)
		Expect(left).To(HaveLen(1), "%v", statuses)
		last := a
		if left[0].Name == b.Name {
			last = b
		}
		By("being suspended by nobody, as the last one")
		Expect(refused(ctx, 400, last.session, "PUT", "users/me/status/suspend", nil).Message).NotTo(BeEmpty())
		refused(ctx, 400, last.session, "DELETE", "users/me", nil)
		refused(ctx, 400, last.session, "PUT", "users/me/roles", codersdk.UpdateRoles{}, "roles")
		By("an owner who is suspended, and counts for nobody")
		sleeping := newPerson(ctx, o.Name, role(v1alpha1.SiteRoleOwner))
		got[codersdk.User](ctx, 200, last.session, "PUT", "users/"+sleeping.Name+"/status/suspend", nil)
		Expect(owners(ctx)).To(HaveLen(2))
		Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(last.User), last.User)).To(Succeed())
		people["an owner"] = last
	})
})

var _ = Describe("Who was let in", Ordered, func() {
	const password, next = "a long enough one", "another long one"
	var w *world

	BeforeAll(func(ctx SpecContext) { w = newWorld(ctx) })

	// withPassword is a member who signs in with the password, twice.
	withPassword := func(ctx context.Context) (p *person, one, two door) {
		GinkgoHelper()
		p = newPerson(ctx, w.organization.Name)
		Expect(credentials.New(env.Client, namespace, time.Now).SetPassword(ctx, p.User, ids.Of(p.User), password)).To(Succeed())
		Eventually(func() int {
			return ask(ctx, session(""), "POST", "/api/v2/users/login", codersdk.LoginWithPasswordRequest{Email: p.Spec.Email, Password: password}).Status
		}).WithTimeout(30 * time.Second).Should(Equal(201))
		return p, signIn(ctx, p.Spec.Email, password), signIn(ctx, p.Spec.Email, password)
	}

	// watched is a stream of the person's own workspace; the channel is closed when the server ends it.
	watched := func(ctx context.Context, p *person, d door) <-chan struct{} {
		GinkgoHelper()
		ws := given.Workspace(w.organization.Name, unique("dev"), p.Name, w.template.Name)
		Expect(env.Client.Create(ctx, ws)).To(Succeed())
		path := "/api/v2/workspaces/" + ids.Of(ws).String()
		Eventually(func() int { return ask(ctx, d, "GET", path, nil).Status }).WithTimeout(30 * time.Second).Should(Equal(200))
		request, err := http.NewRequestWithContext(ctx, "GET", d.url(path+"/watch"), nil)
		Expect(err).NotTo(HaveOccurred())
		request.Header = d.header.Clone()
		response, err := (&http.Client{}).Do(request)
		Expect(err).NotTo(HaveOccurred())
		Expect(response.StatusCode).To(Equal(200))
		DeferCleanup(response.Body.Close)
		_, err = bufio.NewReader(response.Body).ReadString('\n')
		Expect(err).NotTo(HaveOccurred())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = io.Copy(io.Discard, response.Body) // however it ends
		}()
		return ended
	}

	It("V27: is out with the old password, at once and with every stream, but for who changed it", func(ctx SpecContext) {
		p, mine, other := withPassword(ctx)
		stream := watched(ctx, p, other)
		path := "users/me/password"
		refused(ctx, 400, mine, "PUT", path, codersdk.UpdateUserPasswordRequest{Password: next}, "old_password")
		refused(ctx, 400, mine, "PUT", path, codersdk.UpdateUserPasswordRequest{OldPassword: "wrong", Password: next}, "old_password")
		refused(ctx, 400, mine, "PUT", path, codersdk.UpdateUserPasswordRequest{OldPassword: password, Password: password}, "password")
		Expect(statusOf(ctx, other)()).To(Equal(200), "none of this ends anything")
		got[any](ctx, 204, mine, "PUT", path, codersdk.UpdateUserPasswordRequest{OldPassword: password, Password: next})
		Expect(statusOf(ctx, other)()).To(Equal(401))
		Expect(statusOf(ctx, mine)()).To(Equal(200))
		Eventually(stream).WithTimeout(30 * time.Second).Should(BeClosed())
		refused(ctx, 401, session(""), "POST", "users/login", codersdk.LoginWithPasswordRequest{Email: p.Spec.Email, Password: password})

		By("an administrator's word, which ends all")
		got[any](ctx, 204, w.owner.session, "PUT", "users/"+p.Name+"/password", codersdk.UpdateUserPasswordRequest{Password: password})
		Expect(statusOf(ctx, mine)()).To(Equal(401))
		signIn(ctx, p.Spec.Email, password)
		Expect(env.log.String()).NotTo(ContainSubstring(next))
	})

	It("V17: is out when suspended, at both doors and with every stream, and does not come back with the account", func(ctx SpecContext) {
		p, one, two := withPassword(ctx)
		stream := watched(ctx, p, one)
		made := got[codersdk.GenerateAPIKeyResponse](ctx, 201, one, "POST", "users/me/keys/tokens", map[string]string{"token_name": "mine"})
		token := session(made.Key)
		Expect(statusOf(ctx, token)()).To(Equal(200))
		shown := got[codersdk.User](ctx, 200, w.owner.session, "PUT", "users/"+p.Name+"/status/suspend", nil)
		Expect(shown.Status).To(Equal(codersdk.UserStatusSuspended))
		for _, d := range []door{one, two, token, p.aggregated} {
			Expect(statusOf(ctx, d)()).To(Equal(401))
		}
		Eventually(stream).WithTimeout(30 * time.Second).Should(BeClosed())
		refused(ctx, 401, session(""), "POST", "users/login", codersdk.LoginWithPasswordRequest{Email: p.Spec.Email, Password: password})
		back := got[codersdk.User](ctx, 200, w.owner.aggregated, "PUT", "users/"+p.Name+"/status/activate", nil)
		Expect(back.Status).NotTo(Equal(codersdk.UserStatusSuspended))
		for _, d := range []door{one, two, token} {
			Expect(statusOf(ctx, d)()).To(Equal(401), "what was begun has ended")
		}
		Expect(statusOf(ctx, p.aggregated)()).To(Equal(200))
		signIn(ctx, p.Spec.Email, password)
	})
})
