// SPDX-License-Identifier: Apache-2.0

package workspace_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
)

// past is a cache that lies about the present: what it shows of a namespace is as it once was, of each kind at a time of its
// own, as informers are that got their events late. Objects appear that are deleted, and new ones do not yet. Writes go to
// the present.
type past struct {
	client.WithWatch
	*history
	rand *rand.Rand
	// at is which state of each kind is shown.
	at map[*memory]int
	// present has it tell the truth.
	present bool
	// still is how often no time goes by in it, as when its watches hang; what was missed comes event by event then.
	still int
}

// history is all that there ever was in a namespace.
type history struct {
	under     client.WithWatch
	namespace string
	kinds     []*memory
}

// memory is all that there ever was of a kind.
type memory struct {
	list client.ObjectList
	item reflect.Type
	// states are what a list showed, one after the other.
	states [][]client.Object
}

// longAgo is how many changes a cache is behind at most.
const longAgo = 30

// behind makes a cache in front of a client. It shows what was noted.
func behind(ctx context.Context, c client.WithWatch, namespace string, r *rand.Rand) *past {
	GinkgoHelper()
	h := &history{under: c, namespace: namespace}
	h.kinds = []*memory{ // in one order always, or a seed would not tell what comes
		{list: &v1alpha1.WorkspaceList{}, item: reflect.TypeFor[*v1alpha1.Workspace]()},
		{list: &v1alpha1.WorkspaceBuildList{}, item: reflect.TypeFor[*v1alpha1.WorkspaceBuild]()},
		{list: &corev1.PodList{}, item: reflect.TypeFor[*corev1.Pod]()},
		{list: &corev1.PersistentVolumeClaimList{}, item: reflect.TypeFor[*corev1.PersistentVolumeClaim]()},
		{list: &v1alpha1.TemplateList{}, item: reflect.TypeFor[*v1alpha1.Template]()},
		{list: &v1alpha1.TemplateVersionList{}, item: reflect.TypeFor[*v1alpha1.TemplateVersion]()},
		{list: &v1alpha1.WarmWorkspaceList{}, item: reflect.TypeFor[*v1alpha1.WarmWorkspace]()},
	}
	h.note(ctx)
	return h.cache(r)
}

// cache makes one more cache of the same namespace, as another process has it. It shows the first that was noted.
func (h *history) cache(r *rand.Rand) *past {
	p := &past{history: h, rand: r, at: map[*memory]int{}}
	p.WithWatch = interceptor.NewClient(h.under, interceptor.Funcs{Get: p.get, List: p.lists})
	return p
}

// note remembers what there is now.
func (h *history) note(ctx context.Context) {
	GinkgoHelper()
	for _, m := range h.kinds {
		now := m.list.DeepCopyObject().(client.ObjectList)
		Expect(env.Client.List(ctx, now, client.InNamespace(h.namespace))).To(Succeed())
		var state []client.Object
		Expect(meta.EachListItem(now, func(o runtime.Object) error {
			state = append(state, o.(client.Object))
			return nil
		})).To(Succeed())
		if len(m.states) > 0 && same(m.states[len(m.states)-1], state) {
			continue
		}
		m.states = append(m.states, state)
	}
}

func same(a, b []client.Object) bool {
	versions := map[string]bool{}
	for _, o := range a {
		versions[string(o.GetUID())+o.GetResourceVersion()] = true
	}
	for _, o := range b {
		if !versions[string(o.GetUID())+o.GetResourceVersion()] {
			return false
		}
	}
	return len(a) == len(b)
}

// drifts lets some time go by in the cache, of each kind its own; a cache never goes back.
func (p *past) drifts() {
	if p.still > 0 {
		p.still--
		return
	}
	for _, m := range p.kinds {
		left := len(m.states) - 1 - p.at[m]
		switch p.rand.IntN(6) {
		case 0: // one event
			p.at[m] += min(left, 1)
		case 1: // some
			p.at[m] += p.rand.IntN(left + 1)
		}
		p.at[m] = max(p.at[m], len(m.states)-1-longAgo)
	}
}

// catches has the cache show what was noted last, and nothing that comes after it.
func (p *past) catches() {
	for _, m := range p.kinds {
		p.at[m] = len(m.states) - 1
	}
}

// restarts is a new process, whose caches may begin before those of the last one ended: another kube-apiserver answers it.
func (p *past) restarts() {
	for _, m := range p.kinds {
		p.at[m] = max(0, p.at[m]-p.rand.IntN(4))
	}
}

// of is the memory of a type; nil where the present is told.
func (p *past) of(item reflect.Type) *memory {
	for _, m := range p.kinds {
		if m.item == item && !p.present {
			return m
		}
	}
	return nil
}

func (p *past) get(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	m := p.of(reflect.TypeOf(o))
	if m == nil || key.Namespace != p.namespace {
		return c.Get(ctx, key, o, opts...)
	}
	for _, was := range m.states[p.at[m]] {
		if was.GetName() == key.Name {
			reflect.ValueOf(o).Elem().Set(reflect.ValueOf(was.DeepCopyObject()).Elem())
			return nil
		}
	}
	return apierrors.NewNotFound(schema.GroupResource{Resource: fmt.Sprintf("%T", o)}, key.Name)
}

func (p *past) lists(ctx context.Context, c client.WithWatch, into client.ObjectList, opts ...client.ListOption) error {
	for _, m := range p.kinds {
		if reflect.TypeOf(m.list) != reflect.TypeOf(into) || p.of(m.item) == nil {
			continue
		}
		o := (&client.ListOptions{}).ApplyOptions(opts)
		var found []runtime.Object
		for _, was := range m.states[p.at[m]] {
			if o.LabelSelector == nil || o.LabelSelector.Matches(labels.Set(was.GetLabels())) {
				found = append(found, was.DeepCopyObject())
			}
		}
		if o.Namespace != "" && o.Namespace != p.namespace {
			found = nil
		}
		return meta.SetList(into, found)
	}
	return c.List(ctx, into, opts...)
}

var _ = Describe("A cache that stands still", func() {
	It("makes no second pod, no build and takes no claim, whatever has happened since", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.workspace(ctx, "api")
		for ws.Status.Build == nil {
			_, err := w.decides.Reconcile(ctx, request(ws))
			Expect(err).NotTo(HaveOccurred())
			Expect(read(ctx, ws)).To(BeTrue())
		}
		p := &play{world: w, ws: ws, cache: behind(ctx, w.Journal, w.org, rand.New(rand.NewPCG(1, 1)))}
		p.cache.catches()
		decides, acts := w.decides, w.acts
		p.starts()
		old := w.decides
		late := w.acts
		w.decides, w.acts = decides, acts
		first := request(w.builds(ctx, ws)[0])
		stale := func() {
			GinkgoHelper()
			for range 3 {
				_, _ = late.Reconcile(ctx, first) // a conflict is as good as any other end
				_, _ = old.Reconcile(ctx, request(ws))
			}
		}

		w.run(ctx, ws)
		claims := w.claims(ctx, ws)
		w.asks(ctx, ws, v1alpha1.RequestRestart)
		w.settle(ctx, ws)
		w.ends(ctx, ws)
		pod := w.run(ctx, ws)
		now := w.ledger(ctx, ws)
		Expect(now).To(Equal([]string{"1 Start Succeeded", "2 Restart Succeeded"}))
		stale()
		Expect(w.pod(ctx, ws).UID).To(Equal(pod.UID), "the present build's is the only one")
		Expect(w.ledger(ctx, ws)).To(Equal(now))

		By("a stop")
		w.asks(ctx, ws, v1alpha1.RequestStop)
		w.stopped(ctx, ws)
		stale()
		Expect(w.pods(ctx, ws)).To(BeEmpty())
		Expect(w.ledger(ctx, ws)).To(Equal([]string{"1 Start Succeeded", "2 Restart Succeeded", "3 Stop Succeeded"}))

		By("a deletion")
		Expect(env.Client.Delete(ctx, ws)).To(Succeed())
		w.gone(ctx, ws)
		before := w.ledger(ctx, ws)
		stale()
		Expect(read(ctx, ws)).To(BeFalse())
		Expect(w.pods(ctx, ws)).To(BeEmpty())
		Expect(w.ledger(ctx, ws)).To(Equal(before))
		kept := left(w.claims(ctx, ws))
		Expect(kept).To(HaveLen(len(claims)))
		for i := range kept {
			Expect(kept[i].UID).To(Equal(claims[i].UID))
		}
	})

	It("ends no pod of a build that it does not know yet", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.workspace(ctx, "api")
		w.run(ctx, ws)
		w.asks(ctx, ws, v1alpha1.RequestStop)
		w.stopped(ctx, ws)
		p := &play{world: w, ws: ws, cache: behind(ctx, w.Journal, w.org, rand.New(rand.NewPCG(1, 1)))}
		stop := accepted(ctx, ws)
		decides, acts := w.decides, w.acts
		p.starts()
		late := w.acts
		w.decides, w.acts = decides, acts

		w.asks(ctx, ws, v1alpha1.RequestStart)
		pod := w.run(ctx, ws)
		p.cache.note(ctx)
		workspaces := p.cache.kinds[0]
		p.cache.catches()
		p.cache.at[workspaces] = 0 // what it knows of the workspace is from before the start, and of the pods of now
		_, _ = late.Reconcile(ctx, stop)
		Expect(w.pod(ctx, ws)).To(HaveField("DeletionTimestamp", BeNil()))
		Expect(w.pod(ctx, ws).UID).To(Equal(pod.UID))
	})

	It("makes no other build than the accepted one that it does not know yet", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.workspace(ctx, "api")
		p := &play{world: w, ws: ws, cache: behind(ctx, w.Journal, w.org, rand.New(rand.NewPCG(1, 1)))}
		for ws.Status.Build == nil {
			_, err := w.decides.Reconcile(ctx, request(ws))
			Expect(err).NotTo(HaveOccurred())
			Expect(read(ctx, ws)).To(BeTrue())
		}
		Expect(ws.Status.Phase).To(Equal(v1alpha1.PhaseStarting))
		p.cache.note(ctx)
		workspaces := p.cache.kinds[0]
		p.cache.at[workspaces] = len(workspaces.states) - 1 // of builds it knows what there was before
		p.starts()
		_, err := w.decides.Reconcile(ctx, request(ws))
		Expect(err).NotTo(HaveOccurred())
		Expect(w.ledger(ctx, ws)).To(Equal([]string{"1 Start Pending"}))
	})

	It("shows no build at work that has ended", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.workspace(ctx, "api")
		w.settle(ctx, ws)
		was := w.builds(ctx, ws)[0]
		w.run(ctx, ws)
		Expect(w.ledger(ctx, ws)).To(Equal([]string{"1 Start Succeeded"}))
		late := was.DeepCopy()
		late.Status.Stage = v1alpha1.StageStarting
		_, err := phase.ApplyStatus(ctx, env.Client, was, late)
		Expect(apierrors.IsConflict(err)).To(BeTrue(), "%v", err)
		Expect(w.ledger(ctx, ws)).To(Equal([]string{"1 Start Succeeded"}))
	})
})
