// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/testing/given"
)

// hands is how many objects are created or deleted at once.
const hands = 16

// measureRounds starts and deletes bare pods with claims and workspaces by turns, each as many: from the first creation to
// the last that is seen to run, and from the first deletion to the last that is gone. It counts what the manager writes for a
// start, and asks for a deletion.
func (p *plane) measureRounds(ctx context.Context, s sizes) error {
	pattern, err := p.pattern(ctx)
	if err != nil {
		return err
	}
	var starts, deletions, writes, rates, ends []float64
	for pair := range s.pairs {
		pods, err := p.timeBare(ctx, pattern, pair, s.pods)
		if err != nil {
			return err
		}
		spaces, made, err := p.timeWorkspaces(ctx, s, pair)
		if err != nil {
			return err
		}
		writes = append(writes, float64(made.total)/float64(s.pods))
		starts, rates = append(starts, spaces.start.Seconds()/pods.start.Seconds()), append(rates, float64(s.pods)/pods.start.Seconds())
		deletions, ends = append(deletions, spaces.end.Seconds()/pods.end.Seconds()), append(ends, float64(s.pods)/pods.end.Seconds())
		note("pair %d: %d pods start in %.2f s, %d workspaces in %.2f s, ratio %.3f", pair+1, s.pods, pods.start.Seconds(), s.pods, spaces.start.Seconds(), starts[pair])
		note("pair %d: they go in %.2f s and %.2f s, ratio %.3f", pair+1, pods.end.Seconds(), spaces.end.Seconds(), deletions[pair])
	}
	started, deleted := median(starts), median(deletions)
	note("bare pods: %.0f/s start, ratios from %.3f to %.3f; %.0f/s go, ratios from %.3f to %.3f",
		median(rates), starts[0], starts[len(starts)-1], median(ends), deletions[0], deletions[len(deletions)-1])
	figure("start-ratio", started, "ratio", "<=1.15")
	figure("writes-per-start", median(writes), "writes", "<=8")
	figure("delete-ratio", deleted, "ratio", "<=5")
	return nil
}

// pattern is a pod as a workspace has it, for bare pods to be the same.
func (p *plane) pattern(ctx context.Context) (*corev1.Pod, error) {
	w := given.Workspace(organization, "pattern", owner, template)
	if err := p.create(ctx, w); err != nil {
		return nil, err
	}
	if err := p.player.await(ctx, workspaces, organization, 1, 1); err != nil {
		return nil, err
	}
	if err := p.Client.Get(ctx, client.ObjectKeyFromObject(w), w); err != nil {
		return nil, err
	}
	made := &corev1.Pod{}
	if err := p.Client.Get(ctx, client.ObjectKey{Namespace: organization, Name: w.Status.Pod.Name}, made); err != nil {
		return nil, err
	}
	spec := made.Spec.DeepCopy()
	spec.NodeName = ""
	return &corev1.Pod{Spec: *spec}, p.clear(ctx, &v1alpha1.Workspace{}, organization, workspaces, pods, claims)
}

// life is how long a round took to start, and how long to go.
type life struct{ start, end time.Duration }

func (p *plane) timeBare(ctx context.Context, pattern *corev1.Pod, round, n int) (l life, err error) {
	named := func(i int) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: bare, Name: fmt.Sprintf("bare-%d-%d", round, i)}
	}
	began := time.Now()
	err = each(ctx, n, func(ctx context.Context, i int) error {
		claim := &corev1.PersistentVolumeClaim{ObjectMeta: named(i), Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: tenGiB}},
		}}
		pod := pattern.DeepCopy()
		pod.ObjectMeta = named(i)
		for v := range pod.Spec.Volumes {
			if c := pod.Spec.Volumes[v].PersistentVolumeClaim; c != nil {
				c.ClaimName = pod.Name
			}
		}
		if err := p.Client.Create(ctx, claim); err != nil {
			return err
		}
		return p.Client.Create(ctx, pod)
	})
	if err == nil {
		err = p.player.await(ctx, pods, bare, n, n)
	}
	l.start = time.Since(began)
	if err != nil {
		return l, err
	}
	began = time.Now()
	err = each(ctx, n, func(ctx context.Context, i int) error {
		if err := p.Client.Delete(ctx, &corev1.Pod{ObjectMeta: named(i)}); err != nil {
			return err
		}
		return p.Client.Delete(ctx, &corev1.PersistentVolumeClaim{ObjectMeta: named(i)})
	})
	for _, kind := range []string{pods, claims} {
		err = firstOf(err, p.player.await(ctx, kind, bare, 0, 0))
	}
	l.end = time.Since(began)
	return l, err
}

// timeWorkspaces starts workspaces, counts what the manager has written once all run and it writes no more, and deletes them.
func (p *plane) timeWorkspaces(ctx context.Context, s sizes, round int) (l life, made writes, err error) {
	before, err := readWrites(p.audit, account)
	if err != nil {
		return l, made, err
	}
	profiled := p.profile(ctx, s.profiles, fmt.Sprintf("cpu-%d", round), "profile?seconds=5", true)
	began := time.Now()
	err = each(ctx, s.pods, func(ctx context.Context, i int) error {
		return p.Client.Create(ctx, given.Workspace(organization, fmt.Sprintf("w-%d-%d", round, i), owner, template))
	})
	if err == nil {
		err = p.player.await(ctx, workspaces, organization, s.pods, s.pods)
	}
	l.start = time.Since(began)
	if err = firstOf(err, profiled.Wait()); err != nil {
		return l, made, err
	}
	if err := p.calm(ctx); err != nil {
		return l, made, err
	}
	after, err := readWrites(p.audit, account)
	if err != nil {
		return l, made, err
	}
	made = after.since(before)
	note("writes a start: %s", made.each(s.pods))
	l.end, err = p.timeDeletions(ctx, s, round)
	return l, made, err
}

// timeDeletions deletes all workspaces, and says what the manager asked for them. The collector that takes their builds runs
// only afterwards, and is not timed.
func (p *plane) timeDeletions(ctx context.Context, s sizes, round int) (time.Duration, error) {
	before, err := p.manager.stats(ctx)
	if err != nil {
		return 0, err
	}
	profiled := p.profile(ctx, s.profiles, fmt.Sprintf("cpu-deletions-%d", round), "profile?seconds=5", true)
	began := time.Now()
	err = p.clear(ctx, &v1alpha1.Workspace{}, organization, workspaces, pods, claims)
	took := time.Since(began)
	if err = firstOf(err, profiled.Wait()); err != nil {
		return 0, err
	}
	after, err := p.manager.stats(ctx)
	if err != nil {
		return 0, err
	}
	note("requests a deletion: %s", requestsSince(before.Requests, after.Requests, s.pods))
	return took, p.clear(ctx, &v1alpha1.WorkspaceBuild{}, organization)
}

// grow adds workspaces until there are n, and waits until the manager writes no more.
func (p *plane) grow(ctx context.Context, n int) error {
	if n < p.workspaces {
		return fmt.Errorf("there are %d workspaces already, and %d are asked for", p.workspaces, n)
	}
	first, began := p.workspaces, time.Now()
	err := each(ctx, n-first, func(ctx context.Context, i int) error {
		return p.create(ctx, given.Workspace(organization, fmt.Sprintf("g-%d", first+i), owner, template))
	})
	if err != nil {
		return err
	}
	p.workspaces = n
	if err := p.player.await(ctx, workspaces, organization, n, n); err != nil {
		return err
	}
	note("%d workspaces run, the last %d after %.0f s", n, n-first, time.Since(began).Seconds())
	return p.calm(ctx)
}

// clear deletes all objects of a kind in a namespace, and waits until those kinds are empty. It does so one by one: a single
// request for hundreds of them takes longer than the kube-apiserver lets a request take.
func (p *plane) clear(ctx context.Context, of client.Object, namespace string, gone ...string) error {
	kind, err := apiutil.GVKForObject(of, p.Client.Scheme())
	if err != nil {
		return err
	}
	var list metav1.PartialObjectMetadataList
	list.SetGroupVersionKind(kind)
	if err := p.Client.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		return err
	}
	err = each(ctx, len(list.Items), func(ctx context.Context, i int) error {
		return client.IgnoreNotFound(p.Client.Delete(ctx, &list.Items[i]))
	})
	if err != nil {
		return err
	}
	for _, kind := range gone {
		if err := p.player.await(ctx, kind, namespace, 0, 0); err != nil {
			return err
		}
	}
	return nil
}

// calmFor is how long the manager must have written nothing for a cluster to be at rest.
const calmFor = 5 * time.Second

// calm waits until the manager has written nothing for a while.
func (p *plane) calm(ctx context.Context) error {
	last, err := readWrites(p.audit, account)
	since := time.Now()
	if err != nil {
		return err
	}
	return until(ctx, func() (bool, error) {
		now, err := readWrites(p.audit, account)
		if err != nil {
			return true, err
		}
		if now.total != last.total {
			last, since = now, time.Now()
		}
		return time.Since(since) >= calmFor, nil
	})
}

// measureQuiet counts the manager's writes while nothing happens.
func (p *plane) measureQuiet(ctx context.Context, s sizes) error {
	before, err := readWrites(p.audit, account)
	if err != nil {
		return err
	}
	timer := time.NewTimer(s.quiet)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
	}
	after, err := readWrites(p.audit, account)
	if err != nil {
		return err
	}
	made := after.since(before)
	if made.total > 0 {
		note("writes in %v of quiet: %s", s.quiet, made.each(1))
	}
	figure("quiet-writes", float64(made.total), "writes", "0")
	return nil
}

// reconcileTime touches workspaces, each once, and gives the median time of their reconciles in seconds.
func (p *plane) reconcileTime(ctx context.Context, touched int) (float64, error) {
	before, err := p.manager.stats(ctx)
	if err != nil {
		return 0, err
	}
	mark := fmt.Appendf(nil, `{"metadata":{"annotations":{"bench.berth.dev/touched":"%d"}}}`, time.Now().UnixNano())
	n := min(touched, p.workspaces)
	for i := range n { // one after the other, so that reconciles do not queue behind each other
		w := &v1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Namespace: organization, Name: fmt.Sprintf("g-%d", i*p.workspaces/n)}}
		if err := p.Client.Patch(ctx, w, client.RawPatch("application/merge-patch+json", mark)); err != nil {
			return 0, err
		}
	}
	if err := p.calm(ctx); err != nil {
		return 0, err
	}
	after, err := p.manager.stats(ctx)
	if err != nil {
		return 0, err
	}
	seconds, of := medianSince(before.Reconciles["workspace"], after.Reconciles["workspace"])
	if of < uint64(n) {
		return 0, fmt.Errorf("%d workspaces were touched, and %d reconciles seen", n, of)
	}
	return seconds, nil
}

// heap is the manager's live heap in bytes.
func (p *plane) heap(ctx context.Context, s sizes, when string) (float64, error) {
	told, err := p.manager.stats(ctx)
	if err != nil {
		return 0, err
	}
	return float64(told.Heap), p.profile(ctx, s.profiles, "heap-"+when, "heap?gc=1", false).Wait()
}

// each does n things, some at once.
func each(ctx context.Context, n int, do func(context.Context, int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(hands)
	for i := range n {
		group.Go(func() error { return do(ctx, i) })
	}
	return group.Wait()
}
