// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/testing/given"
)

var _ = Describe("Organizations", Ordered, func() {
	var o *v1alpha1.Organization
	var owner, admin, ada *person

	BeforeAll(func(ctx SpecContext) {
		o = newOrganization(ctx)
		owner, admin, ada = newPerson(ctx, o.Name, role(v1alpha1.SiteRoleOwner)), newPerson(ctx, o.Name, orgAdmin), newPerson(ctx, o.Name)
		Eventually(func() int {
			return ask(ctx, ada.session, "GET", "/api/v2/organizations/"+o.Name, nil).Status
		}).WithTimeout(30 * time.Second).Should(Equal(200))
	})

	It("are made by owners, as objects whose home the manager makes, and never of a namespace that stands", func(ctx SpecContext) {
		name := unique("Acme")
		made := got[codersdk.Organization](ctx, 201, owner.session, "POST", "organizations", codersdk.CreateOrganizationRequest{Name: name})
		Expect(made.Name).To(Equal(name))
		stored := &v1alpha1.Organization{}
		Expect(env.Client.Get(ctx, client.ObjectKey{Name: strings.ToLower(name)}, stored)).To(Succeed())
		Expect(made.ID).To(Equal(ids.Of(stored)))
		Expect(stored.Spec).To(Equal(v1alpha1.OrganizationSpec{Name: v1alpha1.WireName(name)}))
		Expect(got[codersdk.Organization](ctx, 200, owner.aggregated, "GET", "organizations/"+name, nil).ID).To(Equal(made.ID))
		refused(ctx, 404, ada.session, "GET", "organizations/"+name, nil)

		By("names that are had")
		standing := unique("standing")
		Expect(env.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: standing}})).To(Succeed())
		for _, taken := range []string{name, strings.ToUpper(name), strings.ToUpper(standing), namespace} {
			refused(ctx, 409, owner.session, "POST", "organizations", codersdk.CreateOrganizationRequest{Name: taken}, "name")
		}
		for _, wrong := range []string{"", "a--b", "kube-public", "default", "new", strings.Repeat("x", 33)} {
			refused(ctx, 400, owner.session, "POST", "organizations", codersdk.CreateOrganizationRequest{Name: wrong}, "name")
		}
	})

	It("have administrators, whom owners and administrators make", func(ctx SpecContext) {
		path := "organizations/" + o.Name + "/members/"
		bob := newPerson(ctx, o.Name)
		with := func(names ...string) codersdk.UpdateRoles { return codersdk.UpdateRoles{Roles: names} }
		member := got[codersdk.OrganizationMember](ctx, 200, admin.session, "PUT", path+bob.Name+"/roles", with("organization-admin:"+ids.Of(o).String(), "organization-member"))
		Expect(member.Roles).To(Equal([]codersdk.Role{{Name: "organization-admin", DisplayName: "Organization Admin"}}))
		Expect([]any{member.UserID, member.OrganizationID}).To(Equal([]any{ids.Of(bob.User), ids.Of(o)}))
		Expect(got[codersdk.UserRoles](ctx, 200, bob.session, "GET", "users/me/roles", nil).OrganizationRoles[ids.Of(o)]).To(Equal([]string{"organization-admin"}))
		Expect(got[[]codersdk.AssignableRoles](ctx, 200, bob.aggregated, "GET", path+"roles", nil)).To(HaveExactElements(HaveField("Assignable", true)))
		Expect(got[[]codersdk.AssignableRoles](ctx, 200, ada.aggregated, "GET", path+"roles", nil)).To(HaveExactElements(HaveField("Assignable", false)))
		got[codersdk.OrganizationMember](ctx, 200, owner.aggregated, "PUT", path+bob.Name+"/roles", with())
		Expect(live(ctx, bob.Name).Spec.Memberships).To(Equal([]v1alpha1.Membership{{Organization: v1alpha1.ObjectName(o.Name)}}))

		By("what is refused")
		refused(ctx, 400, admin.session, "PUT", path+bob.Name+"/roles", with("owner"), "roles")
		refused(ctx, 400, admin.session, "PUT", path+bob.Name+"/roles", with("organization-admin:"+ids.Of(bob.User).String()), "roles")
		refused(ctx, 400, owner.session, "PUT", path+"me/roles", with("organization-admin"), "roles")
		stranger := newPerson(ctx, newOrganization(ctx).Name, orgAdmin)
		refused(ctx, 404, admin.session, "PUT", path+stranger.Name+"/roles", with("organization-admin"))
		refused(ctx, 404, stranger.session, "PUT", path+bob.Name+"/roles", with())
	})

	It("V16: an administrator of one decides over nobody who has a role over the deployment, nor over itself", func(ctx SpecContext) {
		for _, r := range []v1alpha1.SiteRole{v1alpha1.SiteRoleOwner, v1alpha1.SiteRoleUserAdmin, v1alpha1.SiteRoleTemplateAdmin, v1alpha1.SiteRoleAuditor} {
			stronger := given.User(unique("strong"), role(r), func(u *v1alpha1.User) {
				u.Spec.Memberships = []v1alpha1.Membership{{Organization: v1alpha1.ObjectName(o.Name), Roles: []v1alpha1.OrganizationRole{v1alpha1.OrganizationRoleAdmin}}}
			})
			Expect(env.Client.Create(ctx, stronger)).To(Succeed())
			DeferCleanup(func(ctx SpecContext) { Expect(env.Client.Delete(ctx, stronger)).To(Succeed()) })
			Eventually(func() int { return ask(ctx, owner.session, "GET", "/api/v2/users/"+stronger.Name, nil).Status }).WithTimeout(30 * time.Second).Should(Equal(200))
			for _, d := range []door{admin.session, admin.aggregated} {
				refused(ctx, 403, d, "PUT", "organizations/"+o.Name+"/members/"+stronger.Name+"/roles", codersdk.UpdateRoles{})
			}
		}
		for _, who := range []*person{admin, ada} {
			for _, d := range []door{who.session, who.aggregated} {
				refused(ctx, 403, d, "PUT", "organizations/"+o.Name+"/members/me/roles", codersdk.UpdateRoles{Roles: []string{"organization-admin"}})
			}
		}
	})
})
