// SPDX-License-Identifier: Apache-2.0

package workspace_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// A mishap is what may become of a request.
type mishap struct {
	name string
	// committed is true when the request is carried out and only its answer is lost.
	committed bool
	err       error
	// dies is true when the process ends with the request: nothing more of the pass happens, no read and no other write.
	dies bool
}

var mishaps = []mishap{
	{name: "409", err: apierrors.NewConflict(schema.GroupResource{}, "o", fmt.Errorf("somebody was faster"))},
	{name: "429", err: apierrors.NewTooManyRequests("the server is busy", 1)},
	{name: "500", err: apierrors.NewInternalError(fmt.Errorf("etcd has no leader"))},
	{name: "a timeout after it was carried out", committed: true, err: apierrors.NewTimeoutError("the answer is lost", 0)},
	{name: "a death before it", err: errDead, dies: true},
	{name: "a death after it", committed: true, err: errDead, dies: true},
}

var errDead = errors.New("the process is dead")

// unlucky is a client of which every other write meets the mishap: what failed is tried again, and goes well then.
type unlucky struct {
	client.WithWatch
	mu     sync.Mutex
	writes int
	met    []string
	dead   bool
	// fate decides what becomes of a write.
	fate func(what string, do func() error) error
}

// reborn starts the process again, which remembers nothing.
func (u *unlucky) reborn() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.dead = false
}

// alive fails every request of a dead process.
func (u *unlucky) alive() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.dead {
		return errDead
	}
	return nil
}

// luckless has the writes of a parity meet the mishap, 0 or 1; any other value is a calm client.
func luckless(parity int, m mishap) *unlucky {
	u := &unlucky{}
	u.fate = func(what string, do func() error) error {
		if err := u.alive(); err != nil {
			return err
		}
		u.mu.Lock()
		u.writes++
		hit := u.writes%2 == parity
		if hit {
			u.met = append(u.met, what)
		}
		u.mu.Unlock()
		if !hit {
			return do()
		}
		if m.committed {
			if err := do(); err != nil {
				return err
			}
		}
		u.mu.Lock()
		u.dead = m.dies
		u.mu.Unlock()
		return m.err
	}
	u.WithWatch = u.around(env.Client)
	return u
}

// around has another client's writes share the fate.
func (u *unlucky) around(c client.WithWatch) client.WithWatch {
	fate := u.fate
	return interceptor.NewClient(c, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			return errors.Join(u.alive(), c.Get(ctx, key, o, opts...))
		},
		List: func(ctx context.Context, c client.WithWatch, l client.ObjectList, opts ...client.ListOption) error {
			return errors.Join(u.alive(), c.List(ctx, l, opts...))
		},
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			return fate(fmt.Sprintf("create %T", o), func() error { return c.Create(ctx, o, opts...) })
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			return fate(fmt.Sprintf("update %T", o), func() error { return c.Update(ctx, o, opts...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			return fate(fmt.Sprintf("patch %T", o), func() error { return c.Patch(ctx, o, p, opts...) })
		},
		Apply: func(ctx context.Context, c client.WithWatch, o runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			return fate("apply", func() error { return c.Apply(ctx, o, opts...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			return fate(fmt.Sprintf("delete %T", o), func() error { return c.Delete(ctx, o, opts...) })
		},
		SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, o client.Object, opts ...client.SubResourceUpdateOption) error {
			return fate(fmt.Sprintf("update %s %T", sub, o), func() error { return c.SubResource(sub).Update(ctx, o, opts...) })
		},
		SubResourceApply: func(ctx context.Context, c client.Client, sub string, o runtime.ApplyConfiguration, opts ...client.SubResourceApplyOption) error {
			return fate("apply "+sub, func() error { return c.SubResource(sub).Apply(ctx, o, opts...) })
		},
	})
}

// patiently settles a workspace, trying again what fails, as a queue does with back-off.
func (w *world) patiently(ctx context.Context, ws *v1alpha1.Workspace, u *unlucky) {
	GinkgoHelper()
	for range 200 {
		u.reborn()
		before, failed := len(w.Writes()), false
		_, err := w.decides.Reconcile(ctx, request(ws))
		failed = err != nil
		_, err = w.acts.Reconcile(ctx, accepted(ctx, ws))
		failed = failed || err != nil
		if !failed && len(w.Writes()) == before {
			return
		}
	}
	Fail(fmt.Sprintf("%s does not come to rest: %v", ws.Name, w.Writes()))
}

// causes are what a build's log tells of, but for the troubles, by kind and in the order of the alphabet: when what was
// seen is a matter of luck.
func causes(b *v1alpha1.WorkspaceBuild) []string {
	var all []string
	for _, l := range b.Status.Log {
		if kind, _, _ := strings.Cut(l.Cause, "/"); kind != "trouble" {
			all = append(all, kind)
		}
	}
	slices.Sort(all)
	return all
}

// life is a whole life of a workspace, in the words that its end is told in.
func (w *world) life(ctx context.Context, u *unlucky) string {
	GinkgoHelper()
	var told []string
	ws := w.workspace(ctx, "api")
	tell := func(when string) {
		if !read(ctx, ws) {
			told = append(told, when+": gone")
			return
		}
		told = append(told, fmt.Sprintf("%s: %s %v pods %d claims %d agents %d, ready %s", when, ws.Status.Phase, w.ledger(ctx, ws),
			len(w.pods(ctx, ws)), len(left(w.claims(ctx, ws))), len(ws.Status.Agents), ws.Status.Conditions[0].Reason))
		told = append(told, w.brings(ctx, ws)...)
		for _, b := range w.builds(ctx, ws) {
			told = append(told, fmt.Sprintf("  %s outcome %s log %v", b.Name, b.Annotations[v1alpha1.AnnotationOutcome], causes(b)))
		}
	}
	rest := func() {
		w.patiently(ctx, ws, u)
		w.ends(ctx, ws)
		w.patiently(ctx, ws, u)
		if pods := w.pods(ctx, ws); len(pods) == 1 && pods[0].DeletionTimestamp == nil {
			w.becomes(ctx, &pods[0], running)
			w.patiently(ctx, ws, u)
		}
	}
	rest()
	tell("started")
	w.asks(ctx, ws, v1alpha1.RequestRestart)
	rest()
	tell("restarted")
	w.asks(ctx, ws, v1alpha1.RequestStop)
	rest()
	tell("stopped")
	Expect(env.Client.Delete(ctx, ws)).To(Succeed())
	rest()
	tell("deleted")
	for _, c := range w.claims(ctx, ws) {
		told = append(told, "kept: "+c.Annotations[v1alpha1.AnnotationWhenDeleted]+" "+fmt.Sprint(c.Annotations[v1alpha1.AnnotationDeleteAfter] != ""))
	}
	records := w.records(ctx)
	var numbers []int64
	for _, b := range w.record(ctx).Spec.Builds {
		numbers = append(numbers, b.Number)
	}
	told = append(told, fmt.Sprintf("remembered: %d %v", len(records), numbers))
	return strings.Join(told, "\n")
}

var _ = Describe("A request that fails once", func() {
	It("changes nothing of how it ends, whichever request it is", func(ctx SpecContext) {
		calm := luckless(-1, mishaps[0])
		want := found(ctx, calm).life(ctx, calm)
		Expect(want).To(HaveSuffix("deleted: gone\nkept: Delete true\nremembered: 1 [4 3 2]"))
		for _, m := range mishaps {
			for parity := range 2 {
				if parity == 0 && !m.committed {
					continue // what was not carried out is tried again at once, so the odd ones are all that there are
				}
				u := luckless(parity, m)
				got := found(ctx, u).life(ctx, u)
				Expect(len(u.met)).To(BeNumerically(">", 15))
				Expect(got).To(Equal(want), "%s met %v", m.name, u.met)
			}
		}
	})

	It("leaves nothing of a quota behind", func(ctx SpecContext) {
		limited := func(c *unlucky) *world {
			w := found(ctx, c)
			w.template = w.newTemplate(ctx, "dear", dear)
			w.granted(ctx, v1alpha1.Quota{DailyCost: ptr.To(int64(20))})
			return w
		}
		calm := luckless(-1, mishaps[0])
		want := limited(calm).life(ctx, calm)
		for _, m := range mishaps[2:] { // what is refused before it is carried out is one, whatever its number
			u := luckless(1, m)
			w := limited(u)
			Expect(w.life(ctx, u)).To(Equal(want), "%s met %v", m.name, u.met)
			next := w.workspace(ctx, "next")
			w.patiently(ctx, next, u)
			read(ctx, next)
			Expect(next.Status.Build.DailyCost).To(HaveValue(BeEquivalentTo(13)), "there is room for one")
		}
	})
})
