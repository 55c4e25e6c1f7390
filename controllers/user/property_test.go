// SPDX-License-Identifier: Apache-2.0

package user_test

import (
	"fmt"
	"math/rand/v2"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/testing/given"
)

var _ = Describe("claims of names", func() {
	It("V 47: follow from the present Users alone, whatever happened before", func(ctx SpecContext) {
		d := sit(ctx)
		random := rand.New(rand.NewPCG(uint64(GinkgoRandomSeed()), 7))
		names := []string{"ada", "Ada", "eve", "EVE", "bob"}
		there := map[string]*v1alpha1.User{}
		gone := map[string]*v1alpha1.User{}
		for step := range 30 {
			name := fmt.Sprintf("u%d", random.IntN(4))
			u := there[name]
			pick := names[random.IntN(len(names))]
			switch {
			case u == nil:
				u = given.User(name, func(u *v1alpha1.User) {
					u.Spec.Username, u.Spec.Email = v1alpha1.WireName(pick), names[random.IntN(len(names))]+"@example.org"
				})
				create(ctx, u)
				there[name] = u
				delete(gone, name)
			case random.IntN(3) == 0:
				Expect(env.Client.Delete(ctx, u)).To(Succeed())
				delete(there, name)
				gone[name] = u
			default:
				Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(u), u)).To(Succeed())
				u.Spec.Username = v1alpha1.WireName(pick)
				Expect(env.Client.Update(ctx, u)).To(Succeed())
			}
			// What the watches would bring: everybody is looked at until nobody has anything to do.
			for range 2 {
				for _, u := range gone {
					d.settle(ctx, u)
				}
				for _, u := range there {
					d.settle(ctx, u)
				}
			}

			held := d.claimed(ctx)
			uids := map[string]bool{}
			for _, u := range there {
				uids[string(u.UID)] = true
			}
			for claim, uid := range held {
				Expect(uids).To(HaveKey(uid), "step %d: %v is held by nobody", step, claim)
			}
			for _, u := range there {
				mine := held[username(strings.ToLower(u.WireName()))] == string(u.UID) && held[email(strings.ToLower(u.Spec.Email))] == string(u.UID)
				Expect(phase.IsReady(u)).To(Equal(mine), "step %d: %s", step, u.Name)
			}
			Expect(len(held)).To(BeNumerically("<=", 2*len(there)))
		}
	})
})
