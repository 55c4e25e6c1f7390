// SPDX-License-Identifier: Apache-2.0

package policies_test

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/testing/given"
)

// spec is a merge patch of the spec.
func spec(json string) client.Patch {
	return client.RawPatch(types.MergePatchType, []byte(`{"spec":`+json+`}`))
}

var _ = Describe("a User's rights and sign-in", func() {
	// what is granted is guarded when it is set and when it is changed
	granted := map[string]string{
		"spec.roles":          `{"roles":["Owner"]}`,
		"spec.memberships":    `{"memberships":[{"organization":"platform","roles":["OrganizationAdmin"]}]}`,
		"spec.subjects":       `{"subjects":[{"kind":"User","name":"oidc:eve"}]}`,
		"spec.identities":     `{"identities":[{"issuer":"https://login.example.org","subject":"eve-1"}]}`,
		"spec.passwordSecret": `{"passwordSecret":{"name":"known"}}`,
	}
	// what leads into an account is guarded from the moment it is there
	signIn := map[string]string{
		"spec.email":      `{"email":"eve@example.org"}`,
		"spec.loginType":  `{"loginType":"Password"}`,
		"spec.externalID": `{"externalID":"eve"}`,
	}
	fresh := func(ctx context.Context, change ...func(*v1alpha1.User)) *v1alpha1.User {
		GinkgoHelper()
		user := given.User(strings.Replace(home(ctx), "org-", "user-", 1), change...)
		Expect(env.Client.Create(ctx, user)).To(Succeed())
		return user
	}

	It("V16 V40 are not everybody's who may write Users", func(ctx SpecContext) {
		user := fresh(ctx)
		for _, fields := range []map[string]string{granted, signIn} {
			for field, patch := range fields {
				Expect(clients[editor].Patch(ctx, user, spec(patch))).To(refused(field, "users.berth.dev", "berth-admin"), field)
			}
		}
		By("letting the rest through")
		Expect(clients[editor].Patch(ctx, user, spec(`{"displayName":"Ada","suspended":true}`))).To(allowed())
		Expect(clients[editor].Create(ctx, given.User(user.Name+"-2"))).To(allowed())
	})

	It("V16 V40 can't be brought by a new User either", func(ctx SpecContext) {
		for field, change := range map[string]func(*v1alpha1.User){
			"spec.roles":       func(u *v1alpha1.User) { u.Spec.Roles = []v1alpha1.SiteRole{v1alpha1.SiteRoleOwner} },
			"spec.memberships": func(u *v1alpha1.User) { u.Spec.Memberships = []v1alpha1.Membership{{Organization: "platform"}} },
			"spec.subjects":    func(u *v1alpha1.User) { u.Spec.Subjects = []v1alpha1.Subject{{Kind: "User", Name: editor}} },
			"spec.identities": func(u *v1alpha1.User) {
				u.Spec.Identities = []v1alpha1.LinkedIdentity{{Issuer: "https://login.example.org", Subject: "eve-1"}}
			},
			"spec.passwordSecret": func(u *v1alpha1.User) {
				u.Spec.PasswordSecret = &v1alpha1.NameReference{Name: "known"}
			},
		} {
			Expect(clients[editor].Create(ctx, given.User("eve", change))).To(refused(field), field)
			Expect(clients[apiserver].Create(ctx, given.User("eve", change), client.DryRunAll)).To(allowed(), field)
		}
	})

	It("V40 can't be written through the status", func(ctx SpecContext) {
		user := fresh(ctx)
		groups := client.RawPatch(types.MergePatchType, []byte(`{"status":{"groups":["platform/backend"]}}`))
		Expect(clients[editor].Status().Patch(ctx, user, groups)).To(refused("status.groups"))
		Expect(clients[apiserver].Status().Patch(ctx, user, groups)).To(allowed())
		Expect(clients[editor].Status().Patch(ctx, user, client.RawPatch(types.MergePatchType,
			[]byte(`{"status":{"state":"Active"}}`)))).To(allowed())
	})

	It("are the administrators' and the API server's, who decides who asks", func(ctx SpecContext) {
		for _, who := range []string{admin, master, apiserver} {
			user := fresh(ctx)
			for _, fields := range []map[string]string{granted, signIn} {
				for field, patch := range fields {
					Expect(clients[who].Patch(ctx, user, spec(patch))).To(allowed(), "%s %s", who, field)
				}
			}
		}
	})

	It("do not keep those away who change something else", func(ctx SpecContext) {
		user := fresh(ctx, func(u *v1alpha1.User) {
			u.Spec.Roles = []v1alpha1.SiteRole{v1alpha1.SiteRoleOwner}
			u.Finalizers = []string{"example.org/hold"}
		})
		Expect(clients[manager].Patch(ctx, user, mergeID(string(user.UID)))).To(allowed())
		Expect(clients[editor].Delete(ctx, user)).To(allowed())
		Expect(clients[collector].Patch(ctx, user, client.RawPatch(types.MergePatchType,
			[]byte(`{"metadata":{"finalizers":null}}`)))).To(allowed())
	})
})

var _ = Describe("a Group's members and a Template's access", func() {
	cases := map[string]struct {
		make    func(namespace, name string) client.Object
		guarded map[string]string // field -> patch
		free    string
	}{
		"groups": {
			make: func(namespace, name string) client.Object { return given.Group(namespace, name) },
			guarded: map[string]string{
				"spec.members":  `{"members":["ada"]}`,
				"spec.subjects": `{"subjects":[{"kind":"Group","name":"oidc:all"}]}`,
			},
			free: `{"quota":{"running":1}}`,
		},
		"templates": {
			make:    func(namespace, name string) client.Object { return given.Template(namespace, name) },
			guarded: map[string]string{"spec.access": `{"access":[{"kind":"Everyone","role":"Admin"}]}`},
			free:    `{"content":{"image":"registry.example/base:26.04"}}`,
		},
	}
	for resource, c := range cases {
		It("V40 are grants: "+resource, func(ctx SpecContext) {
			namespace := home(ctx)
			object := c.make(namespace, "one")
			Expect(clients[editor].Create(ctx, object)).To(allowed())
			for field, patch := range c.guarded {
				Expect(clients[editor].Patch(ctx, object, spec(patch))).To(refused(field, resource+".berth.dev", "berth-admin"), field)
			}
			Expect(clients[editor].Patch(ctx, object, spec(c.free))).To(allowed())
			for _, who := range []string{admin, master, apiserver} { // the last asks its own rules first
				for field, patch := range c.guarded {
					Expect(clients[who].Patch(ctx, object, spec(patch))).To(allowed(), "%s %s", who, field)
				}
			}
			By("guarding what is there from being taken away")
			for field := range c.guarded {
				name := strings.TrimPrefix(field, "spec.")
				Expect(clients[editor].Patch(ctx, object, spec(`{"`+name+`":null}`))).To(refused(field), field)
			}
			Expect(clients[editor].Patch(ctx, object, spec(c.free))).To(allowed())
			Expect(clients[editor].Delete(ctx, object)).To(allowed())
		})
	}
})
