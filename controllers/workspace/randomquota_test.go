// SPDX-License-Identifier: Apache-2.0

package workspace_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ledger"
)

// budget is what the workspaces of a crowd may cost a day together. One costs three credits for each cpu while it runs, and
// one for its home.
const budget = 30

// crowd is several workspaces of one person, whose budget they can't all have, and what is done to them by chance.
type crowd struct {
	*world
	all    []*v1alpha1.Workspace
	faults *restless
	rand   *rand.Rand
	told   []string
}

func (c *crowd) say(format string, args ...any) {
	c.told = append(c.told, fmt.Sprintf(format, args...))
}

// act does one thing to one of them.
func (c *crowd) act(ctx context.Context) {
	GinkgoHelper()
	ws := c.all[c.rand.IntN(len(c.all))]
	read(ctx, ws)
	switch c.rand.IntN(8) {
	case 0, 1:
		word := []v1alpha1.RequestTransition{"Start", "Stop", "Restart"}[c.rand.IntN(3)]
		c.say("%s: request %s", ws.Name, word)
		c.asks(ctx, ws, word)
	case 2, 3:
		cpu := 1 + c.rand.IntN(7)
		c.say("%s: %d cpus and a restart", ws.Name, cpu)
		edit(ctx, ws, fmt.Sprintf(`{"spec":{"parameters":{"cpu":%d}}}`, cpu))
		c.asks(ctx, ws, v1alpha1.RequestRestart)
	case 4:
		cpu := 1 + c.rand.IntN(7)
		for _, b := range c.builds(ctx, ws) {
			if ws.Status.Build == nil || b.Spec.Number > ws.Status.Build.Number || ledger.InProgress(b) {
				return // a call would be refused at the door
			}
		}
		if ws.Status.Build == nil {
			return
		}
		c.say("%s: call with %d cpus", ws.Name, cpu)
		c.asked(ctx, ws, cpu)
	case 5:
		c.say("%s: its pod fails", ws.Name)
		for _, pod := range c.pods(ctx, ws) {
			if pod.DeletionTimestamp == nil && pod.Status.Phase == corev1.PodRunning {
				c.becomes(ctx, &pod, func(pod *corev1.Pod) { pod.Status.Phase = corev1.PodFailed })
			}
		}
	case 6:
		c.say("%s: its pod is deleted", ws.Name)
		for _, pod := range c.pods(ctx, ws) {
			c.kill(ctx, &pod)
		}
	case 7:
		c.say("some minutes pass")
		c.passes(5 * time.Minute)
	}
}

// works has the controllers work on all of them: one after the other while writes fail, and at the same time else.
func (c *crowd) works(ctx context.Context) {
	GinkgoHelper()
	var racing sync.WaitGroup
	for _, ws := range c.all {
		turn := func() {
			_, err := c.decides.Reconcile(ctx, request(ws))
			c.injected(err)
			_, err = c.acts.Reconcile(ctx, accepted(ctx, ws.DeepCopy()))
			c.injected(err)
		}
		if c.faults.oneIn > 0 {
			turn()
			c.safe(ctx)
			continue
		}
		racing.Go(func() {
			defer GinkgoRecover()
			turn()
		})
	}
	racing.Wait()
	c.safe(ctx)
}

// injected lets pass what restless has made up, and what one who was slower meets.
func (c *crowd) injected(err error) {
	GinkgoHelper()
	if err != nil && !strings.Contains(err.Error(), errLost.Error()) && !apierrors.IsInternalError(err) &&
		!apierrors.IsTooManyRequests(err) && !apierrors.IsConflict(err) {
		Fail(fmt.Sprintf("%v: %v", c.told, err))
	}
}

// safe is what holds at every moment: together they cost no more than the budget.
func (c *crowd) safe(ctx context.Context) {
	GinkgoHelper()
	sum, each := 0, []string{}
	for _, ws := range c.all {
		now := &v1alpha1.Workspace{}
		Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(ws), now)).To(Succeed())
		cost := 0
		if len(c.claims(ctx, now)) > 0 {
			cost = 1
		}
		if b := ledger.Accepted(now, c.builds(ctx, now)); ledger.Runs(b) {
			var cpu int
			Expect(json.Unmarshal(b.Spec.Parameters.Values["cpu"].Raw, &cpu)).To(Succeed())
			cost = 3*cpu + 1
		}
		sum += cost
		each = append(each, fmt.Sprintf("%s %d", ws.Name, cost))
	}
	Expect(sum).To(BeNumerically("<=", budget), "%v: %v", c.told, each)
}

// stalledBy is the reason for which a workspace is Stalled; empty when it is not.
func stalledBy(ws *v1alpha1.Workspace) string {
	if c := meta.FindStatusCondition(ws.Status.Conditions, v1alpha1.ConditionStalled); c != nil {
		return c.Reason
	}
	return ""
}

// rests has the faults end and the kubelet run what is to run, until nothing moves. Each is then as its newest build says, or
// says that the budget refuses what is wished.
func (c *crowd) rests(ctx context.Context) {
	GinkgoHelper()
	c.faults.oneIn = 0
	for quiet, rounds := false, 0; !quiet; rounds++ {
		Expect(rounds).To(BeNumerically("<", 40), "%v: it does not come to rest", c.told)
		before := len(c.Writes())
		for _, ws := range c.all {
			for _, pod := range c.pods(ctx, ws) {
				switch {
				case pod.DeletionTimestamp != nil:
					c.kill(ctx, &pod)
				case pod.Status.Phase != corev1.PodFailed && pod.Status.Phase != corev1.PodSucceeded:
					c.becomes(ctx, &pod, running)
				}
			}
		}
		c.works(ctx)
		c.works(ctx)
		quiet = len(c.Writes()) == before
	}
	for _, ws := range c.all {
		c.invariants(ctx, ws)
		b := ledger.Accepted(ws, c.builds(ctx, ws))
		if b == nil {
			Expect(stalledBy(ws)).To(Equal(v1alpha1.ReasonQuotaExceeded), "%v: %s", c.told, ws.Name)
			continue
		}
		Expect(ledger.InProgress(b)).To(BeFalse(), "%v: %s", c.told, b.Name)
		Expect(len(c.pods(ctx, ws)) == 1).To(Equal(ledger.Runs(b)), "%v: %s %s", c.told, b.Name, ledger.Outcome(b))
	}
}

// Whoever starts what, in whatever order, whichever write fails and however many decide at once: the budget is kept, at every
// moment; and left alone, they come to rest.
var _ = Describe("A random sequence of several within one budget", func() {
	const sequences, steps = 2, 14
	base := uint64(GinkgoRandomSeed())
	for i := range sequences {
		seed := base + uint64(i)
		It(fmt.Sprintf("keeps what must hold: seed %d", seed), func(ctx SpecContext) {
			r := rand.New(rand.NewPCG(seed, 13))
			faults := &restless{rand: r, made: func(context.Context, client.Object) {}, ended: func(context.Context, client.Object) {}}
			c := &crowd{world: found(ctx, faults.client()), faults: faults, rand: r}
			c.template = c.newTemplate(ctx, "dear", dear)
			most := int64(budget)
			c.granted(ctx, v1alpha1.Quota{DailyCost: &most})
			for i := range 3 {
				c.all = append(c.all, c.workspace(ctx, fmt.Sprint("api-", i)))
			}
			for range steps {
				faults.oneIn = 0
				if r.IntN(2) == 0 {
					faults.oneIn = 3 + r.IntN(8)
				}
				c.act(ctx)
				for range r.IntN(4) {
					c.works(ctx)
				}
				if r.IntN(4) == 0 {
					c.rests(ctx)
				}
			}
			c.rests(ctx)

			c.say("each wants more than half")
			for _, ws := range c.all {
				edit(ctx, ws, `{"spec":{"parameters":{"cpu":6}}}`)
				c.asks(ctx, ws, v1alpha1.RequestRestart)
			}
			c.rests(ctx)
			Expect(c.all).To(ContainElement(WithTransform(stalledBy, Equal(v1alpha1.ReasonQuotaExceeded))), "%v", c.told)
		}, SpecTimeout(3*time.Minute))
	}
})
