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

// measureStarts starts bare pods with claims and workspaces by turns, each as many, from the first creation to the last
// that is seen to run, and counts what the manager writes meanwhile.
func (p *plane) measureStarts(ctx context.Context, s sizes) error {
	pattern, err := p.pattern(ctx)
	if err != nil {
		return err
	}
	var ratios, writes, rates []float64
	for pair := range s.pairs {
		pods, err := p.timeBare(ctx, pattern, pair, s.pods)
		if err != nil {
			return err
		}
		before, err := readWrites(p.audit, account)
		if err != nil {
			return err
		}
		profiled := p.profile(ctx, s.profiles, fmt.Sprintf("cpu-%d", pair), "profile?seconds=5", true)
		spaces, err := p.timeWorkspaces(ctx, pair, s.pods, func() error {
			after, err := readWrites(p.audit, account)
			if err != nil {
				return err
			}
			made := after.since(before)
			writes = append(writes, float64(made.total)/float64(s.pods))
			note("writes a start: %s", made.each(s.pods))
			return nil
		})
		if err = firstOf(err, profiled.Wait()); err != nil {
			return err
		}
		ratios, rates = append(ratios, spaces.Seconds()/pods.Seconds()), append(rates, float64(s.pods)/pods.Seconds())
		note("pair %d: %d pods in %.2f s, %d workspaces in %.2f s, ratio %.3f", pair+1, s.pods, pods.Seconds(), s.pods, spaces.Seconds(), ratios[pair])
	}
	middle := median(ratios)
	note("bare pods: %.0f/s; ratios from %.3f to %.3f", median(rates), ratios[0], ratios[len(ratios)-1])
	figure("start-ratio", middle, "ratio", "<=1.15")
	figure("writes-per-start", median(writes), "writes", "<=8")
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

func (p *plane) timeBare(ctx context.Context, pattern *corev1.Pod, round, n int) (time.Duration, error) {
	began := time.Now()
	err := each(ctx, n, func(ctx context.Context, i int) error {
		name := fmt.Sprintf("bare-%d-%d", round, i)
		claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: bare, Name: name}, Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: tenGiB}},
		}}
		pod := pattern.DeepCopy()
		pod.Namespace, pod.Name = bare, name
		for v := range pod.Spec.Volumes {
			if c := pod.Spec.Volumes[v].PersistentVolumeClaim; c != nil {
				c.ClaimName = name
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
	took := time.Since(began)
	if err != nil {
		return 0, err
	}
	if err := p.clear(ctx, &corev1.Pod{}, bare, pods); err != nil {
		return 0, err
	}
	return took, p.clear(ctx, &corev1.PersistentVolumeClaim{}, bare, claims)
}

// timeWorkspaces starts workspaces; settled is called once all run and the manager writes no more.
func (p *plane) timeWorkspaces(ctx context.Context, round, n int, settled func() error) (time.Duration, error) {
	began := time.Now()
	err := each(ctx, n, func(ctx context.Context, i int) error {
		return p.Client.Create(ctx, given.Workspace(organization, fmt.Sprintf("w-%d-%d", round, i), owner, template))
	})
	if err == nil {
		err = p.player.await(ctx, workspaces, organization, n, n)
	}
	took := time.Since(began)
	if err != nil {
		return 0, err
	}
	if err := p.calm(ctx); err != nil {
		return 0, err
	}
	if err := settled(); err != nil {
		return 0, err
	}
	return took, p.clear(ctx, &v1alpha1.Workspace{}, organization, workspaces, pods, claims)
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
