// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/testing/idp"
)

var _ = Describe("The audit log of sign-ins at git hosts", func() {
	It("has who signed in and out there, by a browser and a device's code, who was refused, and not what was given", func(ctx SpecContext) {
		g, w := idp.NewGitHost(GinkgoTB()), newWorld(ctx)
		at := linking(g, &later{}, map[string]any{"device_flow": true, "device_code_url": g.URL + "/login/device/code"})
		auditor, d := w.auditor.at(at), w.member.at(at)
		is := func(a answer, status int, note string) {
			GinkgoHelper()
			Expect(a.Status).To(Equal(status), string(a.Body))
			found := entriesOf(ctx, auditor, a)
			Expect(found).To(HaveLen(1))
			e := found[0]
			Expect([]any{e.User.Username, e.Action, e.ResourceType, e.ResourceID, e.ResourceTarget, e.StatusCode}).To(Equal(
				[]any{w.member.WireName(), codersdk.AuditActionWrite, codersdk.ResourceTypeUser, ids.Of(w.member.User), w.member.WireName(), status}))
			Expect(e.Diff).To(HaveLen(1))
			Expect(e.Diff["external_auth.host"].Secret).To(BeTrue())
			Expect(additional(e)["note"]).To(Equal(note))
			text, err := json.Marshal(e)
			Expect(err).NotTo(HaveOccurred())
			Expect(string(text)).NotTo(ContainSubstring("canary"))
		}

		By("a browser")
		b := newBrowser(at)
		b.cookies["coder_session_token"] = w.member.session.header.Get("Coder-Session-Token")
		out := b.get(ctx, "/external-auth/host/callback")
		back := there(out)
		Expect(entriesOf(ctx, auditor, out)).To(BeEmpty(), "who sets out has done nothing yet")
		is(b.get(ctx, back), http.StatusTemporaryRedirect, "signed in at host")
		is(ask(ctx, d, "DELETE", "/api/v2/external-auth/host", nil), http.StatusOK, "signed out at host")

		By("a device")
		var device codersdk.ExternalAuthDevice
		ask(ctx, d, "GET", "/api/v2/external-auth/host/device", nil).JSON(&device)
		g.Enter(device.UserCode)
		is(ask(ctx, d, "POST", "/api/v2/external-auth/host/device", codersdk.ExternalAuthDeviceExchange{DeviceCode: device.DeviceCode}), http.StatusNoContent, "signed in at host")

		By("what was not begun in the browser that comes back")
		found := afterRefusal(ctx, auditor, func(network string) answer {
			another := newPerson(ctx, w.organization.Name).at(at).with("X-Forwarded-For", network)
			a := ask(ctx, another, "GET", "/external-auth/host/callback?code=x&state=y", nil)
			Expect(a.Status).To(Equal(http.StatusForbidden))
			return a
		})
		Expect([]any{found[0].Action, found[0].ResourceType, found[0].StatusCode, found[0].ResourceTarget}).To(Equal(
			[]any{codersdk.AuditActionWrite, codersdk.ResourceTypeUser, http.StatusForbidden, "host"}))
		Expect(found[0].Diff).To(BeEmpty())
		Expect(strings.Contains(env.stream.String(), "canary-access")).To(BeFalse())
	}, NodeTimeout(3*time.Minute))
})
