// SPDX-License-Identifier: Apache-2.0

package workspace_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ledger"
	. "github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
)

// restless is a cluster whose writes fail now and then: before they reach it, as when a process dies, is told to slow down
// or meets another's edit, and after, as when the answer is lost.
type restless struct {
	rand *rand.Rand
	// one in so many writes fails; 0 is none.
	oneIn int
	// made and ended are told of each object that is about to be made or deleted.
	made, ended func(context.Context, client.Object)
}

var errLost = errors.New("the connection was lost")

func (f *restless) client() client.WithWatch {
	return interceptor.NewClient(env.Client, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			return f.write(func() error { f.made(ctx, o); return c.Create(ctx, o, opts...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			return f.write(func() error { return c.Patch(ctx, o, p, opts...) })
		},
		Apply: func(ctx context.Context, c client.WithWatch, o runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			return f.write(func() error { return c.Apply(ctx, o, opts...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			return f.write(func() error { f.ended(ctx, o); return c.Delete(ctx, o, opts...) })
		},
		SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, o client.Object, opts ...client.SubResourceUpdateOption) error {
			return f.write(func() error { return c.SubResource(sub).Update(ctx, o, opts...) })
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			return f.write(func() error { return c.SubResource(sub).Patch(ctx, o, p, opts...) })
		},
		SubResourceApply: func(ctx context.Context, c client.Client, sub string, o runtime.ApplyConfiguration, opts ...client.SubResourceApplyOption) error {
			return f.write(func() error { return c.SubResource(sub).Apply(ctx, o, opts...) })
		},
	})
}

func (f *restless) write(do func() error) error {
	if f.oneIn == 0 || f.rand.IntN(f.oneIn) > 0 {
		return do()
	}
	switch f.rand.IntN(5) {
	case 0:
		return apierrors.NewConflict(schema.GroupResource{Resource: "any"}, "any", errors.New("somebody was faster"))
	case 1:
		return apierrors.NewTooManyRequests("slow down", 1)
	case 2:
		return apierrors.NewInternalError(errors.New("etcd is away"))
	case 3:
		return errLost // before
	}
	if err := do(); err != nil {
		return err
	}
	return errLost // after
}

// play is a sequence of what people and the cluster do to one workspace, by chance.
type play struct {
	*world
	ws     *v1alpha1.Workspace
	faults *restless
	cache  *past
	former *former
	rand   *rand.Rand
	told   []string
	// numbers are those of all builds that were ever seen, claims the uids of all claims.
	numbers map[int64]bool
	claimed []types.UID
	calls   int
	// slot is the template's prepared workspace; nil where it has none. versions counts those that came after the first.
	// claimant is the object that has claimed it.
	slot     *v1alpha1.WarmWorkspace
	claimant types.UID
	versions int
	// held is the accepted build when it was last looked at, and whether it was at work then.
	held types.UID
	busy bool
	// doomed is true once the claims may go with the workspace.
	doomed bool
}

// starts has new controllers work, which remember nothing and know the cluster by a cache that lies.
func (p *play) starts() {
	cache := NewJournal(p.cache)
	decides, acts := *p.decides, *p.acts
	decides.Client, acts.Client = cache, cache
	p.decides, p.acts = &decides, &acts
}

func (p *play) say(format string, args ...any) { p.told = append(p.told, fmt.Sprintf(format, args...)) }

// act does one thing.
func (p *play) act(ctx context.Context) {
	GinkgoHelper()
	read(ctx, p.ws)
	switch p.rand.IntN(18) {
	case 0, 1:
		word := []v1alpha1.RequestTransition{"Start", "Stop", "Restart"}[p.rand.IntN(3)]
		p.say("request %s", word)
		p.asks(ctx, p.ws, word)
	case 2:
		state := []string{`"Running"`, `"Stopped"`, `null`}[p.rand.IntN(3)]
		p.say("state %s", state)
		edit(ctx, p.ws, `{"spec":{"state":`+state+`}}`)
	case 3, 4:
		p.call(ctx)
	case 5:
		d := []time.Duration{time.Minute, time.Hour, 11 * time.Hour, 30 * time.Hour, 800 * time.Hour}[p.rand.IntN(5)]
		p.say("%v pass", d)
		p.passes(d)
	case 6:
		value := []string{`{"autostart":null}`, `{"autostart":{"schedule":"0 9 * * *"}}`, `{"autostop":{"after":"3h"}}`, `{"autostop":null}`,
			`{"updates":"Restart"}`, `{"updates":"Manual"}`}[p.rand.IntN(6)]
		p.say("spec %s", value)
		edit(ctx, p.ws, `{"spec":`+value+`}`)
	case 7:
		p.say("a pod is deleted")
		for _, pod := range p.pods(ctx, p.ws) {
			p.kill(ctx, &pod)
		}
	case 8:
		p.say("a pod fails")
		p.kubelet(ctx, func(pod *corev1.Pod) { pod.Status.Phase = corev1.PodFailed })
	case 9:
		p.say("a pod waits for its image")
		p.kubelet(ctx, func(pod *corev1.Pod) {
			pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: pod.Spec.Containers[0].Name, State: corev1.ContainerState{
				Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "not found"},
			}}}
		})
	case 10:
		p.say("used")
		p.used(ctx, p.ws, p.clock.Now())
	case 11:
		mark := []string{`null`, fmt.Sprintf("%q", p.clock.Now().UTC().Format(time.RFC3339))}[p.rand.IntN(2)]
		p.say("dormant-since %s", mark)
		edit(ctx, p.ws, fmt.Sprintf(`{"metadata":{"annotations":{%q:%s}}}`, v1alpha1.AnnotationDormantSince, mark))
	case 12:
		b := ledger.Accepted(p.ws, p.builds(ctx, p.ws))
		if b == nil || !ledger.InProgress(b) || b.Spec.Transition != v1alpha1.TransitionStart || b.Spec.Cancel != nil {
			return
		}
		p.say("cancel of build %d", b.Spec.Number)
		edit(ctx, b, fmt.Sprintf(`{"spec":{"cancel":{"by":%q,"requestedAt":%q}}}`, p.user, p.clock.Now().UTC().Format(time.RFC3339)))
	case 13:
		p.say("the manager restarts")
		p.cache.restarts()
		p.starts()
	case 14, 15:
		p.say("another manager leads too")
		p.loses()
	case 16:
		p.cache.still = 2 + p.rand.IntN(6)
		p.say("the watches hang for %d events", p.cache.still)
	case 17:
		p.promotes(ctx)
	}
}

// call asks for a build as the API server does: of the next number, whatever the manager is about to do.
func (p *play) call(ctx context.Context) {
	GinkgoHelper()
	all := p.builds(ctx, p.ws)
	accepted := ledger.Accepted(p.ws, all)
	if accepted == nil || accepted.Spec.VersionRef == nil {
		return
	}
	transition := []v1alpha1.Transition{v1alpha1.TransitionStart, v1alpha1.TransitionStop}[p.rand.IntN(2)]
	p.calls++
	b := given.Build(p.ws, ledger.Next(p.ws, all), transition, func(b *v1alpha1.WorkspaceBuild) {
		b.OwnerReferences = []metav1.OwnerReference{ledger.OwnerReference(p.ws)}
		b.Annotations = map[string]string{v1alpha1.AnnotationCreatedAt: p.clock.Now().UTC().Format(time.RFC3339Nano)}
		b.Spec.Initiator, b.Spec.RequestID = v1alpha1.Initiator{User: p.user, Name: p.user}, fmt.Sprint("r", p.calls)
		b.Spec.VersionRef, b.Spec.ResolvedHash, b.Spec.Parameters = accepted.Spec.VersionRef, accepted.Spec.ResolvedHash, accepted.Spec.Parameters
		b.Spec.Wish = p.ws.Status.Acted
	})
	p.say("call %s, build %d", transition, b.Spec.Number)
	create(ctx, b)
}

// kubelet bends the pods that live, and ends those that are to end.
func (p *play) kubelet(ctx context.Context, change func(*corev1.Pod)) {
	GinkgoHelper()
	for _, pod := range p.pods(ctx, p.ws) {
		if pod.DeletionTimestamp != nil {
			p.kill(ctx, &pod)
			continue
		}
		if pod.Status.Phase != corev1.PodFailed && pod.Status.Phase != corev1.PodSucceeded {
			p.becomes(ctx, &pod, change)
		}
	}
}

// works has the controllers work for some passes, with caches that lie; what fails is tried again. Whoever led before works
// between them.
func (p *play) works(ctx context.Context, passes int) {
	GinkgoHelper()
	for range passes {
		p.pass(ctx, p.decides, p.acts, p.cache)
		f := p.former
		if f == nil {
			continue
		}
		p.pass(ctx, f.decides, f.acts, f.cache)
		if f.passes--; f.passes == 0 {
			p.former = nil
		}
	}
}

// injected lets pass what restless has made up, and what a write meets that follows from the past.
func (p *play) injected(err error) {
	GinkgoHelper()
	if err != nil && !strings.Contains(err.Error(), errLost.Error()) && !apierrors.IsInternalError(err) && !apierrors.IsTooManyRequests(err) &&
		!apierrors.IsConflict(err) && (p.cache.present || !apierrors.IsNotFound(err) && !apierrors.IsAlreadyExists(err)) {
		Fail(fmt.Sprintf("%v: %v", p.told, err))
	}
}

// safe is what holds at every moment, whatever has failed.
func (p *play) safe(ctx context.Context) {
	GinkgoHelper()
	read(ctx, p.ws)
	all := p.builds(ctx, p.ws)
	for _, b := range all {
		p.numbers[b.Spec.Number] = true
	}
	for n := range p.numbers {
		Expect(n == 1 || p.numbers[n-1]).To(BeTrue(), "%v: number %d without %d", p.told, n, n-1)
	}
	if b := ledger.Accepted(p.ws, all); b != nil {
		if b.UID != p.held && b.Spec.RequestID != "" {
			Expect(p.busy).To(BeFalse(), "%v: build %d of a call beside one at work", p.told, b.Spec.Number)
		}
		p.held, p.busy = b.UID, ledger.InProgress(b)
	}
	living := 0
	for _, pod := range p.pods(ctx, p.ws) {
		if pod.DeletionTimestamp == nil {
			living++
		}
	}
	Expect(living).To(BeNumerically("<=", 1), "%v: pods", p.told)
	if p.doomed {
		return
	}
	var uids []types.UID
	for _, c := range p.claims(ctx, p.ws) {
		Expect(c.DeletionTimestamp).To(BeNil(), "%v: a claim is going", p.told)
		uids = append(uids, c.UID)
	}
	for _, uid := range p.claimed {
		Expect(uids).To(ContainElement(uid), "%v: a claim is lost", p.told)
	}
	p.claimed = uids
}

// rests has the faults end, the caches catch up and the kubelet run what is to run, until nothing moves; then all must be in
// order.
func (p *play) rests(ctx context.Context) {
	GinkgoHelper()
	p.calms(ctx)
	p.cache.present = true
	defer func() { p.cache.present = false }()
	before := len(p.Writes())
	p.works(ctx, 2)
	Expect(p.Writes()[before:]).To(BeEmpty(), "%v: it does not come to rest", p.told)
	p.invariants(ctx, p.ws)

	var active []string
	for _, b := range p.builds(ctx, p.ws) {
		if ledger.InProgress(b) {
			active = append(active, b.Name)
		}
	}
	Expect(active).To(BeEmpty(), "%v: builds at work, with a kubelet that runs everything", p.told)
	accepted := ledger.Accepted(p.ws, p.builds(ctx, p.ws))
	Expect(accepted).NotTo(BeNil(), "%v", p.told)
	runs := accepted.Spec.Transition == v1alpha1.TransitionStart && ledger.Outcome(accepted) == v1alpha1.JobSucceeded
	Expect(len(p.pods(ctx, p.ws)) == 1).To(Equal(runs), "%v: %s %s", p.told, accepted.Name, ledger.Outcome(accepted))
	if d := p.ws.Annotations[v1alpha1.AnnotationDormantSince]; d != "" {
		Expect(runs).To(BeFalse(), "%v: it sleeps and runs", p.told)
	}
}

// calms has the faults end, the caches catch up and the kubelet run what is to run, until nothing moves.
func (p *play) calms(ctx context.Context) {
	GinkgoHelper()
	p.faults.oneIn = 0
	p.former = nil
	p.cache.present = true
	defer func() { p.cache.present = false }()
	for range 30 {
		before := len(p.Writes())
		p.kubelet(ctx, running)
		p.works(ctx, 2)
		if len(p.Writes()) == before {
			return
		}
	}
	Fail(fmt.Sprintf("%v: it does not come to rest: %v", p.told, p.Writes()))
}

// Whatever people and the cluster do, in whatever order, whichever write fails and however late the caches are: at every
// moment there is at most one pod, no claim is lost and no number left out; and left alone, it comes to rest, as its newest
// build says.
var _ = Describe("A random sequence", func() {
	const sequences, steps = 4, 20
	base := uint64(GinkgoRandomSeed())
	for i := range sequences {
		seed := base + uint64(i)
		It(fmt.Sprintf("keeps what must hold: seed %d", seed), func(ctx SpecContext) {
			r := rand.New(rand.NewPCG(seed, 11))
			faults := &restless{rand: r}
			p := &play{world: found(ctx, faults.client()), faults: faults, rand: r, numbers: map[int64]bool{}}
			faults.made, faults.ended = p.made, p.ended
			kept, keep := i%2 == 0, v1alpha1.Duration("168h")
			if !kept {
				keep = "0s"
			}
			p.opens(ctx, v1alpha1.Lifecycle{AutostopAfter: "8h", FailureStopAfter: "2h", DormantAfter: "720h", KeepDeletedFor: keep}, i%4 > 1)
			p.cache = behind(ctx, p.Journal, p.org, r)
			p.starts()
			for range steps {
				if r.IntN(2) == 0 {
					faults.oneIn = 3 + r.IntN(8)
				}
				p.act(ctx)
				p.works(ctx, r.IntN(4))
				if r.IntN(3) == 0 {
					p.kubelet(ctx, running)
				}
				if r.IntN(4) == 0 {
					p.rests(ctx)
				}
			}
			p.rests(ctx)
			p.leaves(ctx, kept)
			if kept {
				p.returns(ctx)
			}
			Expect(slices.Max(slices.Collect(keys(p.numbers)))).To(BeNumerically(">", 1))
		}, SpecTimeout(3*time.Minute))
	}
})

func keys(m map[int64]bool) func(func(int64) bool) {
	return func(yield func(int64) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}
