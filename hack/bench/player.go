// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// player plays scheduler, kubelet and volume provisioner: it binds pods and claims, says that they run, and ends those
// that are deleted. It also counts, from the same watches, what runs.
type player struct {
	client client.Client
	queue  workqueue.TypedRateLimitingInterface[item]
	limit  *rate.Limiter
	group  *errgroup.Group

	mu sync.Mutex
	// there and runs count by kind and namespace.
	there, runs map[string]map[types.UID]bool
	changed     chan struct{}
}

// item is an object to look at.
type item struct {
	kind string
	key  client.ObjectKey
}

// players is how many objects are played at once.
const players = 16

const (
	pods       = "pods"
	claims     = "claims"
	workspaces = "workspaces"
)

// startPlayer starts a player that lets so many pods a second run. It ends with ctx.
func startPlayer(ctx context.Context, config *rest.Config, perSecond float64) (*player, error) {
	s := runtime.NewScheme()
	if err := errors.Join(scheme.AddToScheme(s), v1alpha1.AddToScheme(s)); err != nil {
		return nil, err
	}
	watched, err := cache.New(config, cache.Options{Scheme: s, DefaultTransform: cache.TransformStripManagedFields()})
	if err != nil {
		return nil, err
	}
	c, err := client.New(config, client.Options{Scheme: s, Cache: &client.CacheOptions{Reader: watched}})
	if err != nil {
		return nil, err
	}
	group, ctx := errgroup.WithContext(ctx)
	p := &player{
		client: c, limit: rate.NewLimiter(rate.Limit(perSecond), 1), group: group,
		queue: workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[item]()),
		there: map[string]map[types.UID]bool{}, runs: map[string]map[types.UID]bool{}, changed: make(chan struct{}),
	}
	for kind, o := range map[string]client.Object{pods: &corev1.Pod{}, claims: &corev1.PersistentVolumeClaim{}, workspaces: &v1alpha1.Workspace{}} {
		informer, err := watched.GetInformer(ctx, o, cache.BlockUntilSynced(false))
		if err != nil {
			return nil, err
		}
		if _, err := informer.AddEventHandler(p.handler(kind)); err != nil {
			return nil, err
		}
	}
	group.Go(func() error { return watched.Start(ctx) })
	group.Go(func() error { <-ctx.Done(); p.queue.ShutDown(); return nil })
	for range players {
		group.Go(func() error {
			for p.play(ctx) {
			}
			return nil
		})
	}
	if !watched.WaitForCacheSync(ctx) {
		return nil, errors.New("the player's caches did not fill")
	}
	return p, nil
}

// wait waits until the player has ended, as its context asks it to.
func (p *player) wait() error {
	err := p.group.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func (p *player) handler(kind string) toolscache.ResourceEventHandler {
	seen := func(o any) {
		object := o.(client.Object)
		p.note(kind, object, true)
		if kind != workspaces {
			p.queue.Add(item{kind, client.ObjectKeyFromObject(object)})
		}
	}
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    seen,
		UpdateFunc: func(_, o any) { seen(o) },
		DeleteFunc: func(o any) {
			if gone, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
				o = gone.Obj
			}
			p.note(kind, o.(client.Object), false)
		},
	}
}

// note counts an object.
func (p *player) note(kind string, o client.Object, there bool) {
	running := false
	switch o := o.(type) {
	case *corev1.Pod:
		running = o.Status.Phase == corev1.PodRunning
	case *v1alpha1.Workspace:
		running = o.Status.Phase == v1alpha1.PhaseRunning
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	where := kind + " in " + o.GetNamespace()
	set(p.there, where, o.GetUID(), there)
	set(p.runs, where, o.GetUID(), there && running)
	close(p.changed)
	p.changed = make(chan struct{})
}

func set(of map[string]map[types.UID]bool, where string, uid types.UID, is bool) {
	if !is {
		delete(of[where], uid)
		return
	}
	if of[where] == nil {
		of[where] = map[types.UID]bool{}
	}
	of[where][uid] = true
}

// count is how many objects of a kind a namespace has, and how many of them run.
func (p *player) count(kind, namespace string) (there, run int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	where := kind + " in " + namespace
	return len(p.there[where]), len(p.runs[where])
}

// await waits, event by event, until so many objects are there and run.
func (p *player) await(ctx context.Context, kind, namespace string, there, run int) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		p.mu.Lock()
		changed := p.changed
		p.mu.Unlock()
		isThere, isRun := p.count(kind, namespace)
		if isThere == there && isRun == run {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d %s in %s are there, and %d of %d run: %w", isThere, there, kind, namespace, isRun, run, ctx.Err())
		case <-changed:
		}
	}
}

// play brings one object a step nearer to what a node would make of it.
func (p *player) play(ctx context.Context) bool {
	next, down := p.queue.Get()
	if down {
		return false
	}
	defer p.queue.Done(next)
	var err error
	switch next.kind {
	case pods:
		err = p.playPod(ctx, next.key)
	case claims:
		err = p.playClaim(ctx, next.key)
	}
	switch {
	case client.IgnoreNotFound(err) == nil || ctx.Err() != nil:
		p.queue.Forget(next)
	default:
		fmt.Fprintf(os.Stderr, "player: %s %s: %v\n", next.kind, next.key, err)
		p.queue.AddRateLimited(next)
	}
	return true
}

func (p *player) playPod(ctx context.Context, key client.ObjectKey) error {
	pod := &corev1.Pod{}
	if err := p.client.Get(ctx, key, pod); err != nil {
		return err
	}
	switch {
	case pod.DeletionTimestamp != nil:
		return p.client.Delete(ctx, pod, client.GracePeriodSeconds(0), client.Preconditions{UID: &pod.UID})
	case pod.Spec.NodeName == "":
		if err := p.limit.Wait(ctx); err != nil {
			return err
		}
		return p.client.SubResource("binding").Create(ctx, pod, &corev1.Binding{
			ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Namespace: pod.Namespace}, Target: corev1.ObjectReference{Kind: "Node", Name: "n1"},
		})
	case pod.Status.Phase == corev1.PodPending:
		return p.patchStatus(ctx, pod, running(pod))
	}
	return nil
}

// running is the status of a pod all of whose containers run.
func running(pod *corev1.Pod) any {
	var list []corev1.ContainerStatus
	for _, c := range pod.Spec.Containers {
		list = append(list, corev1.ContainerStatus{Name: c.Name, Image: c.Image, Ready: true,
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}}})
	}
	return corev1.PodStatus{
		Phase: corev1.PodRunning, PodIP: "10.0.0.7", PodIPs: []corev1.PodIP{{IP: "10.0.0.7"}}, ContainerStatuses: list,
		Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
	}
}

func (p *player) playClaim(ctx context.Context, key client.ObjectKey) error {
	claim := &corev1.PersistentVolumeClaim{}
	if err := p.client.Get(ctx, key, claim); err != nil {
		return err
	}
	switch {
	case claim.DeletionTimestamp != nil && len(claim.Finalizers) > 0:
		return p.client.Patch(ctx, claim, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`)))
	case claim.DeletionTimestamp == nil && claim.Status.Phase == corev1.ClaimPending:
		return p.patchStatus(ctx, claim, corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimBound, AccessModes: claim.Spec.AccessModes})
	}
	return nil
}

func (p *player) patchStatus(ctx context.Context, o client.Object, status any) error {
	patch, err := json.Marshal(map[string]any{"status": status})
	if err != nil {
		return err
	}
	return p.client.Status().Patch(ctx, o, client.RawPatch(types.MergePatchType, patch))
}
