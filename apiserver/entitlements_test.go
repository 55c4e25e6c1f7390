// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver"
)

var _ = Describe("Entitlements", func() {
	It("are what this server has and what its settings turn on, and count who is active", func(ctx SpecContext) {
		o := newOrganization(ctx)
		ada, owner := newPerson(ctx, o.Name), newPerson(ctx, o.Name, role(v1alpha1.SiteRoleOwner))
		now := time.Now()
		for _, d := range []door{ada.session, ada.aggregated} {
			e := got[codersdk.Entitlements](ctx, 200, d, "GET", "entitlements", nil)
			Expect(e.HasLicense).To(BeTrue(), "clients offer nothing otherwise")
			Expect([]bool{e.Trial, e.RequireTelemetry}).To(Equal([]bool{false, false}))
			Expect(e.Features["scim"]).To(Equal(codersdk.Feature{Entitlement: "entitled", Enabled: true}), "there is a key")
			Expect(e.Features["multiple_external_auth"]).To(Equal(codersdk.Feature{Entitlement: "entitled"}))
			Expect(e.Features["user_role_management"]).To(Equal(codersdk.Feature{Entitlement: "entitled"}))
			Expect(e.Features["workspace_proxy"]).To(Equal(codersdk.Feature{Entitlement: "not_entitled"}))
			Expect(e.RefreshedAt).To(BeTemporally("~", now, time.Minute))
			Expect(string(ask(ctx, d, "GET", "/api/v2/entitlements", nil).Body)).To(And(ContainSubstring(`"warnings":[]`), ContainSubstring(`"errors":[]`)))
		}
		other := start(func(o *apiserver.Options) { o.SCIMKeyFile = "" })
		e := got[codersdk.Entitlements](ctx, 200, sessionAt(other, owner.session.header.Get("Coder-Session-Token")), "GET", "entitlements", nil)
		Expect(e.Features["scim"]).To(Equal(codersdk.Feature{Entitlement: "entitled"}), "there is no key")

		By("people, of whom the suspended and those who have not been there for long do not count")
		active := func(g Gomega) {
			counted := got[codersdk.Entitlements](ctx, 200, owner.session, "GET", "entitlements", nil).Features["user_limit"]
			listed := got[codersdk.GetUsersResponse](ctx, 200, owner.session, "GET", "users?q=status:active&limit=1", nil)
			g.Expect(counted.Limit).To(BeNil())
			g.Expect(counted.Actual).To(HaveValue(BeEquivalentTo(listed.Count)))
			g.Expect(listed.Count).To(BeNumerically(">=", 1))
		}
		Eventually(active).WithTimeout(20 * time.Second).Should(Succeed())
		got[codersdk.User](ctx, 200, owner.session, "PUT", "users/"+ada.Name+"/status/suspend", nil)
		Eventually(active).WithTimeout(20 * time.Second).Should(Succeed())
	})

	It("need no licence: there is none, none is taken, and what was sent is not repeated", func(ctx SpecContext) {
		owner := newPerson(ctx, newOrganization(ctx).Name, role(v1alpha1.SiteRoleOwner))
		for _, d := range []door{owner.session, owner.aggregated} {
			Expect(ask(ctx, d, "GET", "/api/v2/licenses", nil).Body).To(MatchJSON(`[]`))
			a := ask(ctx, d, "POST", "/api/v2/licenses", codersdk.AddLicenseRequest{License: "eyJ-worth-money"})
			Expect(a.Status).To(Equal(http.StatusBadRequest))
			Expect(string(a.Body)).NotTo(ContainSubstring("eyJ-worth-money"))
			Expect(a.Message()).To(ContainSubstring("without a licence"))
			refused(ctx, 400, d, "POST", "licenses", codersdk.AddLicenseRequest{License: "x"}, "license")
			refused(ctx, 400, d, "POST", "licenses", codersdk.AddLicenseRequest{}, "license")
			Expect(got[codersdk.Response](ctx, 201, d, "POST", "licenses/refresh-entitlements", nil).Message).NotTo(BeEmpty())
			refused(ctx, 404, d, "DELETE", "licenses/1", nil)
			for _, odd := range []string{"one", "1.5", "99999999999"} {
				refused(ctx, 400, d, "DELETE", "licenses/"+odd, nil, "id")
			}
		}
	})
})
