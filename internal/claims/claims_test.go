// SPDX-License-Identifier: Apache-2.0

package claims_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/internal/claims"
	"github.com/berth-dev/berth/internal/testing/cluster"
)

// live is the control plane of this package's tests.
var live *cluster.Cluster

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if live, err = cluster.Start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		code := m.Run()
		if err := live.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return code
	}())
}

// fresh are claims in a namespace of their own, and the clock that they go by.
func fresh(t *testing.T) (*claims.Claims, *testclock.FakePassiveClock) {
	t.Helper()
	n := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "claims-"}}
	if err := live.Client.Create(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	now := testclock.NewFakePassiveClock(time.Now())
	return &claims.Claims{Client: live.Client, Live: live.Client, Namespace: n.Name, Clock: now}, now
}

// stale reads as a cache does that has not yet seen anything.
type stale struct{ client.Client }

func (stale) Get(_ context.Context, key client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
	return apierrors.NewNotFound(coordinationv1.Resource("leases"), key.Name)
}

func TestOneOfManyGetsAName(t *testing.T) {
	c, _ := fresh(t)
	c.Client = stale{live.Client} // the worst case: nobody's cache knows of anybody
	const racers = 20
	errs := make([]error, racers)
	var all sync.WaitGroup
	for i := range racers {
		all.Go(func() {
			value := []string{"Ada", "ada", "ADA"}[i%3]
			errs[i] = c.Hold(t.Context(), claims.Claim{Kind: claims.Username, Value: value}, claims.Holder{Name: fmt.Sprintf("u%d", i), UID: types.UID(fmt.Sprint(i))})
		})
	}
	all.Wait()
	won, lost := 0, 0
	for _, err := range errs {
		var taken *claims.Taken
		switch {
		case err == nil:
			won++
		case errors.As(err, &taken):
			lost++
		default:
			t.Errorf("a racer got no answer: %v", err)
		}
	}
	if won != 1 || lost != racers-1 {
		t.Errorf("%d won and %d lost, want 1 and %d", won, lost, racers-1)
	}
}

func TestHold(t *testing.T) {
	ada, eve := claims.Holder{Name: "ada", UID: "1"}, claims.Holder{Name: "eve", UID: "2"}
	reserved := claims.Holder{Name: "ada"}
	for name, test := range map[string]struct {
		before    []claims.Holder
		later     time.Duration
		holder    claims.Holder
		wantTaken bool
	}{
		"a free name":                                   {holder: ada},
		"one's own name again":                          {before: []claims.Holder{ada}, holder: ada},
		"another's name":                                {before: []claims.Holder{ada}, holder: eve, wantTaken: true},
		"a name reserved for oneself":                   {before: []claims.Holder{reserved}, holder: ada},
		"a name reserved for another":                   {before: []claims.Holder{reserved}, holder: eve, wantTaken: true},
		"a name of an earlier bearer of one's own name": {before: []claims.Holder{{Name: "ada", UID: "0"}}, holder: ada},
		"a reservation beside one of the same name":     {before: []claims.Holder{reserved}, holder: reserved, wantTaken: true},
		"a reservation that is over":                    {before: []claims.Holder{reserved}, later: 2 * claims.Pending, holder: reserved},
		"a reservation where the User is there already": {before: []claims.Holder{ada}, later: 2 * claims.Pending, holder: reserved, wantTaken: true},
	} {
		t.Run(name, func(t *testing.T) {
			c, now := fresh(t)
			claim := claims.Claim{Kind: claims.Email, Value: "ada@example.org"}
			for _, h := range test.before {
				if err := c.Hold(t.Context(), claim, h); err != nil {
					t.Fatal(err)
				}
			}
			now.SetTime(now.Now().Add(test.later))
			var taken *claims.Taken
			err := c.Hold(t.Context(), claim, test.holder)
			if got := errors.As(err, &taken); got != test.wantTaken || err != nil && !got {
				t.Errorf("Hold: %v, want taken %v", err, test.wantTaken)
			}
		})
	}
}

func TestReleaseGivesBackAReservationOnly(t *testing.T) {
	c, _ := fresh(t)
	claim := claims.Claim{Kind: claims.FirstUser}
	ada := claims.Holder{Name: "ada"}
	if err := c.Hold(t.Context(), claim, ada); err != nil {
		t.Fatal(err)
	}
	if err := c.Release(t.Context(), claim, claims.Holder{Name: "eve"}); err != nil {
		t.Fatal(err)
	}
	if err := c.Hold(t.Context(), claim, claims.Holder{Name: "eve"}); err == nil {
		t.Error("eve gave ada's reservation back")
	}
	if err := c.Release(t.Context(), claim, ada); err != nil {
		t.Fatal(err)
	}
	if err := c.Hold(t.Context(), claim, claims.Holder{Name: "ada", UID: "1"}); err != nil {
		t.Fatal(err)
	}
	if err := c.Release(t.Context(), claim, ada); err != nil {
		t.Fatal(err)
	}
	if err := c.Hold(t.Context(), claim, claims.Holder{Name: "eve"}); err == nil {
		t.Error("what has become a User's was given back")
	}
}

// A claim's name depends on what is claimed alone, and no two claims share one, however they are spelt.
func TestAdvisory_V26_NamesOfClaimsAreInjective(t *testing.T) {
	seen := map[string]claims.Claim{}
	for _, kind := range []claims.Kind{claims.Username, claims.Email, claims.FirstUser, "user", "username-a"} {
		for _, value := range []string{"", "a", "a--b", "a-b", "-a", "a\x00b", "a/b", "A@b", "name", "email\x00a"} {
			claim := claims.Claim{Kind: kind, Value: value}
			if other, ok := seen[claim.Name()]; ok {
				t.Errorf("%q and %q are both %s", claim, other, claim.Name())
			}
			seen[claim.Name()] = claim
		}
	}
	upper, lower := claims.Claim{Kind: claims.Email, Value: "Ada@Example.ORG"}, claims.Claim{Kind: claims.Email, Value: "ada@example.org"}
	if upper.Name() != lower.Name() {
		t.Error("capitals make an address another one")
	}
}

// Who met a reservation and did not find its User takes nothing away from a User that came in between.
func TestAbandon(t *testing.T) {
	c, now := fresh(t)
	claim, reserved, held := claims.Claim{Kind: claims.Email, Value: "ada@example.org"}, claims.Holder{Name: "ada"}, claims.Holder{Name: "ada", UID: "1"}
	holds := func(step string, want bool) {
		t.Helper()
		err := c.Hold(t.Context(), claim, claims.Holder{Name: "eve"})
		var taken *claims.Taken
		if have := errors.As(err, &taken); have != want || err != nil && !have {
			t.Fatalf("%s: %v", step, err)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(c.Hold(t.Context(), claim, reserved))
	must(c.Abandon(t.Context(), claim, reserved))
	holds("a reservation that is not over", true)
	must(c.Hold(t.Context(), claim, held))
	must(c.Abandon(t.Context(), claim, reserved))
	holds("a User's, once it was read as a reservation", true)
	now.SetTime(now.Now().Add(2 * claims.Pending))
	must(c.Abandon(t.Context(), claim, reserved))
	holds("the same, later", true)
	must(c.Abandon(t.Context(), claim, held))
	holds("that of a User who is gone", false)
}
