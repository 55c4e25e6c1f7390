// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/util/rand"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/internal/claims"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/testing/given"
)

// person stores a User, and waits until the cache has it.
func person(ctx context.Context, change ...func(*v1alpha1.User)) *v1alpha1.User {
	GinkgoHelper()
	u := given.User("user-"+rand.String(6), change...)
	Expect(env.Client.Create(ctx, u)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) { Expect(client.IgnoreNotFound(env.Client.Delete(ctx, u))).To(Succeed()) })
	Eventually(func() error { _, err := objects.User(ctx, u.Name); return err }).WithTimeout(30 * time.Second).Should(Succeed())
	return u
}

func anOwner(u *v1alpha1.User) { u.Spec.Roles = []v1alpha1.SiteRole{v1alpha1.SiteRoleOwner} }

var _ = Describe("The last owner", Ordered, func() {
	ways := map[string]func(context.Context, *v1alpha1.User) error{
		"demoted": func(ctx context.Context, u *v1alpha1.User) error {
			_, err := objects.ChangeStanding(ctx, u, func(u *v1alpha1.User) error {
				u.Spec.Roles = nil
				return nil
			})
			return err
		},
		"suspended": func(ctx context.Context, u *v1alpha1.User) error {
			_, err := objects.ChangeStanding(ctx, u, func(u *v1alpha1.User) error {
				u.Spec.Suspended = true
				return nil
			})
			return err
		},
		"deleted": func(ctx context.Context, u *v1alpha1.User) error { return objects.DeleteUser(ctx, u) },
	}
	for one, first := range ways {
		It("V16: can't be "+one+", whoever else is suspended, nor two at once", func(ctx SpecContext) {
			a := person(ctx, anOwner)
			person(ctx, anOwner, func(u *v1alpha1.User) { u.Spec.Suspended = true })
			err := first(ctx, a)
			Expect(fault.Is(err, fault.Invalid)).To(BeTrue(), "%v", err)
			for other, second := range ways {
				b := person(ctx, anOwner)
				var race sync.WaitGroup
				outcomes := make([]error, 2)
				race.Go(func() { outcomes[0] = first(ctx, a) })
				race.Go(func() { outcomes[1] = second(ctx, b) })
				race.Wait()
				Expect(outcomes).To(ConsistOf(BeNil(), MatchError(ContainSubstring("is the last owner"))), "%s beside %s", one, other)
				if outcomes[0] == nil {
					a = b
				}
			}
		})
	}
})

var _ = Describe("A new User", func() {
	It("takes over what a server that died half way has reserved, when that is over, and not before", func(ctx SpecContext) {
		name := "half-" + rand.String(6)
		wish := store.NewUser{Username: name, Email: name + "@example.org", LoginType: v1alpha1.LoginTypeNone, Organization: "platform", CreatedBy: "ada"}
		reserve := func(email string, at time.Time) {
			c := &claims.Claims{Client: env.Client, Live: env.Client, Namespace: "default", Clock: clocktesting.NewFakePassiveClock(at)}
			Expect(c.Hold(ctx, claims.Claim{Kind: claims.Email, Value: email}, claims.Holder{Name: "died-" + name})).To(Succeed())
		}
		reserve(wish.Email, time.Now())
		_, err := objects.CreateUser(ctx, wish)
		Expect(fault.Is(err, fault.Conflict)).To(BeTrue(), "%v", err)
		wish.Email = "b" + wish.Email
		reserve(wish.Email, time.Now().Add(-2*claims.Pending))
		u, err := objects.CreateUser(ctx, wish)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func(ctx SpecContext) { Expect(env.Client.Delete(ctx, u)).To(Succeed()) })
		Expect(u.Name).To(Equal(name))
		Expect(u.Spec.Roles).To(BeEmpty())
	})

	It("whose password can't be set is not there, and its names are free", func(ctx SpecContext) {
		name := "none-" + rand.String(6)
		wish := store.NewUser{Username: name, Email: name + "@example.org", LoginType: v1alpha1.LoginTypePassword, Organization: "platform", CreatedBy: "ada"}
		wish.SetPassword = func(context.Context, *v1alpha1.User) error { return fault.New(fault.Unavailable, "Not now.") }
		_, err := objects.CreateUser(ctx, wish)
		Expect(fault.Is(err, fault.Unavailable)).To(BeTrue(), "%v", err)
		Expect(client.IgnoreNotFound(env.Client.Get(ctx, client.ObjectKey{Name: name}, &v1alpha1.User{}))).To(Succeed())
		wish.SetPassword = nil
		u, err := objects.CreateUser(ctx, wish)
		Expect(err).NotTo(HaveOccurred())
		Expect(env.Client.Delete(ctx, u)).To(Succeed())
	})
})
