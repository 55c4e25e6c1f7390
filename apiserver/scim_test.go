// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/coderd"
	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/testing/given"
)

// scimRefusal is an error as SCIM has it.
type scimRefusal struct {
	Schemas                  []string
	Status, SCIMType, Detail string
}

// scimList is a page of accounts.
type scimList struct {
	TotalResults, StartIndex, ItemsPerPage int
	Resources                              []coderd.SCIMUser
}

// provider is the identity provider, with the key that it sends.
func provider(key string) door { return session("").with("Authorization", key) }

var _ = Describe("An identity provider", Ordered, func() {
	idp := func() door { return provider("Bearer " + providerKey) }

	BeforeAll(func(ctx SpecContext) {
		o := given.Organization(unique("home"), func(o *v1alpha1.Organization) { o.Spec.Default = true })
		Expect(env.Client.Create(ctx, o)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(client.IgnoreNotFound(env.Client.Delete(ctx, o))).To(Succeed()) })
		Eventually(func() int {
			return ask(ctx, idp(), "POST", "/scim/v2/Users", aPerson(unique("first"))).Status
		}).WithTimeout(20 * time.Second).Should(Equal(200))
	})

	scim := func(ctx context.Context, status int, method, path string, body any, into any) {
		GinkgoHelper()
		a := ask(ctx, idp(), method, "/scim/v2/"+path, body)
		Expect(a.Status).To(Equal(status), string(a.Body))
		if into != nil {
			Expect(a.Header.Get("Content-Type")).To(Equal("application/scim+json"))
			a.JSON(into)
		}
	}
	made := func(ctx context.Context, name string) (u coderd.SCIMUser) {
		GinkgoHelper()
		scim(ctx, 200, "POST", "Users", aPerson(name), &u)
		return u
	}
	filtered := func(ctx context.Context, filter string) (l scimList) {
		GinkgoHelper()
		scim(ctx, 200, "GET", "Users?filter="+url.QueryEscape(filter), nil, &l)
		return l
	}
	refusal := func(ctx context.Context, status int, method, path string, body any) (r scimRefusal) {
		GinkgoHelper()
		scim(ctx, status, method, path, body, &r)
		Expect(r.Schemas).To(Equal([]string{"urn:ietf:params:scim:api:messages:2.0:Error"}))
		return r
	}
	operations := func(text string) json.RawMessage {
		return json.RawMessage(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":` + text + `}`)
	}

	It("makes an account, finds it, changes it, and locks it with all its sessions", func(ctx SpecContext) {
		name := unique("Ada.")
		u := made(ctx, name+"@example.org")
		Expect(u.UserName).To(Equal(name + "@example.org"))
		Expect(bool(u.Active)).To(BeTrue())
		for _, filter := range []string{`userName eq "` + u.UserName + `"`, `externalId eq "` + u.ExternalID + `"`, `emails[value eq "` + u.Emails[0].Value + `"]`} {
			l := filtered(ctx, filter)
			Expect(l.TotalResults).To(Equal(1), filter)
			Expect(l.Resources[0].ID).To(Equal(u.ID))
		}

		By("signing in at the provider, and seen on the wire")
		account := found(ctx, u.ID)
		Expect(account.Spec.LoginType).To(Equal(v1alpha1.LoginTypeOIDC))
		Expect(account.Spec.DisplayName).To(Equal("Ada Lovelace"))
		token, _, err := credentials.New(env.Client, namespace, time.Now).Issue(ctx, account, ids.Of(account), v1alpha1.LoginTypeOIDC, credentials.SessionLifetime)
		Expect(err).NotTo(HaveOccurred())
		Eventually(statusOf(ctx, session(token))).Should(Equal(200))

		By("a change of name and address, as one provider sends it")
		other := unique("king") + "@example.org"
		scim(ctx, 204, "PATCH", "Users/"+u.ID, operations(`[{"op":"Replace","path":"name.familyName","value":"King"},
			{"op":"Replace","path":"emails[type eq \"work\"].value","value":"`+other+`"}]`), nil)
		var now coderd.SCIMUser
		scim(ctx, 200, "GET", "Users/"+u.ID, nil, &now)
		Expect(now.Name).To(Equal(coderd.SCIMName{GivenName: "Ada", FamilyName: "King"}))
		Expect(now.Emails[0].Value).To(Equal(other))
		Expect(now.UserName).To(Equal(u.UserName), "the name that the provider knows stays")

		By("V 48: a lock ends what was begun, at once")
		scim(ctx, 204, "PATCH", "Users/"+u.ID, operations(`[{"op":"replace","value":{"active":"False"}}]`), nil)
		Expect(statusOf(ctx, session(token))()).To(Equal(401))
		Expect(filtered(ctx, `userName eq "`+u.UserName+`" and active eq false`).TotalResults).To(Equal(1))

		By("a return, in the contract's own form, which does not bring the session back")
		a := ask(ctx, idp(), "PATCH", "/scim/v2/Users/"+u.ID, json.RawMessage(`{"active":true}`))
		var seen codersdk.User
		a.JSON(&seen)
		Expect(a.Status).To(Equal(200))
		Expect(seen.ID.String()).To(Equal(u.ID))
		Expect(seen.Status).To(Equal(codersdk.UserStatusActive))
		Consistently(statusOf(ctx, session(token))).WithTimeout(time.Second).Should(Equal(401))

		By("a whole user, as another provider sends it")
		whole := aPerson(u.UserName)
		whole.Name.GivenName, whole.Emails[0].Value = "Augusta", other
		scim(ctx, 200, "PUT", "Users/"+u.ID, whole, &now)
		Expect(now.Name.GivenName).To(Equal("Augusta"))

		By("a leave: it is locked, and the provider sees it no more")
		scim(ctx, 204, "DELETE", "Users/"+u.ID, nil, nil)
		refusal(ctx, 404, "GET", "Users/"+u.ID, nil)
		Expect(live(ctx, account.Name).Spec.Suspended).To(BeTrue())
	})

	It("takes an account over that has the address, as it is", func(ctx SpecContext) {
		p := newPerson(ctx, newOrganization(ctx).Name)
		wish := aPerson(unique("over"))
		wish.Emails = []coderd.SCIMEmail{{Value: p.Spec.Email, Primary: true}}
		var u coderd.SCIMUser
		scim(ctx, 200, "POST", "Users", wish, &u)
		Expect(u.ID).To(Equal(ids.Of(p.User).String()))
		Expect(me(ctx, p.session)).To(Equal(200), "its sessions go on")
		Expect(live(ctx, p.Name).Spec.LoginType).To(Equal(v1alpha1.LoginTypePassword))
		scim(ctx, 200, "POST", "Users", wish, &u) // said twice

		By("but not one that is provisioned by another name or id")
		for _, change := range []func(*coderd.SCIMUser){
			func(u *coderd.SCIMUser) { u.UserName = unique("else") },
			func(u *coderd.SCIMUser) { u.ExternalID = unique("else") },
		} {
			other := wish
			change(&other)
			Expect(refusal(ctx, 409, "POST", "Users", other).SCIMType).To(Equal("uniqueness"))
		}
	})

	It("V 48: never reaches another's account by an id, a name or an address", func(ctx SpecContext) {
		p := newPerson(ctx, newOrganization(ctx).Name)
		u := made(ctx, unique("own"))
		id := ids.Of(p.User).String()

		By("an account that it does not keep is not there")
		refusal(ctx, 404, "GET", "Users/"+id, nil)
		refusal(ctx, 404, "PATCH", "Users/"+id, json.RawMessage(`{"active":false}`))
		refusal(ctx, 404, "DELETE", "Users/"+id, nil)
		Expect(filtered(ctx, `id eq "`+id+`"`).TotalResults).To(BeZero())

		By("its own id for somebody is never one of ours")
		wish := aPerson(unique("ext"))
		wish.ExternalID = id
		var other coderd.SCIMUser
		scim(ctx, 200, "POST", "Users", wish, &other)
		Expect(other.ID).NotTo(Equal(id))
		refusal(ctx, 404, "GET", "Users/"+u.ExternalID, nil)

		By("an address or a name of somebody else is refused, and nothing is changed")
		Expect(refusal(ctx, 409, "PATCH", "Users/"+u.ID, operations(`[{"op":"replace","path":"emails","value":[{"value":"`+p.Spec.Email+`"}]}]`)).SCIMType).To(Equal("uniqueness"))
		Expect(refusal(ctx, 409, "PATCH", "Users/"+u.ID, operations(`[{"op":"replace","path":"userName","value":"`+other.UserName+`"}]`)).SCIMType).To(Equal("uniqueness"))
		var now coderd.SCIMUser
		scim(ctx, 200, "GET", "Users/"+u.ID, nil, &now)
		Expect(now).To(Equal(u))
		Expect(live(ctx, p.Name).Annotations).NotTo(HaveKey(v1alpha1.AnnotationProvisionedAs))
	})

	It("makes one account of many requests for the same", func(ctx SpecContext) {
		name := unique("race")
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() { ask(ctx, idp(), "POST", "/scim/v2/Users", aPerson(name)) })
		}
		all.Wait()
		Expect(filtered(ctx, `userName eq "`+name+`"`).TotalResults).To(Equal(1))
	})

	It("gives people of one name different usernames", func(ctx SpecContext) {
		name := unique("same")
		one, two := made(ctx, name+"@one.example"), made(ctx, name+"@two.example")
		Expect(found(ctx, one.ID).WireName()).To(Equal(name))
		Expect(found(ctx, two.ID).WireName()).To(Equal(name + "-2"))
	})

	It("pages through what it keeps", func(ctx SpecContext) {
		prefix := unique("page")
		for _, suffix := range []string{"a", "b", "c"} {
			made(ctx, prefix+suffix)
		}
		filter := "&filter=" + url.QueryEscape(`userName sw "`+prefix+`"`)
		var names []string
		for start := range 3 {
			var l scimList
			scim(ctx, 200, "GET", "Users?count=1&startIndex="+string(rune('1'+start))+filter, nil, &l)
			Expect(l.TotalResults).To(Equal(3))
			Expect(l.ItemsPerPage).To(Equal(1))
			names = append(names, l.Resources[0].UserName)
		}
		Expect(names).To(Equal([]string{prefix + "a", prefix + "b", prefix + "c"}))
		Expect(refusal(ctx, 400, "GET", "Users?filter=nickName+eq+%22x%22", nil).SCIMType).To(Equal("invalidFilter"))
		Expect(refusal(ctx, 400, "GET", "Users?startIndex=x", nil).SCIMType).To(Equal("invalidValue"))
	})

	It("says what is wrong with a user", func(ctx SpecContext) {
		for field, change := range map[string]func(*coderd.SCIMUser){
			"userName": func(u *coderd.SCIMUser) { u.UserName = "" },
			"emails":   func(u *coderd.SCIMUser) { u.Emails = nil },
		} {
			wish := aPerson(unique("wrong"))
			change(&wish)
			r := refusal(ctx, 400, "POST", "Users", wish)
			Expect(r.Detail).To(ContainSubstring(field))
			Expect(r.SCIMType).To(Equal("invalidValue"))
		}
		refusal(ctx, 400, "POST", "Users", json.RawMessage(`{"active":"perhaps"}`))
	})

	It("may not lock the last owner out", func(ctx SpecContext) {
		var users v1alpha1.UserList
		Expect(env.Client.List(ctx, &users)).To(Succeed())
		for i := range users.Items { // an owner that another spec left would make this one not the last
			if u := &users.Items[i]; slices.Contains(u.Spec.Roles, v1alpha1.SiteRoleOwner) {
				Expect(env.Client.Delete(ctx, u)).To(Succeed())
			}
		}
		p := newPerson(ctx, newOrganization(ctx).Name, role(v1alpha1.SiteRoleOwner))
		wish := aPerson(unique("boss"))
		wish.Emails = []coderd.SCIMEmail{{Value: p.Spec.Email}}
		var u coderd.SCIMUser
		scim(ctx, 200, "POST", "Users", wish, &u)
		Expect(refusal(ctx, 400, "PATCH", "Users/"+u.ID, json.RawMessage(`{"active":false}`)).Detail).To(ContainSubstring("last owner"))
		Expect(live(ctx, p.Name).Spec.Suspended).To(BeFalse())
	})

	It("is known by its key alone", func(ctx SpecContext) {
		owner := newPerson(ctx, newOrganization(ctx).Name, role(v1alpha1.SiteRoleOwner))
		path := "/scim/v2/Users"
		for name, d := range map[string]door{
			"no key": session(""), "another": provider("Bearer another-key-of-some-length"), "an empty one": provider("Bearer "),
			"half of it": provider("Bearer " + providerKey[:10]), "an owner's session": owner.session,
			"an owner's session in its place": provider("Bearer " + owner.session.header.Get("Coder-Session-Token")),
			"two of them":                     session("").with("Authorization", "Bearer "+providerKey, "Bearer "+providerKey),
		} {
			a := ask(ctx, d, "GET", path, nil)
			Expect(a.Status).To(Equal(401), name)
			Expect(string(a.Body)).NotTo(ContainSubstring("Resources"))
		}
		Expect(ask(ctx, provider(providerKey), "GET", path, nil).Status).To(Equal(200), "without the word Bearer")
		Expect(me(ctx, idp())).To(Equal(401), "and its key opens nothing else")
		var config struct{ Patch, Filter struct{ Supported bool } }
		scim(ctx, 200, "GET", "ServiceProviderConfig", nil, &config)
		Expect(config.Patch.Supported && config.Filter.Supported).To(BeTrue())
	})
})

// aPerson is a person as a provider sends one.
func aPerson(name string) coderd.SCIMUser {
	email := name
	if !strings.Contains(name, "@") {
		email += "@example.org"
	}
	return coderd.SCIMUser{
		Schemas: []string{"urn:ietf:params:scim:schemas:core:2.0:User"}, UserName: name, ExternalID: "ext-" + name, Active: true,
		Name: coderd.SCIMName{GivenName: "Ada", FamilyName: "Lovelace"}, Emails: []coderd.SCIMEmail{{Primary: true, Type: "work", Value: email}},
	}
}

// found is the User of an id on the wire.
func found(ctx context.Context, id string) *v1alpha1.User {
	GinkgoHelper()
	var users v1alpha1.UserList
	Expect(env.Client.List(ctx, &users)).To(Succeed())
	for i := range users.Items {
		if ids.Of(&users.Items[i]).String() == id {
			return &users.Items[i]
		}
	}
	Fail("no User has the id " + id)
	return nil
}
