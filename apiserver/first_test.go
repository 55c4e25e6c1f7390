// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/claims"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/testing/given"
)

const firstPassword = "correct horse battery"

func first(name string) codersdk.CreateFirstUserRequest {
	return codersdk.CreateFirstUserRequest{Email: name + "@Example.org", Username: name, Password: firstPassword}
}

// owners are the Users with the role, live.
func owners(ctx context.Context) []v1alpha1.User {
	GinkgoHelper()
	var users v1alpha1.UserList
	Expect(env.Client.List(ctx, &users)).To(Succeed())
	return slices.DeleteFunc(users.Items, func(u v1alpha1.User) bool { return !slices.Contains(u.Spec.Roles, v1alpha1.SiteRoleOwner) })
}

var _ = Describe("The first user", Ordered, func() {
	var organization *v1alpha1.Organization

	BeforeAll(func(ctx SpecContext) {
		organization = given.Organization(unique("home"), func(o *v1alpha1.Organization) { o.Spec.Default = true })
		Expect(env.Client.Create(ctx, organization)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(env.Client.Delete(ctx, organization)).To(Succeed()) })
	})

	BeforeEach(func(ctx SpecContext) {
		Expect(env.Client.DeleteAllOf(ctx, &v1alpha1.User{})).To(Succeed())
		// No manager runs here, which would free the names of those who are gone.
		Expect(env.Client.DeleteAllOf(ctx, &coordinationv1.Lease{}, client.InNamespace(namespace))).To(Succeed())
		Eventually(func() int { return ask(ctx, session(""), "GET", "/api/v2/users/first", nil).Status }).Should(Equal(http.StatusNotFound))
	})

	create := func(ctx context.Context, d door, in codersdk.CreateFirstUserRequest) answer {
		GinkgoHelper()
		return ask(ctx, d, "POST", "/api/v2/users/first", in)
	}

	It("becomes owner and administrator of the default organization, signs in and is known", func(ctx SpecContext) {
		Expect(ask(ctx, session(""), "GET", "/api/v2/users/first", nil).Message()).To(Equal("The initial user has not been created!"))
		made := create(ctx, session(""), first("Root"))
		Expect(made.Status).To(Equal(http.StatusCreated), string(made.Body))
		var response codersdk.CreateFirstUserResponse
		made.JSON(&response)
		Expect(response.OrganizationID).To(Equal(ids.Of(organization)))
		Expect(ask(ctx, session(""), "GET", "/api/v2/users/first", nil).Status).To(Equal(http.StatusOK))
		Expect(create(ctx, session(""), first("Second")).Status).To(Equal(http.StatusConflict))

		in := ask(ctx, session(""), "POST", "/api/v2/users/login", codersdk.LoginWithPasswordRequest{Email: "ROOT@example.org", Password: firstPassword})
		Expect(in.Status).To(Equal(http.StatusCreated), string(in.Body))
		var token codersdk.LoginWithPasswordResponse
		in.JSON(&token)
		var me codersdk.User
		ask(ctx, session(token.SessionToken), "GET", "/api/v2/users/me", nil).JSON(&me)
		Expect(me.ID).To(Equal(response.UserID))
		Expect(me.Username).To(Equal("Root"))
		Expect(me.Roles).To(Equal([]codersdk.Role{{Name: "owner", DisplayName: "Owner"}}))
		Expect(me.OrganizationIDs).To(Equal([]uuid.UUID{response.OrganizationID}))
		for _, name := range []string{"rOOt", me.ID.String()} {
			Expect(ask(ctx, session(token.SessionToken), "GET", "/api/v2/users/"+name, nil).Status).To(Equal(http.StatusOK), name)
		}
		Eventually(func() codersdk.UserStatus {
			ask(ctx, session(token.SessionToken), "GET", "/api/v2/users/me", nil).JSON(&me)
			return me.Status
		}).Should(Equal(codersdk.UserStatusActive), "signing in wakes an account")

		stored := owners(ctx)
		Expect(stored).To(HaveLen(1))
		Expect(stored[0].Name).To(Equal("root"))
		Expect(stored[0].Spec.Memberships).To(Equal([]v1alpha1.Membership{{
			Organization: v1alpha1.ObjectName(organization.Name), Roles: []v1alpha1.OrganizationRole{v1alpha1.OrganizationRoleAdmin},
		}}))
		secrets := &corev1.SecretList{}
		Expect(env.Client.List(ctx, secrets, client.InNamespace(namespace), client.MatchingLabels{credentials.LabelKind: credentials.KindUser})).To(Succeed())
		data, err := json.Marshal(secrets)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(data)).NotTo(ContainSubstring(firstPassword))
		Expect(string(data)).NotTo(ContainSubstring(token.SessionToken))
		for _, secret := range []string{firstPassword, token.SessionToken, token.SessionToken[11:]} {
			Expect(env.log.String()).NotTo(ContainSubstring(secret))
		}
	})

	It("H 34: is one, however many ask both replicas at once", func(ctx SpecContext) {
		other := start()
		Eventually(func() int { return ask(ctx, sessionAt(other, ""), "GET", "/api/v2/users/first", nil).Status }).Should(Equal(http.StatusNotFound))
		const racers = 12
		statuses := make([]int, racers)
		var race sync.WaitGroup
		for i := range racers {
			race.Go(func() {
				defer GinkgoRecover()
				at := session("")
				if i%2 == 0 {
					at = sessionAt(other, "")
				}
				statuses[i] = create(ctx, at, first(fmt.Sprintf("racer%d", i))).Status
			})
		}
		race.Wait()
		slices.Sort(statuses)
		Expect(statuses[0]).To(Equal(http.StatusCreated))
		Expect(statuses[1:]).To(HaveEach(http.StatusConflict))
		Expect(owners(ctx)).To(HaveLen(1))
		var users v1alpha1.UserList
		Expect(env.Client.List(ctx, &users)).To(Succeed())
		Expect(users.Items).To(HaveLen(1), "losers leave nothing behind")
	})

	It("can be made again after a server died half way", func(ctx SpecContext) {
		died := time.Now().Add(-2 * claims.Pending)
		stale := &claims.Claims{Client: env.Client, Live: env.Client, Namespace: namespace, Clock: clocktesting.NewFakePassiveClock(died)}
		for _, claim := range []claims.Claim{{Kind: claims.FirstUser}, {Kind: claims.Username, Value: "ada"}, {Kind: claims.Email, Value: "ada@example.org"}} {
			Expect(stale.Hold(ctx, claim, claims.Holder{Name: "ada"})).To(Succeed())
		}
		half := given.User("ada", func(u *v1alpha1.User) {
			u.Annotations = map[string]string{"berth.dev/becoming-first-user": died.UTC().Format(time.RFC3339Nano)}
			u.Spec.LoginType = v1alpha1.LoginTypePassword
		})
		Expect(env.Client.Create(ctx, half)).To(Succeed())
		Expect(ask(ctx, session(""), "GET", "/api/v2/users/first", nil).Status).To(Equal(http.StatusNotFound), "nobody can administer yet")
		made := create(ctx, session(""), first("Grace"))
		Expect(made.Status).To(Equal(http.StatusCreated), string(made.Body))
		Expect(apierrors.IsNotFound(env.Client.Get(ctx, client.ObjectKeyFromObject(half), half))).To(BeTrue(), "what was half made is gone")
		Expect(owners(ctx)).To(HaveLen(1))
	})

	It("waits for one who is being made at this moment", func(ctx SpecContext) {
		now := &claims.Claims{Client: env.Client, Live: env.Client, Namespace: namespace, Clock: clocktesting.NewFakePassiveClock(time.Now())}
		Expect(now.Hold(ctx, claims.Claim{Kind: claims.FirstUser}, claims.Holder{Name: "ada"})).To(Succeed())
		Expect(create(ctx, session(""), first("Grace")).Status).To(Equal(http.StatusConflict))
		Expect(owners(ctx)).To(BeEmpty())
	})

	It("needs a default organization, and says how to make one", func(ctx SpecContext) {
		patch := func(ctx context.Context, value string) {
			GinkgoHelper()
			Expect(env.Client.Patch(ctx, organization, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"default":`+value+`}}`)))).To(Succeed())
		}
		patch(ctx, "false")
		DeferCleanup(func(ctx SpecContext) { patch(ctx, "true") })
		a := create(ctx, session(""), first("Root"))
		Expect(a.Status).To(Equal(http.StatusConflict))
		Expect(string(a.Body)).To(ContainSubstring("kind: Organization"))
		Expect(owners(ctx)).To(BeEmpty())
	})

	It("is refused with the name of the field, and nothing is half made", func(ctx SpecContext) {
		for name, c := range map[string]struct {
			in        codersdk.CreateFirstUserRequest
			wantField string
		}{
			"a short password":     {codersdk.CreateFirstUserRequest{Email: "a@b.org", Username: "a", Password: "short"}, "password"},
			"a long password":      {codersdk.CreateFirstUserRequest{Email: "a@b.org", Username: "a", Password: string(make([]byte, 65))}, "password"},
			"no address":           {codersdk.CreateFirstUserRequest{Email: "ada", Username: "a", Password: firstPassword}, "email"},
			"a name with dots":     {codersdk.CreateFirstUserRequest{Email: "a@b.org", Username: "../a", Password: firstPassword}, "username"},
			"a name of two dashes": {codersdk.CreateFirstUserRequest{Email: "a@b.org", Username: "a--b", Password: firstPassword}, "username"},
			"a word of paths":      {codersdk.CreateFirstUserRequest{Email: "a@b.org", Username: "Me", Password: firstPassword}, "username"},
		} {
			a := create(ctx, session(""), c.in)
			Expect(a.Status).To(Equal(http.StatusBadRequest), name)
			var refusal codersdk.Response
			a.JSON(&refusal)
			Expect(refusal.Validations).To(HaveLen(1), name)
			Expect(refusal.Validations[0].Field).To(Equal(c.wantField), name)
			Expect(string(a.Body)).NotTo(ContainSubstring(firstPassword))
		}
		var users v1alpha1.UserList
		Expect(env.Client.List(ctx, &users)).To(Succeed())
		Expect(users.Items).To(BeEmpty())
	})
})
