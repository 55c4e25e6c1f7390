// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/testing/given"
)

// crowd is how many clients change one thing at once, over two servers and both doors.
const crowd = 50

var _ = Describe("A crowd that changes one thing at once", Ordered, func() {
	var w *world
	var other *running

	BeforeAll(func(ctx SpecContext) {
		w = newWorld(ctx)
		other = start()
	})

	// doors are the ways of a person to both servers. Through the kube-apiserver it is the first one.
	doors := func(p *person) []door {
		second := p.session
		second.base = sessionAt(other, "").base
		return []door{p.session, second, p.aggregated}
	}
	// all does something for each of the crowd, and waits for all.
	all := func(do func(i int)) {
		var work sync.WaitGroup
		for i := range crowd {
			work.Go(func() {
				defer GinkgoRecover()
				do(i)
			})
		}
		work.Wait()
	}
	// insists asks until nobody else's change was in the way.
	insists := func(ctx context.Context, d door, method, path string, body any) answer {
		for {
			a := ask(ctx, d, method, path, body)
			if a.Status != http.StatusConflict || ctx.Err() != nil {
				return a
			}
		}
	}

	It("a group: whoever was added is in it, and whoever was taken out is not", func(ctx SpecContext) {
		people := make([]*v1alpha1.User, crowd)
		all(func(i int) {
			people[i] = given.User(unique("one"), func(u *v1alpha1.User) {
				u.Spec.Memberships = []v1alpha1.Membership{{Organization: v1alpha1.ObjectName(w.organization.Name)}}
			})
			Expect(env.Client.Create(ctx, people[i])).To(Succeed())
		})
		group := got[codersdk.Group](ctx, 201, w.owner.session, "POST", "organizations/"+w.organization.Name+"/groups", codersdk.CreateGroupRequest{Name: "crowd"})
		path := "/api/v2/groups/" + group.ID.String()
		for _, d := range doors(w.owner) {
			for _, u := range people {
				Eventually(func() int { return ask(ctx, d, "GET", "/api/v2/users/"+u.Name, nil).Status }).WithTimeout(60 * time.Second).Should(Equal(200))
			}
			Eventually(func() int { return ask(ctx, d, "GET", path, nil).Status }).WithTimeout(30 * time.Second).Should(Equal(200))
		}
		members := func() (names []string) {
			for _, m := range got[codersdk.Group](ctx, 200, w.owner.session, "GET", "groups/"+group.ID.String(), nil).Members {
				names = append(names, m.Username)
			}
			return names
		}
		ways := doors(w.owner)
		all(func(i int) {
			a := insists(ctx, ways[i%len(ways)], "PATCH", path, codersdk.PatchGroupRequest{AddUsers: []string{ids.Of(people[i]).String()}})
			Expect(a.Status).To(Equal(200), string(a.Body))
		})
		var names []any
		for _, u := range people {
			names = append(names, u.Name)
		}
		Eventually(members).WithTimeout(30 * time.Second).Should(ConsistOf(names...))

		By("half of them going while the others' client says something else of the group")
		all(func(i int) {
			allowance := i
			change := codersdk.PatchGroupRequest{QuotaAllowance: &allowance}
			if i%2 == 0 {
				change = codersdk.PatchGroupRequest{RemoveUsers: []string{ids.Of(people[i]).String()}}
			}
			a := insists(ctx, ways[i%len(ways)], "PATCH", path, change)
			Expect(a.Status).To(Equal(200), string(a.Body))
		})
		var stay []any
		for i, name := range names {
			if i%2 == 1 {
				stay = append(stay, name)
			}
		}
		Eventually(members).WithTimeout(30 * time.Second).Should(ConsistOf(stay...))
	})

	It("a user: no change of one field takes back another's", func(ctx SpecContext) {
		ways := doors(w.member)
		path := "/api/v2/users/" + w.member.Name
		var mu sync.Mutex
		accepted := map[string][]string{}
		all(func(i int) {
			what, method, rest, body, value := "", "PUT", "", any(nil), ""
			switch i % 3 {
			case 0:
				value = fmt.Sprintf("theme-%d", i)
				what, rest, body = "theme", "/appearance", codersdk.UpdateUserAppearanceSettingsRequest{ThemePreference: value}
			case 1:
				value = fmt.Sprintf("The Member of %d", i)
				what, rest, body = "name", "/profile", codersdk.UpdateUserProfileRequest{Username: w.member.Name, Name: &value}
			case 2:
				value = fmt.Sprintf("CRON_TZ=Europe/Zurich %d 3 * * *", i)
				what, rest, body = "quiet hours", "/quiet-hours", codersdk.UpdateUserQuietHoursScheduleRequest{Schedule: value}
			}
			a := insists(ctx, ways[(i/3)%len(ways)], method, path+rest, body)
			Expect(a.Status).To(Equal(200), string(a.Body))
			mu.Lock()
			accepted[what] = append(accepted[what], value)
			mu.Unlock()
		})
		u := live(ctx, w.member.Name)
		Expect(accepted["theme"]).To(ContainElement(u.Spec.ThemePreference))
		Expect(accepted["name"]).To(ContainElement(u.Spec.DisplayName))
		shown := got[codersdk.UserQuietHoursScheduleResponse](ctx, 200, w.member.session, "GET", "users/"+w.member.Name+"/quiet-hours", nil)
		Expect(accepted["quiet hours"]).To(ContainElement(shown.RawSchedule))
		Expect(u.Spec.Memberships).To(Equal(w.member.Spec.Memberships))
		Expect(u.Spec.Subjects).To(Equal(w.member.Spec.Subjects))
	})

	It("one person's keys: what was made opens, and what was ended does not", func(ctx SpecContext) {
		ways := doors(w.peer)[:2] // making a key is for sessions
		made := make([]string, crowd)
		makeToken := func(i int) {
			a := insists(ctx, ways[i%2], "POST", "/api/v2/users/me/keys/tokens", codersdk.CreateTokenRequest{TokenName: fmt.Sprintf("token-%d", i)})
			Expect(a.Status).To(Equal(201), string(a.Body))
			var key codersdk.GenerateAPIKeyResponse
			a.JSON(&key)
			made[i] = key.Key
		}
		all(makeToken)
		opens := func(token string) func() int { return func() int { return me(ctx, session(token)) } }
		for _, token := range made {
			Eventually(opens(token)).WithTimeout(30 * time.Second).Should(Equal(200))
		}
		By("ending half of them while they are used and others are made")
		ended := slices.Clone(made)
		var further sync.WaitGroup
		sessions := make([]string, 10)
		for i := range sessions {
			further.Go(func() {
				defer GinkgoRecover()
				a := insists(ctx, ways[i%2], "POST", "/api/v2/users/me/keys", nil)
				Expect(a.Status).To(Equal(201), string(a.Body))
				var key codersdk.GenerateAPIKeyResponse
				a.JSON(&key)
				sessions[i] = key.Key
			})
		}
		all(func(i int) {
			if i%2 == 1 {
				Expect(me(ctx, session(ended[i]))).To(Equal(200))
				return
			}
			id, _, _ := strings.Cut(ended[i], "-")
			Eventually(func() int { return ask(ctx, ways[i/2%2], "DELETE", "/api/v2/users/me/keys/"+id, nil).Status }).
				WithTimeout(30 * time.Second).Should(Equal(204)) // the second server learns of a key a moment later
		})
		further.Wait()
		for _, r := range []*running{env.server, other} {
			for i, token := range ended {
				want := 200
				if i%2 == 0 {
					want = 401
				}
				Eventually(func() int { return me(ctx, sessionAt(r, token)) }).WithTimeout(30*time.Second).Should(Equal(want), "%d", i)
			}
			for _, token := range sessions {
				Eventually(func() int { return me(ctx, sessionAt(r, token)) }).WithTimeout(30 * time.Second).Should(Equal(200))
			}
		}
		keys, err := credentials.New(env.Client, namespace, time.Now).Keys(ctx, ids.Of(w.peer.User))
		Expect(err).NotTo(HaveOccurred())
		Expect(keys).To(HaveLen(crowd/2+len(sessions)+1), "and the one that it was done with")
	})
})
