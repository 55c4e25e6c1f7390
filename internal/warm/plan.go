// SPDX-License-Identifier: Apache-2.0

package warm

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// How soon a prepared workspace that has failed is made anew: at first, and at most.
const (
	retrySoonest = 15 * time.Second
	retryLatest  = 30 * time.Minute
)

// Make is how the prepared workspaces of a pool are to be made.
type Make struct {
	// Size is how many are wanted.
	Size int
	// Hash is that of version and parameters; empty where none can be made.
	Hash string
	// Intent tells what is rendered now from what was rendered before, as by another release.
	Intent string
}

// Plan is what becomes of a pool.
type Plan struct {
	// End are those that go.
	End []*v1alpha1.WarmWorkspace
	// Make is how many are made, and Attempt which attempt they are: 0 where the last ones went well.
	Make, Attempt int
	// Ready and Preparing count those that stay.
	Ready, Preparing int
	// Failed says why one that stays has failed; empty where none has.
	Failed string
	// Until is when time alone changes the plan; zero is never.
	Until time.Time
}

// For plans a pool from the prepared workspaces that are there. Those that were claimed are no longer its own. One that has
// failed keeps its place until its time has come, the later the more often it has failed, so that a pool that can't have
// what it wants makes little noise.
func For(slots []v1alpha1.WarmWorkspace, want Make, now time.Time) Plan {
	var p Plan
	var good, failed []*v1alpha1.WarmWorkspace
	for i := range slots {
		s := &slots[i]
		switch {
		case s.Spec.Claim != nil || s.DeletionTimestamp != nil:
		case s.Spec.ResolvedHash != want.Hash || s.Annotations[v1alpha1.AnnotationIntent] != want.Intent || want.Size == 0:
			p.End = append(p.End, s)
		case Failed(s) != "":
			failed = append(failed, s)
		default:
			good = append(good, s)
		}
	}
	// the best stay: those that can be claimed, then the oldest, which are nearest to it
	slices.SortStableFunc(good, func(a, b *v1alpha1.WarmWorkspace) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), v1alpha1.CreatedAt(a).Compare(v1alpha1.CreatedAt(b)), cmp.Compare(a.UID, b.UID))
	})
	if len(good) > want.Size {
		p.End = append(p.End, good[want.Size:]...)
		good = good[:want.Size]
	}
	for _, s := range good {
		if rank(s) == 0 {
			p.Ready++
		} else {
			p.Preparing++
		}
	}
	held := 0
	for _, s := range failed {
		again := failedAt(s).Add(backOff(Attempt(s)))
		switch {
		case len(good)+held >= want.Size:
			p.End = append(p.End, s)
		case now.Before(again):
			p.Failed = Failed(s)
			held++
			if p.Until.IsZero() || again.Before(p.Until) {
				p.Until = again
			}
		default:
			p.End = append(p.End, s)
			p.Attempt = max(p.Attempt, Attempt(s)+1)
		}
	}
	if p.Ready > 0 {
		p.Attempt = 0
	}
	if want.Hash != "" {
		p.Make = max(want.Size-len(good)-held, 0)
	}
	return p
}

func rank(s *v1alpha1.WarmWorkspace) int {
	if s.Status.Phase == v1alpha1.WarmReady && Listens(s) {
		return 0
	}
	return 1
}

// Failed says why a prepared workspace has failed for good; empty where it has not.
func Failed(s *v1alpha1.WarmWorkspace) string {
	c := meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionStalled)
	if c == nil || c.Status != "True" {
		return ""
	}
	return cmp.Or(c.Message, c.Reason)
}

func failedAt(s *v1alpha1.WarmWorkspace) time.Time {
	return meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionStalled).LastTransitionTime.Time
}

// Attempt is how many before this one have failed in a row.
func Attempt(s *v1alpha1.WarmWorkspace) int {
	n, err := strconv.Atoi(s.Annotations[v1alpha1.AnnotationAttempt])
	if err != nil || n < 0 {
		return 0
	}
	return n
}

func backOff(attempt int) time.Duration {
	return min(retrySoonest<<min(attempt, 10), retryLatest)
}
