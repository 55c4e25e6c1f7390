// SPDX-License-Identifier: Apache-2.0

package records

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// maintainEvery is how often small objects are merged and old ones removed. Where there is nothing to do, nothing is
	// asked of the cluster.
	maintainEvery = time.Minute
	// mergeAt is how many objects of a size make a merge, and mergeMost how many one merge takes.
	mergeAt, mergeMost = 32, 256
	// orphanAfter is how old another process' object must be to be merged by this one: its own would have done so.
	orphanAfter = 15 * time.Minute
)

// tiers are the sizes in bytes below which objects are merged with others of their tier, so that no line is rewritten more
// often than there are tiers.
var tiers = []int{8 << 10, 96 << 10}

// Maintain keeps the series small until the context ends.
func (s *Series) Maintain(ctx context.Context) error {
	for {
		// Replicas that begin together should not merge together.
		wait := maintainEvery + rand.N(maintainEvery/4)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		if err := s.Tidy(ctx); err != nil && ctx.Err() == nil {
			s.o.Failed(err)
		}
	}
}

// Tidy merges and removes what is due now. Any number of processes may do it at once.
func (s *Series) Tidy(ctx context.Context) error {
	for _, k := range expired(s.all(), s.o.Now(), s.o.MaxAge, s.o.MaxBytes) {
		if err := s.remove(ctx, k); err != nil {
			return err
		}
	}
	for _, parts := range s.merges() {
		if err := s.merge(ctx, parts); err != nil {
			return err
		}
	}
	return nil
}

// Size is how many objects the series has, and how many bytes.
func (s *Series) Size() (objects, bytes int) {
	for _, k := range s.all() {
		objects, bytes = objects+1, bytes+k.size
	}
	return objects, bytes
}

// all are the stored objects, the oldest first.
func (s *Series) all() []kept {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]kept, 0, len(s.objects))
	for _, k := range s.objects {
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b kept) int {
		if c := a.last.Compare(b.last); c != 0 {
			return c
		}
		return strings.Compare(a.name, b.name)
	})
	return all
}

// expired are the objects, the oldest first, whose last line is too old, and those by which the rest is too large.
func expired(all []kept, now time.Time, maxAge time.Duration, maxBytes int) []kept {
	total := 0
	for _, k := range all {
		total += k.size
	}
	n := 0
	for n < len(all) && (total > maxBytes || now.Sub(all[n].last) > maxAge) {
		total -= all[n].size
		n++
	}
	return all[:n]
}

// merges are the sets of objects that are to become one each.
func (s *Series) merges() [][]kept {
	now := s.o.Now()
	var sets [][]kept
	below := 0
	for _, top := range tiers {
		var set []kept
		size := 0
		for _, k := range s.all() {
			own := strings.Contains(k.name, "-"+s.writer+"-")
			if k.size < below || k.size >= top || !own && now.Sub(k.made) < orphanAfter {
				continue
			}
			if size+k.size > maxPacked || len(set) == mergeMost {
				sets, set, size = append(sets, set), nil, 0
			}
			set, size = append(set, k), size+k.size
		}
		if len(set) >= mergeAt {
			sets = append(sets, set)
		}
		below = top
	}
	return sets
}

// merge stores the lines of the parts as one object, and only then removes the parts: whoever dies between leaves lines
// twice, which readers notice, and none lost.
func (s *Series) merge(ctx context.Context, parts []kept) error {
	slices.SortFunc(parts, func(a, b kept) int { return strings.Compare(a.name, b.name) })
	var lines [][]byte
	seen := map[string]bool{}
	first, last := parts[0].first, parts[0].last
	for _, p := range parts {
		secret := &corev1.Secret{}
		err := s.o.Cluster.Get(ctx, client.ObjectKey{Namespace: s.o.Namespace, Name: p.name}, secret)
		if apierrors.IsNotFound(err) {
			s.forget(p.name)
			return nil // somebody else is at it
		}
		if err != nil {
			return fmt.Errorf("merging %s: %w", p.name, err)
		}
		some, err := unpack(secret)
		if err != nil {
			return err
		}
		for _, line := range some {
			if !seen[string(line)] {
				seen[string(line)] = true
				lines = append(lines, line)
			}
		}
		if p.first.Before(first) {
			first = p.first
		}
		if p.last.After(last) {
			last = p.last
		}
	}
	merged, err := pack(s.o.Namespace, s.o.Name, mergedName(s.o.Name, first, parts), lines, first, last)
	if err != nil {
		return err
	}
	if err := s.o.Cluster.Create(ctx, merged); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("merging into %s: %w", merged.Name, err)
	}
	s.noted(merged, lines)
	for _, p := range parts {
		if err := s.remove(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// remove deletes a stored object. That another process did so is the same.
func (s *Series) remove(ctx context.Context, k kept) error {
	o := &corev1.Secret{}
	o.Namespace, o.Name = s.o.Namespace, k.name
	var only []client.DeleteOption
	if k.uid != "" {
		only = append(only, client.Preconditions{UID: &k.uid})
	}
	if err := s.o.Cluster.Delete(ctx, o, only...); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("removing %s: %w", k.name, err)
	}
	s.forget(k.name)
	return nil
}
