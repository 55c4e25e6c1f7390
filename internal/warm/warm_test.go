// SPDX-License-Identifier: Apache-2.0

package warm_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/warm"
)

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t
}

func entry(cron, zone string, size int32) v1alpha1.WarmPoolSize {
	return v1alpha1.WarmPoolSize{Schedule: v1alpha1.Schedule{Schedule: cron, TimeZone: zone}, Size: size}
}

func TestSize(t *testing.T) {
	now := at("2026-11-26T12:00:00Z") // a Thursday
	ago := func(d ...time.Duration) []time.Time {
		var times []time.Time
		for _, d := range d {
			times = append(times, now.Add(-d))
		}
		return times
	}
	workdays := []v1alpha1.WarmPoolSize{entry("30 7 * * 1-5", "", 8), entry("0 19 * * 1-5", "", 0)}
	tests := map[string]struct {
		pool  v1alpha1.WarmPool
		made  []time.Time
		now   time.Time
		want  int
		until string
	}{
		"constant":                 {v1alpha1.WarmPool{Size: 3}, nil, now, 3, ""},
		"by day":                   {v1alpha1.WarmPool{Size: 3, Schedule: workdays}, nil, now, 8, "2026-11-26T19:00:00Z"},
		"by night":                 {v1alpha1.WarmPool{Size: 3, Schedule: workdays}, nil, at("2026-11-26T23:00:00Z"), 0, "2026-11-27T07:30:00Z"},
		"on Sunday":                {v1alpha1.WarmPool{Size: 3, Schedule: workdays}, nil, at("2026-11-29T12:00:00Z"), 0, "2026-11-30T07:30:00Z"},
		"just then":                {v1alpha1.WarmPool{Size: 3, Schedule: workdays}, nil, at("2026-11-26T19:00:00Z"), 0, "2026-11-27T07:30:00Z"},
		"in its own zone":          {v1alpha1.WarmPool{Schedule: []v1alpha1.WarmPoolSize{entry("30 12 * * *", "Europe/Zurich", 5)}}, nil, now, 5, "2026-11-27T11:30:00Z"},
		"a skipped hour":           {v1alpha1.WarmPool{Schedule: []v1alpha1.WarmPoolSize{entry("30 2 * * 0", "Europe/Zurich", 5), entry("0 2 * * 6", "Europe/Zurich", 1)}}, nil, at("2026-03-29T01:29:00Z"), 1, "2026-03-29T01:30:00Z"},
		"after the skipped hour":   {v1alpha1.WarmPool{Schedule: []v1alpha1.WarmPoolSize{entry("30 2 * * 0", "Europe/Zurich", 5), entry("0 2 * * 6", "Europe/Zurich", 1)}}, nil, at("2026-03-29T01:31:00Z"), 5, "2026-04-04T00:00:00Z"},
		"one that can't be read":   {v1alpha1.WarmPool{Size: 3, Schedule: []v1alpha1.WarmPoolSize{entry("61 7 * * 1", "", 8)}}, nil, now, 3, ""},
		"demand":                   {v1alpha1.WarmPool{Size: 1, Demand: &v1alpha1.WarmPoolDemand{Max: 4}}, ago(time.Minute, 59*time.Minute, time.Hour, 2*time.Hour), now, 2, "2026-11-26T12:01:00Z"},
		"demand at most":           {v1alpha1.WarmPool{Size: 1, Demand: &v1alpha1.WarmPoolDemand{Max: 2, Window: "10m"}}, ago(1, 2, 3, 4), now, 2, "2026-11-26T12:09:59Z"},
		"demand below the size":    {v1alpha1.WarmPool{Size: 3, Demand: &v1alpha1.WarmPoolDemand{Max: 4}}, ago(time.Minute), now, 3, "2026-11-26T12:59:00Z"},
		"demand beside a schedule": {v1alpha1.WarmPool{Size: 3, Schedule: workdays, Demand: &v1alpha1.WarmPoolDemand{Max: 9}}, ago(1, 2), at("2026-11-26T19:00:00Z"), 0, "2026-11-27T07:30:00Z"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			size, until := warm.Size(&test.pool, test.made, test.now)
			text := ""
			if !until.IsZero() {
				text = until.UTC().Truncate(time.Second).Format(time.RFC3339)
			}
			if size != test.want || text != test.until {
				t.Errorf("got %d until %q, want %d until %q", size, text, test.want, test.until)
			}
			if again, _ := warm.Size(&test.pool, test.made, test.now); again != size {
				t.Error("the same is not the same")
			}
		})
	}
}

const hash, intent = "h", "i"

// slot is a prepared workspace of the name that can be claimed.
func slot(name string, change ...func(*v1alpha1.WarmWorkspace)) v1alpha1.WarmWorkspace {
	s := v1alpha1.WarmWorkspace{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, UID: types.UID(name), Annotations: map[string]string{v1alpha1.AnnotationIntent: intent}},
		Spec:       v1alpha1.WarmWorkspaceSpec{TemplateRef: v1alpha1.NameReference{Name: "go"}, ResolvedHash: hash},
		Status: v1alpha1.WarmWorkspaceStatus{Phase: v1alpha1.WarmReady,
			Agents: []v1alpha1.WarmAgent{{Name: "main", Connected: true}, {Name: "web", Connected: true}}},
	}
	for _, f := range change {
		f(&s)
	}
	return s
}

func preparing(s *v1alpha1.WarmWorkspace) { s.Status.Phase = v1alpha1.WarmPreparing }
func claimed(s *v1alpha1.WarmWorkspace)   { s.Spec.Claim = &v1alpha1.WarmClaim{} }
func old(s *v1alpha1.WarmWorkspace)       { s.Spec.ResolvedHash = "other" }
func going(s *v1alpha1.WarmWorkspace)     { s.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)} }

func failed(attempt int, since time.Time) func(*v1alpha1.WarmWorkspace) {
	return func(s *v1alpha1.WarmWorkspace) {
		preparing(s)
		s.Annotations[v1alpha1.AnnotationAttempt] = fmt.Sprint(attempt)
		s.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionStalled, Status: metav1.ConditionTrue, Message: "no image",
			LastTransitionTime: metav1.NewTime(since)}}
	}
}

func TestPlan(t *testing.T) {
	now := at("2026-11-26T12:00:00Z")
	type plan struct {
		End                             []string
		Make, Attempt, Ready, Preparing int
		Failed                          string
	}
	tests := map[string]struct {
		size  int
		slots []v1alpha1.WarmWorkspace
		want  plan
	}{
		"empty":     {2, nil, plan{Make: 2}},
		"as wanted": {2, []v1alpha1.WarmWorkspace{slot("a"), slot("b", preparing)}, plan{Ready: 1, Preparing: 1}},
		"too many: what is ready stays": {1, []v1alpha1.WarmWorkspace{slot("a", preparing), slot("b"), slot("c", preparing)},
			plan{End: []string{"a", "c"}, Ready: 1}},
		"none wanted":               {0, []v1alpha1.WarmWorkspace{slot("a")}, plan{End: []string{"a"}}},
		"claimed and going":         {1, []v1alpha1.WarmWorkspace{slot("a", claimed), slot("b", going), slot("c", claimed, old)}, plan{Make: 1}},
		"of another making":         {1, []v1alpha1.WarmWorkspace{slot("a", old), slot("b", func(s *v1alpha1.WarmWorkspace) { s.Annotations[v1alpha1.AnnotationIntent] = "j" })}, plan{End: []string{"a", "b"}, Make: 1}},
		"failed just now":           {2, []v1alpha1.WarmWorkspace{slot("a"), slot("b", failed(0, now.Add(-time.Second)))}, plan{Ready: 1, Failed: "no image"}},
		"failed, and its time came": {1, []v1alpha1.WarmWorkspace{slot("b", failed(0, now.Add(-15*time.Second)))}, plan{End: []string{"b"}, Make: 1, Attempt: 1}},
		"failed often":              {1, []v1alpha1.WarmWorkspace{slot("b", failed(3, now.Add(-119*time.Second)))}, plan{Failed: "no image"}},
		"failed for ever":           {1, []v1alpha1.WarmWorkspace{slot("b", failed(99, now.Add(-time.Hour)))}, plan{End: []string{"b"}, Make: 1, Attempt: 100}},
		"failed beside enough":      {1, []v1alpha1.WarmWorkspace{slot("a"), slot("b", failed(0, now))}, plan{End: []string{"b"}, Ready: 1}},
		"one agent away":            {1, []v1alpha1.WarmWorkspace{slot("a", func(s *v1alpha1.WarmWorkspace) { s.Status.Agents[1].Connected = false })}, plan{Preparing: 1}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := warm.For(test.slots, warm.Make{Size: test.size, Hash: hash, Intent: intent}, now)
			got := plan{nil, p.Make, p.Attempt, p.Ready, p.Preparing, p.Failed}
			for _, s := range p.End {
				got.End = append(got.End, s.Name)
			}
			slices.Sort(got.End)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
	none := warm.For([]v1alpha1.WarmWorkspace{slot("a")}, warm.Make{Size: 2}, now)
	if none.Make != 0 || len(none.End) != 1 {
		t.Errorf("a pool that can't be makes %d and ends %d", none.Make, len(none.End))
	}
}

func TestClaimable(t *testing.T) {
	value := func(x any) map[string]v1alpha1.Value { return map[string]v1alpha1.Value{"debug": v1alpha1.ValueOf(x)} }
	tests := map[string]struct {
		slot v1alpha1.WarmWorkspace
		wish func(*warm.Wish)
		want bool
	}{
		"as wished":         {slot("a"), nil, true},
		"preparing":         {slot("a", preparing), nil, false},
		"claimed":           {slot("a", claimed), nil, false},
		"going":             {slot("a", going), nil, false},
		"another version":   {slot("a", old), nil, false},
		"another template":  {slot("a"), func(w *warm.Wish) { w.Template = "rust" }, false},
		"another namespace": {slot("a"), func(w *warm.Wish) { w.Namespace = "other" }, false},
		"an agent away":     {slot("a", func(s *v1alpha1.WarmWorkspace) { s.Status.Agents[0].Connected = false }), nil, false},
		"no agent yet":      {slot("a", func(s *v1alpha1.WarmWorkspace) { s.Status.Agents = nil }), nil, false},
		"ephemeral value":   {slot("a"), func(w *warm.Wish) { w.Parameters = &v1alpha1.BuildParameters{Ephemeral: value(true)} }, false},
		"the same ephemeral value": {slot("a", func(s *v1alpha1.WarmWorkspace) { s.Spec.Parameters = &v1alpha1.BuildParameters{Ephemeral: value(true)} }),
			func(w *warm.Wish) { w.Parameters = &v1alpha1.BuildParameters{Ephemeral: value(true)} }, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			wish := warm.Wish{Namespace: "ns", Template: "go", Hash: hash}
			if test.wish != nil {
				test.wish(&wish)
			}
			if got := warm.Claimable(&test.slot, wish); got != test.want {
				t.Errorf("claimable: %v, want %v", got, test.want)
			}
		})
	}
}
