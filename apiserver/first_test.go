// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/testing/given"
)

var _ = Describe("The first user", Ordered, func() {
	It("is made, signs in and is known", func(ctx SpecContext) {
		Expect(ask(ctx, session(""), "GET", "/api/v2/users/first", nil).Status).To(Equal(http.StatusNotFound))
		Expect(env.Client.Create(ctx, given.Organization("platform", func(o *v1alpha1.Organization) { o.Spec.Default = true }))).To(Succeed())
		var made answer
		Eventually(func() int {
			made = ask(ctx, session(""), "POST", "/api/v2/users/first", codersdk.CreateFirstUserRequest{Email: "Root@example.org", Username: "Root", Password: "correct horse"})
			return made.Status
		}).Should(Equal(http.StatusCreated))
		in := ask(ctx, session(""), "POST", "/api/v2/users/login", codersdk.LoginWithPasswordRequest{Email: "root@example.org", Password: "correct horse"})
		Expect(in.Status).To(Equal(http.StatusCreated), string(in.Body))
		var token codersdk.LoginWithPasswordResponse
		in.JSON(&token)
		me := ask(ctx, session(token.SessionToken), "GET", "/api/v2/users/me", nil)
		Expect(me.Status).To(Equal(http.StatusOK), string(me.Body))
		GinkgoWriter.Println(string(me.Body))
		Expect(ask(ctx, session(""), "GET", "/api/v2/users/first", nil).Status).To(Equal(http.StatusOK))
	})
})
