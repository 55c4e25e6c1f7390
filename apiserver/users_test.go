// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/testing/given"
)

// got asks, wants the status, and reads the answer.
func got[T any](ctx context.Context, status int, d door, method, path string, body any) T {
	GinkgoHelper()
	a := ask(ctx, d, method, "/api/v2/"+path, body)
	Expect(a.Status).To(Equal(status), "%s %s: %s", method, path, a.Body)
	var out T
	if len(a.Body) > 0 {
		a.JSON(&out)
	}
	return out
}

// refused asks, and wants the status and a complaint about each of the fields.
func refused(ctx context.Context, status int, d door, method, path string, body any, fields ...string) codersdk.Response {
	GinkgoHelper()
	r := got[codersdk.Response](ctx, status, d, method, path, body)
	named := []string{}
	for _, v := range r.Validations {
		named = append(named, v.Field)
	}
	Expect(named).To(ConsistOf(fields), r.Message)
	return r
}

// live is the User as the cluster has it.
func live(ctx context.Context, name string) *v1alpha1.User {
	GinkgoHelper()
	u := &v1alpha1.User{}
	Expect(env.Client.Get(ctx, client.ObjectKey{Name: name}, u)).To(Succeed())
	return u
}

func role(r v1alpha1.SiteRole) func(*v1alpha1.User) {
	return func(u *v1alpha1.User) { u.Spec.Roles = []v1alpha1.SiteRole{r} }
}

// fresh is a request for an account that nobody has.
func fresh(o *v1alpha1.Organization) codersdk.CreateUserRequest {
	name, id := unique("New"), ids.Of(o)
	return codersdk.CreateUserRequest{Username: name, Email: name + "@Example.org", Password: "long enough a word", OrganizationID: &id}
}

// signIn begins a session.
func signIn(ctx context.Context, email, password string) door {
	GinkgoHelper()
	in := got[codersdk.LoginWithPasswordResponse](ctx, 201, session(""), "POST", "users/login", codersdk.LoginWithPasswordRequest{Email: email, Password: password})
	return session(in.SessionToken)
}

func statusOf(ctx context.Context, d door) func() int {
	return func() int { return ask(ctx, d, "GET", "/api/v2/users/me", nil).Status }
}

var _ = Describe("Users", Ordered, func() {
	var o *v1alpha1.Organization
	var owner, uma *person

	BeforeAll(func(ctx SpecContext) {
		o = newOrganization(ctx)
		owner = newPerson(ctx, o.Name, role(v1alpha1.SiteRoleOwner))
		uma = newPerson(ctx, o.Name, role(v1alpha1.SiteRoleUserAdmin))
		Eventually(func() int {
			return ask(ctx, owner.session, "GET", "/api/v2/organizations/"+o.Name, nil).Status
		}).WithTimeout(30 * time.Second).Should(Equal(200))
	})

	It("are made by user administrators, sign in, are changed and deleted, and their names are free again", func(ctx SpecContext) {
		wish := fresh(o)
		made := got[codersdk.User](ctx, 201, uma.session, "POST", "users", wish)
		Expect(made.Username).To(Equal(wish.Username))
		Expect(made.Roles).To(BeEmpty())
		Expect(made.OrganizationIDs).To(Equal([]uuid.UUID{ids.Of(o)}))
		Expect(made.LoginType).To(Equal(codersdk.LoginTypePassword))
		Expect(made.Status).To(Equal(codersdk.UserStatusDormant))
		me := signIn(ctx, wish.Email, wish.Password)
		Expect(got[codersdk.User](ctx, 200, me, "GET", "users/me", nil).ID).To(Equal(made.ID))
		path := "users/" + made.ID.String()
		Expect(got[codersdk.UserLoginType](ctx, 200, me, "GET", path+"/login-type", nil).LoginType).To(Equal(codersdk.LoginTypePassword))
		Expect(got[codersdk.User](ctx, 200, me, "PUT", path+"/appearance", codersdk.UpdateUserAppearanceSettingsRequest{ThemePreference: "dark"}).ThemePreference).To(Equal("dark"))

		By("being called otherwise, which no reference sees")
		name := "A Person"
		renamed := got[codersdk.User](ctx, 200, me, "PUT", path+"/profile", codersdk.UpdateUserProfileRequest{Username: wish.Username + "-2", Name: &name})
		Expect(renamed.Username).To(Equal(wish.Username + "-2"))
		Expect(renamed.Name).To(Equal(name))
		refused(ctx, 409, me, "PUT", path+"/profile", codersdk.UpdateUserProfileRequest{Username: uma.Name}, "username")
		again := got[codersdk.User](ctx, 200, me, "PUT", path+"/profile", codersdk.UpdateUserProfileRequest{Username: wish.Username})
		Expect(again.Username).To(Equal(wish.Username))
		Expect(again.Name).To(Equal(name), "what is absent stays")

		By("being refused what another has, on each replica")
		twin := fresh(o)
		twin.Username = wish.Username
		refused(ctx, 409, uma.session, "POST", "users", twin, "username")
		twin = fresh(o)
		twin.Email = wish.Email
		refused(ctx, 409, uma.session, "POST", "users", twin, "email")

		By("being refused what somebody has whom a manifest made and the manager has not seen yet")
		twin = fresh(o)
		twin.Email = strings.ToUpper(uma.Spec.Email)
		refused(ctx, 409, uma.session, "POST", "users", twin, "email")

		By("being deleted")
		Expect(got[codersdk.User](ctx, 200, uma.session, "DELETE", path, nil).ID).To(Equal(made.ID))
		Expect(statusOf(ctx, me)()).To(Equal(401))
		refused(ctx, 404, uma.session, "GET", path, nil)
		second := got[codersdk.User](ctx, 201, uma.session, "POST", "users", wish)
		Expect(second.ID).NotTo(Equal(made.ID))
		Expect(statusOf(ctx, me)()).To(Equal(401), "the earlier one's session opens nothing")
	})

	It("get no object name that something refers to: who is called as somebody was does not get what that one had", func(ctx SpecContext) {
		gone := unique("gone")
		g := given.Group(o.Name, unique("g"), func(g *v1alpha1.Group) { g.Spec.Members = []v1alpha1.ObjectName{v1alpha1.ObjectName(gone)} })
		Expect(env.Client.Create(ctx, g)).To(Succeed())
		Eventually(func() string {
			wish := fresh(o)
			wish.Username = gone
			made := got[codersdk.User](ctx, 201, uma.session, "POST", "users", wish)
			Expect(made.Username).To(Equal(gone))
			var all v1alpha1.UserList
			Expect(env.Client.List(ctx, &all)).To(Succeed())
			at := slices.IndexFunc(all.Items, func(u v1alpha1.User) bool { return ids.Of(&u) == made.ID })
			got[codersdk.User](ctx, 200, uma.session, "DELETE", "users/"+made.ID.String(), nil)
			return all.Items[at].Name
		}).WithTimeout(30 * time.Second).Should(Equal(gone + "-2"))
	})

	It("are one of a name and one of an address, however many ask both replicas at once", func(ctx SpecContext) {
		other := start()
		Eventually(func() int { return ask(ctx, sessionAt(other, ""), "GET", "/api/v2/buildinfo", nil).Status }).Should(Equal(200))
		token := owner.session.header.Get("Coder-Session-Token")
		Eventually(statusOf(ctx, sessionAt(other, token))).WithTimeout(30 * time.Second).Should(Equal(200))
		wish := fresh(o)
		const racers = 8
		statuses := make([]int, racers)
		var race sync.WaitGroup
		for i := range racers {
			race.Go(func() {
				defer GinkgoRecover()
				at, in := owner.session, wish
				if i%2 == 0 {
					at = sessionAt(other, token)
				}
				if i >= racers/2 {
					in.Username = fmt.Sprintf("%s-%d", wish.Username, i) // the address alone is contended
				}
				statuses[i] = ask(ctx, at, "POST", "/api/v2/users", in).Status
			})
		}
		race.Wait()
		slices.Sort(statuses)
		Expect(statuses[0]).To(Equal(201))
		Expect(statuses[1:]).To(HaveEach(409))
	})

	It("are listed by name, searched, counted and cut into pages that come to the whole", func(ctx SpecContext) {
		tag := unique("list")
		for i, change := range []func(*v1alpha1.User){
			func(u *v1alpha1.User) {}, role(v1alpha1.SiteRoleAuditor), func(u *v1alpha1.User) { u.Spec.Suspended = true },
		} {
			u := given.User(fmt.Sprintf("%s-%d", tag, i), change)
			Expect(env.Client.Create(ctx, u)).To(Succeed())
			DeferCleanup(func(ctx SpecContext) { Expect(env.Client.Delete(ctx, u)).To(Succeed()) })
		}
		find := func(q string) codersdk.GetUsersResponse {
			return got[codersdk.GetUsersResponse](ctx, 200, uma.session, "GET", "users?q="+q, nil)
		}
		Eventually(func() int { return find(tag).Count }).WithTimeout(30 * time.Second).Should(Equal(3))
		var whole []uuid.UUID
		for _, u := range find(tag).Users {
			whole = append(whole, u.ID)
		}
		Expect(find(tag + "+status:suspended").Users).To(HaveExactElements(HaveField("ID", whole[2])))
		Expect(find(tag + "+role:auditor").Users).To(HaveExactElements(HaveField("ID", whole[1])))
		Expect(find(tag + "+status:dormant").Count).To(Equal(2))
		var paged, after []uuid.UUID
		for offset := range 3 {
			page := find(fmt.Sprintf("%s&limit=1&offset=%d", tag, offset))
			Expect(page.Count).To(Equal(3))
			paged = append(paged, page.Users[0].ID)
		}
		last := uuid.Nil
		for range 3 {
			page := find(fmt.Sprintf("%s&limit=1&after_id=%s", tag, last))
			last = page.Users[0].ID
			after = append(after, last)
		}
		Expect(paged).To(Equal(whole))
		Expect(after).To(Equal(whole))
		refused(ctx, 400, uma.session, "GET", "users?q=foo:bar+status:asleep&limit=x", nil, "limit", "foo", "status")

		By("a member, who sees nobody else")
		m := newPerson(ctx, o.Name)
		Expect(got[codersdk.GetUsersResponse](ctx, 200, m.aggregated, "GET", "users", nil).Users).To(HaveExactElements(HaveField("Username", m.Name)))
	})

	It("are refused with the name of each field", func(ctx SpecContext) {
		stranger := uuid.New()
		for name, c := range map[string]struct {
			change func(*codersdk.CreateUserRequest)
			status int
			fields []string
		}{
			"a name with dots":           {func(in *codersdk.CreateUserRequest) { in.Username, in.Email = "../a", "ada" }, 400, []string{"username", "email"}},
			"a word of paths":            {func(in *codersdk.CreateUserRequest) { in.Username = "Roles" }, 400, []string{"username"}},
			"a short password":           {func(in *codersdk.CreateUserRequest) { in.Password = "short" }, 400, []string{"password"}},
			"a password for nothing":     {func(in *codersdk.CreateUserRequest) { in.UserLoginType = codersdk.LoginTypeNone }, 400, []string{"password"}},
			"a way nobody signs in":      {func(in *codersdk.CreateUserRequest) { in.UserLoginType = codersdk.LoginTypeToken }, 400, []string{"login_type"}},
			"contradictions":             {func(in *codersdk.CreateUserRequest) { in.DisableLogin, in.UserLoginType = true, codersdk.LoginTypeOIDC }, 400, []string{"disable_login"}},
			"an organization nobody has": {func(in *codersdk.CreateUserRequest) { in.OrganizationID = &stranger }, 404, []string{"organization_id"}},
			"no organization":            {func(in *codersdk.CreateUserRequest) { in.OrganizationID = nil }, 400, []string{"organization_id"}},
		} {
			By(name)
			in := fresh(o)
			c.change(&in)
			refused(ctx, c.status, uma.session, "POST", "users", in, c.fields...)
		}
		m := newPerson(ctx, o.Name)
		refused(ctx, 400, m.session, "PUT", "users/me/profile", map[string]string{"username": "a--b", "name": " x"}, "username", "name")
		refused(ctx, 400, m.session, "PUT", "users/me/quiet-hours", map[string]string{"schedule": "30 22 * * 1-5"}, "schedule")
		refused(ctx, 400, owner.session, "PUT", "users/"+m.Name+"/roles", map[string][]string{"roles": {"king"}}, "roles")
	})

	It("own workspaces, and can't be deleted while they do", func(ctx SpecContext) {
		w := newWorld(ctx)
		ws := w.workspace(ctx)
		r := refused(ctx, 417, w.owner.session, "DELETE", "users/"+w.member.Name, nil)
		Expect(r.Message).To(ContainSubstring("has workspaces"))
		Expect(env.Client.Delete(ctx, ws)).To(Succeed())
		Eventually(func() int {
			return ask(ctx, w.owner.session, "DELETE", "/api/v2/users/"+w.member.Name, nil).Status
		}).WithTimeout(30 * time.Second).Should(Equal(200))
		Expect(apierrors.IsNotFound(env.Client.Get(ctx, client.ObjectKey{Name: w.member.Name}, &v1alpha1.User{}))).To(BeTrue())
		refused(ctx, 400, w.owner.session, "DELETE", "users/me", nil)
	})

	It("have quiet hours, by default at midnight", func(ctx SpecContext) {
		m := newPerson(ctx, o.Name)
		def := got[codersdk.UserQuietHoursScheduleResponse](ctx, 200, m.aggregated, "GET", "users/me/quiet-hours", nil)
		Expect([]any{def.RawSchedule, def.UserSet, def.Time, def.Timezone}).To(Equal([]any{"CRON_TZ=UTC 0 0 * * *", false, "00:00", "UTC"}))
		set := got[codersdk.UserQuietHoursScheduleResponse](ctx, 200, m.session, "PUT", "users/me/quiet-hours",
			codersdk.UpdateUserQuietHoursScheduleRequest{Schedule: "CRON_TZ=Europe/Zurich 5 22 * * *"})
		Expect([]any{set.RawSchedule, set.UserSet, set.Time, set.Timezone}).To(Equal([]any{"CRON_TZ=Europe/Zurich 5 22 * * *", true, "22:05", "Europe/Zurich"}))
		Expect(set.Next).To(BeTemporally(">", time.Now()))
		Expect(live(ctx, m.Name).Spec.QuietHours).To(Equal(&v1alpha1.Schedule{Schedule: "5 22 * * *", TimeZone: "Europe/Zurich"}))
		back := got[codersdk.UserQuietHoursScheduleResponse](ctx, 200, m.session, "PUT", "users/me/quiet-hours", codersdk.UpdateUserQuietHoursScheduleRequest{})
		Expect(back.UserSet).To(BeFalse())
	})

	It("are given roles by owners alone, and show them", func(ctx SpecContext) {
		m := newPerson(ctx, o.Name)
		path := "users/" + m.Name + "/roles"
		shown := got[codersdk.User](ctx, 200, owner.session, "PUT", path, codersdk.UpdateRoles{Roles: []string{"auditor", "member", "template-admin"}})
		Expect(shown.Roles).To(HaveExactElements(HaveField("Name", "auditor"), HaveField("Name", "template-admin")))
		roles := got[codersdk.UserRoles](ctx, 200, m.aggregated, "GET", path, nil)
		Expect(roles).To(Equal(codersdk.UserRoles{Roles: []string{"auditor", "template-admin"}, OrganizationRoles: map[uuid.UUID][]string{ids.Of(o): {}}}))
		before := live(ctx, m.Name).ResourceVersion
		got[codersdk.User](ctx, 200, owner.aggregated, "PUT", path, codersdk.UpdateRoles{Roles: []string{"template-admin", "auditor"}})
		Expect(live(ctx, m.Name).ResourceVersion).To(Equal(before), "the same in another order writes nothing")
		for who, assignable := range map[*person]bool{owner: true, uma: false, m: false} {
			offered := got[[]codersdk.AssignableRoles](ctx, 200, who.session, "GET", "users/roles", nil)
			Expect(offered).To(HaveLen(4))
			Expect(offered).To(HaveEach(HaveField("Assignable", assignable)), who.Name)
		}
		refused(ctx, 400, owner.session, "PUT", "users/me/roles", codersdk.UpdateRoles{}, "roles")
		refused(ctx, 403, uma.session, "PUT", "users/me/roles", codersdk.UpdateRoles{Roles: []string{"owner"}})
	})

	It("that git holds are changed there, field by field", func(ctx SpecContext) {
		name := unique("git")
		manifest := `{"apiVersion":"berth.dev/v1alpha1","kind":"User","metadata":{"name":"` + name + `","annotations":{"argocd.argoproj.io/tracking-id":"people:berth.dev/User:x/` + name + `"}},
			"spec":{"email":"` + name + `@example.org","displayName":"Git","roles":["Auditor"],"suspended":false,"memberships":[{"organization":"` + o.Name + `"}]}}`
		applyAs(ctx, "argocd-controller", manifest)
		path := "users/" + name
		Eventually(func() int { return ask(ctx, owner.session, "GET", "/api/v2/"+path, nil).Status }).WithTimeout(30 * time.Second).Should(Equal(200))
		before := live(ctx, name)
		for _, c := range []struct{ method, rest, body, field string }{
			{"PUT", "/profile", `{"username":"` + name + `","name":"Mine"}`, "name"},
			{"PUT", "/profile", `{"username":"` + name + `-2"}`, "username"},
			{"PUT", "/roles", `{"roles":[]}`, "roles"},
			{"PUT", "/status/suspend", "", "status"},
		} {
			r := refused(ctx, 409, owner.session, c.method, path+c.rest, c.body, c.field)
			Expect(r.Message).To(ContainSubstring("Argo CD application people"))
		}
		Expect(refused(ctx, 409, owner.aggregated, "DELETE", path, nil).Message).To(ContainSubstring("Argo CD application people"))
		Expect(live(ctx, name).ResourceVersion).To(Equal(before.ResourceVersion))
		got[codersdk.User](ctx, 200, owner.session, "PUT", path+"/appearance", codersdk.UpdateUserAppearanceSettingsRequest{ThemePreference: "light"})
	})
})
