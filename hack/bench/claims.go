// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
	"github.com/berth-dev/berth/internal/warm"
)

const (
	// claimsPerSecond is how many claims are begun in a second, whether the ones before have ended or not.
	claimsPerSecond = 10
	// wantedHash is the hash that the prepared workspaces of a claim have; those of the floor have another.
	wantedHash, otherHash = "wanted", "other"
)

// measureClaims times claims of prepared workspaces, from the call of the API server's store until a watch that is not its
// own has seen whose it is; and by turns with them the floor: one optimistic patch of a prepared workspace, chosen
// beforehand, until the same watch has seen it. It has a control plane of its own, on which no manager runs.
func measureClaims(ctx context.Context, n int) (err error) {
	plane, err := cluster.Start(func(e *envtest.Environment) { e.ControlPlane.GetAPIServer().Configure().Set("watch-cache", "true") })
	if err != nil {
		return err
	}
	defer func() { err = firstOf(err, plane.Stop()) }()
	running, stop := context.WithCancel(ctx)
	defer stop()
	c, err := newClaims(running, plane, n)
	if err != nil {
		return err
	}
	took, floors, err := c.race(running, n)
	if err != nil {
		return err
	}
	note("claims: p50 %.1f ms, p99 %.1f ms; the floor: p50 %.1f ms, p99 %.1f ms; %d of each, %d a second",
		at(took, 50)*1e3, at(took, 99)*1e3, at(floors, 50)*1e3, at(floors, 99)*1e3, n, claimsPerSecond)
	figure("claim-p50-over-floor", at(took, 50)/at(floors, 50), "ratio", "<=1.5")
	figure("claim-p99-ms", at(took, 99)*1e3, "ms", "<=200")
	return nil
}

// at is a percentile of sorted values.
func at(values []float64, percent int) float64 {
	return values[min(len(values)*percent/100, len(values)-1)]
}

// claimants are what is claimed, by whom, and who sees it.
type claimants struct {
	*cluster.Cluster
	store    *store.Store
	template *v1alpha1.Template
	// workspaces claim, one each; slots are patched, one each, for the floor.
	workspaces []*v1alpha1.Workspace
	slots      []*v1alpha1.WarmWorkspace

	mu sync.Mutex
	// seen is told when the watch sees the claim of a workspace, by its name.
	seen map[types.UID]chan struct{}
}

func newClaims(ctx context.Context, plane *cluster.Cluster, n int) (*claimants, error) {
	c := &claimants{Cluster: plane, seen: map[types.UID]chan struct{}{}}
	err := errors.Join(c.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: system}}),
		c.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: organization}}))
	if err != nil {
		return nil, err
	}
	c.template = given.Template(organization, template, func(t *v1alpha1.Template) { t.Spec.WarmPool = &v1alpha1.WarmPool{Size: 1} })
	c.workspaces, c.slots = make([]*v1alpha1.Workspace, 2*n), make([]*v1alpha1.WarmWorkspace, 2*n)
	err = each(ctx, 2*n, func(ctx context.Context, i int) error {
		w := given.Workspace(organization, fmt.Sprintf("w-%d", i), owner, template)
		hash := wantedHash
		if i >= n {
			hash = otherHash
		}
		slot, err := c.slot(ctx, fmt.Sprintf("slot-%d", i), hash)
		c.workspaces[i], c.slots[i] = w, slot
		return errors.Join(err, c.Client.Create(ctx, w))
	})
	if err != nil {
		return nil, err
	}
	for _, w := range c.workspaces {
		c.seen[w.UID] = make(chan struct{})
	}
	if err := c.watch(ctx); err != nil {
		return nil, err
	}
	return c, c.open(ctx)
}

// slot makes a prepared workspace that can be claimed.
func (c *claimants) slot(ctx context.Context, name, hash string) (*v1alpha1.WarmWorkspace, error) {
	slot := &v1alpha1.WarmWorkspace{
		ObjectMeta: metav1.ObjectMeta{Namespace: organization, Name: name},
		Spec: v1alpha1.WarmWorkspaceSpec{
			TemplateRef: v1alpha1.NameReference{Name: template}, VersionRef: v1alpha1.UIDReference{Name: "v", UID: "v"}, ResolvedHash: hash,
		},
	}
	if err := c.Client.Create(ctx, slot); err != nil {
		return nil, err
	}
	slot.Status.Phase, slot.Status.Agents = v1alpha1.WarmReady, []v1alpha1.WarmAgent{{Name: "main", Connected: true, Replica: "bench"}}
	return slot, c.Client.Status().Update(ctx, slot)
}

// watch follows the prepared workspaces as an API server does that holds their agents' streams.
func (c *claimants) watch(ctx context.Context) error {
	watched, err := cache.New(c.Config, cache.Options{Scheme: c.Client.Scheme()})
	if err != nil {
		return err
	}
	informer, err := watched.GetInformer(ctx, &v1alpha1.WarmWorkspace{}, cache.BlockUntilSynced(false))
	if err != nil {
		return err
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{UpdateFunc: func(_, is any) {
		slot, ok := is.(*v1alpha1.WarmWorkspace)
		if !ok || slot.Spec.Claim == nil {
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if told := c.seen[slot.Spec.Claim.WorkspaceRef.UID]; told != nil {
			close(told)
			delete(c.seen, slot.Spec.Claim.WorkspaceRef.UID)
		}
	}})
	if err != nil {
		return err
	}
	go func() { _ = watched.Start(ctx) }() // it ends with its context, and what it fails at is seen by who waits
	if !watched.WaitForCacheSync(ctx) {
		return errors.New("the watch of prepared workspaces did not begin")
	}
	return nil
}

// open starts the API server's store.
func (c *claimants) open(ctx context.Context) error {
	config := *c.Config
	config.QPS, config.Burst = -1, -1
	s, err := store.New(ctx, store.Options{Config: &config, Namespace: system})
	if err != nil {
		return err
	}
	c.store = s
	go func() { _ = s.Start(ctx) }() // as above
	if !s.Synced(ctx) {
		return errors.New("the API server's caches were not filled")
	}
	return nil
}

// race begins a claim and a floor by turns, each at its time, and gives how many seconds each took, sorted.
func (c *claimants) race(ctx context.Context, n int) (took, floor []float64, err error) {
	took, floor = make([]float64, n), make([]float64, n)
	every := time.NewTicker(time.Second / claimsPerSecond / 2)
	defer every.Stop()
	group, ctx := errgroup.WithContext(ctx)
	for i := range n {
		for _, one := range []struct {
			w    *v1alpha1.Workspace
			do   func(context.Context, *v1alpha1.Workspace, int) error
			into *float64
		}{{c.workspaces[i], c.claim, &took[i]}, {c.workspaces[n+i], c.patch, &floor[i]}} {
			select {
			case <-every.C:
			case <-ctx.Done():
				return nil, nil, firstOf(group.Wait(), ctx.Err())
			}
			group.Go(func() error {
				told := c.told(one.w)
				began := time.Now()
				if err := one.do(ctx, one.w, n+i); err != nil {
					return err
				}
				select {
				case <-told:
				case <-ctx.Done():
					return ctx.Err()
				}
				*one.into = time.Since(began).Seconds()
				return nil
			})
		}
	}
	err = group.Wait()
	slices.Sort(took)
	slices.Sort(floor)
	return took, floor, err
}

func (c *claimants) told(w *v1alpha1.Workspace) chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen[w.UID]
}

// claim is what the API server does when a workspace is made.
func (c *claimants) claim(ctx context.Context, w *v1alpha1.Workspace, _ int) error {
	slot, err := c.store.ClaimWarm(ctx, w, c.template, warm.Wish{Namespace: organization, Template: template, Hash: wantedHash}, time.Now())
	if err == nil && slot == nil {
		err = fmt.Errorf("workspace %s found nothing to claim", w.Name)
	}
	return err
}

// patch is the least that a claim can be.
func (c *claimants) patch(ctx context.Context, w *v1alpha1.Workspace, i int) error {
	slot := c.slots[i].DeepCopy()
	before := slot.DeepCopy()
	slot.Spec.Claim = &v1alpha1.WarmClaim{
		WorkspaceRef: v1alpha1.UIDReference{Name: v1alpha1.ObjectName(w.Name), UID: w.UID}, Owner: w.Spec.Owner, At: time.Now().UTC().Format(time.RFC3339Nano),
	}
	return c.Client.Patch(ctx, slot, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
}
