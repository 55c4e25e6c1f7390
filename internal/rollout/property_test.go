// SPDX-License-Identifier: Apache-2.0

package rollout_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/rollout"
)

// Whatever happens in whichever order, a rollout is promoted only when every step has lasted and has had its starts, it
// never goes back a step, what it has counted stays, the clock alone moves it only when it said so, and looking twice
// changes nothing.
func TestARolloutNeverGoesAstray(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 7))
		percent, few := int32(25), int32(random.IntN(4))
		r := v1alpha1.Rollout{
			Strategy: v1alpha1.RolloutProgressive, MinBuilds: &few,
			Steps: []v1alpha1.RolloutStep{{Group: "a", For: "1h"}, {Percent: &percent, For: "2h"}, {Group: "b"}},
		}
		if random.IntN(2) == 0 {
			r.Deadline = "5h"
		}
		v := rollout.View{Rollout: &r, Active: old, Latest: fresh, Short: "7c9f2a", Now: noon}
		var lasted [3]time.Duration
		var had [3]int
		step, number := int32(0), int64(0)
		plan := rollout.Progress(v)
		for range 200 {
			v.Candidate, v.Rejected = plan.Candidate, plan.Rejected
			if diff := cmp.Diff(plan, rollout.Progress(v)); diff != "" {
				t.Fatalf("seed %d: looking twice changes it:\n%s", seed, diff)
			}
			if !plan.Until.IsZero() && !plan.Until.After(v.Now) {
				t.Fatalf("seed %d: it wants to be looked at in the past, %s at %s", seed, plan.Until, v.Now)
			}
			switch random.IntN(4) {
			case 0:
				number++
				ok := random.IntN(3) > 0
				v.Starts = append(v.Starts, rollout.Start{Workspace: types.UID(fmt.Sprint(random.IntN(6))), Number: number, At: v.Now, Succeeded: ok})
				if ok {
					had[step]++
				}
			case 1:
				r.Paused = !r.Paused
			default:
				d := time.Duration(random.IntN(120)) * time.Minute
				if plan.Candidate != nil && !r.Paused && !plan.Until.IsZero() && v.Now.Add(d).Before(plan.Until) {
					quiet := v
					quiet.Now = v.Now.Add(d)
					if diff := cmp.Diff(plan, rollout.Progress(quiet)); diff != "" {
						t.Fatalf("seed %d: time moves it before it said so:\n%s", seed, diff)
					}
				}
				v.Now = v.Now.Add(d)
				if !r.Paused && plan.Candidate != nil {
					lasted[step] += d
				}
			}
			was := plan
			plan = rollout.Progress(v)
			switch {
			case plan.Promoted:
				step = int32(len(r.Steps))
			case plan.Rejected != nil:
				takenBack(t, seed, r, was, plan)
			case plan.Candidate == nil:
				if was.Candidate != nil {
					t.Fatalf("seed %d: it was forgotten", seed)
				}
				continue
			default:
				if plan.Candidate.Step < step {
					t.Fatalf("seed %d: back from step %d to %d", seed, step, plan.Candidate.Step)
				}
				if was.Candidate != nil && plan.Candidate.Step == was.Candidate.Step && plan.Candidate.Succeeded < was.Candidate.Succeeded {
					t.Fatalf("seed %d: it has lost starts", seed)
				}
				step = plan.Candidate.Step
			}
			for i := range min(step, 2) {
				if want := time.Duration(i+1) * time.Hour; lasted[i] < want || had[i] < int(few) {
					t.Fatalf("seed %d: step %d was passed after %s with %d starts", seed, i, lasted[i], had[i])
				}
			}
			if plan.Promoted || plan.Rejected != nil {
				break
			}
		}
	}
}

// takenBack checks that a rollout was taken back for a reason, and not while it was paused.
func takenBack(t *testing.T, seed uint64, r v1alpha1.Rollout, was, is rollout.Plan) {
	t.Helper()
	if r.Paused || is.Rejected.Why == "" || was.Rejected == nil && is.Candidate != nil {
		t.Fatalf("seed %d: taken back: %+v", seed, is)
	}
}
