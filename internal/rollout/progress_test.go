// SPDX-License-Identifier: Apache-2.0

package rollout_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/rollout"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// starts are starts of the fresh version at minutes after noon: "a+5" is one of workspace a that went well, "a-6" one
// that failed.
func starts(list ...string) []rollout.Start {
	var all []rollout.Start
	for i, text := range list {
		var minutes int
		if _, err := fmt.Sscanf(text[2:], "%d", &minutes); err != nil {
			panic(err)
		}
		all = append(all, rollout.Start{
			Workspace: types.UID(text[:1]), Number: int64(i + 1), Succeeded: text[1] == '+', At: noon.Add(time.Duration(minutes) * time.Minute),
		})
	}
	return all
}

func TestProgress(t *testing.T) {
	percent, few := int32(25), int32(2)
	steps := []v1alpha1.RolloutStep{{Group: "canaries", For: "1h"}, {Percent: &percent, For: "2h"}}
	plain := v1alpha1.Rollout{Strategy: v1alpha1.RolloutProgressive, Steps: steps}
	gated := plain
	gated.MinBuilds = &few
	limited := gated
	limited.Deadline = "90m"
	paused := gated
	paused.Paused = true

	at := func(step int32, since int, succeeded, failed int64) *v1alpha1.RolloutCandidate {
		return &v1alpha1.RolloutCandidate{
			UIDReference: fresh, Step: step, Since: minute(since), StartedAt: minute(0), Succeeded: succeeded, Failed: failed,
		}
	}
	for name, c := range map[string]struct {
		rollout   v1alpha1.Rollout
		candidate *v1alpha1.RolloutCandidate
		rejected  *v1alpha1.RejectedVersion
		active    v1alpha1.UIDReference
		starts    []rollout.Start
		minute    int
		want      rollout.Plan
		wantWhy   string
	}{
		"it begins":                  {rollout: plain, want: rollout.Plan{Candidate: at(0, 0, 0, 0), Words: "canaries until 13:00 UTC", Until: minute(60).Time}},
		"it is there already":        {rollout: plain, active: fresh, candidate: at(0, 0, 0, 0), want: rollout.Plan{Promoted: true}},
		"without steps":              {rollout: v1alpha1.Rollout{}, want: rollout.Plan{Promoted: true}},
		"a step of no length":        {rollout: v1alpha1.Rollout{Steps: []v1alpha1.RolloutStep{{Group: "a"}, {Group: "b"}}}, want: rollout.Plan{Promoted: true}},
		"another content was before": {rollout: plain, candidate: &v1alpha1.RolloutCandidate{UIDReference: old, Step: 1}, want: rollout.Plan{Candidate: at(0, 0, 0, 0), Words: "canaries until 13:00 UTC", Until: minute(60).Time}},
		"a step that lasts": {rollout: gated, candidate: at(0, 0, 0, 0), starts: starts("a+5", "b+6", "c+7"), minute: 59,
			want: rollout.Plan{Candidate: at(0, 0, 3, 0), Words: "canaries until 13:00 UTC", Until: minute(60).Time}},
		"a step that is over": {rollout: gated, candidate: at(0, 0, 2, 0), starts: starts("a+5", "b+6"), minute: 60,
			want: rollout.Plan{Candidate: at(1, 60, 0, 0), Words: "25% until 15:00 UTC", Until: minute(180).Time}},
		"a step that waits for starts": {rollout: gated, candidate: at(0, 0, 0, 0), starts: starts("a+5"), minute: 300,
			want: rollout.Plan{Candidate: at(0, 0, 1, 0), Words: "canaries, 1 of 2 starts"}},
		"a step that waits until its deadline": {rollout: limited, candidate: at(0, 0, 0, 0), starts: starts("a+5"), minute: 89,
			want: rollout.Plan{Candidate: at(0, 0, 1, 0), Words: "canaries, 1 of 2 starts until 13:30 UTC", Until: minute(90).Time}},
		"a step that came too late": {rollout: limited, candidate: at(0, 0, 1, 0), starts: starts("a+5"), minute: 90,
			wantWhy: "1 of 2 starts with 7c9f2a succeeded within 90m"},
		"a step that lasts longer than its deadline": {rollout: limited, candidate: at(1, 60, 0, 0), starts: starts("a+70", "b+80"), minute: 170,
			want: rollout.Plan{Candidate: at(1, 60, 2, 0), Words: "25% until 15:00 UTC", Until: minute(180).Time}},
		"the last step is over":                  {rollout: limited, candidate: at(1, 60, 0, 0), starts: starts("a+70", "b+80"), minute: 180, want: rollout.Plan{Promoted: true}},
		"starts of the step before do not count": {rollout: gated, candidate: at(1, 60, 0, 0), starts: starts("a+5", "b+6", "a+70"), minute: 400, want: rollout.Plan{Candidate: at(1, 60, 1, 0), Words: "25%, 1 of 2 starts"}},
		"what was counted stays":                 {rollout: gated, candidate: at(0, 0, 1, 2), minute: 61, want: rollout.Plan{Candidate: at(0, 0, 1, 2), Words: "canaries, 1 of 2 starts"}},

		"two failed": {rollout: plain, candidate: at(0, 0, 0, 0), starts: starts("a-5", "b-6"), minute: 10,
			want: rollout.Plan{Candidate: at(0, 0, 0, 2), Words: "canaries until 13:00 UTC", Until: minute(60).Time}},
		"three failed": {rollout: plain, candidate: at(0, 0, 0, 2), starts: starts("a-5", "b-6", "c+7", "a-8"), minute: 10,
			wantWhy: "3 starts with 7c9f2a failed, last in 2 of 3 workspaces"},
		"three failed, and in half of the workspaces": {rollout: plain, candidate: at(0, 0, 0, 0), starts: starts("a-5", "b-6", "c+7", "a-8", "d+9"), minute: 10,
			want: rollout.Plan{Candidate: at(0, 0, 2, 3), Words: "canaries until 13:00 UTC", Until: minute(60).Time}},
		"three failed and then went well": {rollout: plain, candidate: at(0, 0, 0, 0), starts: starts("a-5", "b-6", "a-7", "a+8", "b+9"), minute: 10,
			want: rollout.Plan{Candidate: at(0, 0, 2, 3), Words: "canaries until 13:00 UTC", Until: minute(60).Time}},
		"failures of an earlier try": {rollout: plain, candidate: at(0, 0, 0, 0), starts: starts("a-0", "a--5", "a--6", "b--7"), minute: 10,
			want: rollout.Plan{Candidate: at(0, 0, 0, 1), Words: "canaries until 13:00 UTC", Until: minute(60).Time}},
		"taken back": {rollout: plain, rejected: &v1alpha1.RejectedVersion{UIDReference: fresh, Why: "it"}, minute: 10,
			want: rollout.Plan{Rejected: &v1alpha1.RejectedVersion{UIDReference: fresh, Why: "it"}}},
		"taken back, and there is other content": {rollout: plain, rejected: &v1alpha1.RejectedVersion{UIDReference: old, Why: "it"},
			want: rollout.Plan{Candidate: at(0, 0, 0, 0), Words: "canaries until 13:00 UTC", Until: minute(60).Time}},

		"paused before it began": {rollout: paused, want: rollout.Plan{Words: "paused before 7c9f2a"}},
		"paused": {rollout: paused, candidate: at(0, 0, 0, 0), starts: starts("a-1", "a-2", "a-3"), minute: 90,
			want: rollout.Plan{Candidate: with(at(0, 0, 0, 3), 90), Words: "paused at canaries"}},
		"still paused": {rollout: paused, candidate: with(at(1, 60, 0, 0), 90), minute: 900,
			want: rollout.Plan{Candidate: with(at(1, 60, 0, 0), 90), Words: "paused at 25%"}},
		"resumed: the pause does not count": {rollout: gated, candidate: with(at(0, 0, 1, 0), 30), minute: 230,
			want: rollout.Plan{Candidate: at(0, 200, 1, 0), Words: "canaries until 16:20 UTC", Until: minute(260).Time}},
	} {
		t.Run(name, func(t *testing.T) {
			if c.active.UID == "" {
				c.active = old
			}
			v := rollout.View{
				Rollout: &c.rollout, Active: c.active, Latest: fresh, Short: "7c9f2a", Starts: c.starts,
				Candidate: c.candidate, Rejected: c.rejected, Now: minute(c.minute).Time,
			}
			got := rollout.Progress(v)
			if c.wantWhy != "" {
				c.want.Rejected = &v1alpha1.RejectedVersion{UIDReference: fresh, At: minute(c.minute), Why: c.wantWhy}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("want -, got +:\n%s", diff)
			}
			if got.Promoted {
				return
			}
			v.Candidate, v.Rejected = got.Candidate, got.Rejected
			if diff := cmp.Diff(got, rollout.Progress(v)); diff != "" {
				t.Errorf("a plan that was taken up does not give itself:\n%s", diff)
			}
		})
	}
}

func minute(n int) metav1.Time { return metav1.NewTime(noon.Add(time.Duration(n) * time.Minute)) }

func with(c *v1alpha1.RolloutCandidate, pausedAt int) *v1alpha1.RolloutCandidate {
	at := minute(pausedAt)
	c.PausedAt = &at
	return c
}

func TestClock(t *testing.T) {
	for after, want := range map[time.Duration]string{24 * time.Hour: "12:00 UTC", 25 * time.Hour: "Nov 26 13:00 UTC"} {
		if got := rollout.Clock(noon.Add(after), noon); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
