// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/api/v1alpha1"
)

var (
	now        = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	errRefused = errors.New("the template is missing")
)

// start is what a start would take in these tests unless they say otherwise.
var start = &Resolution{Version: &v1alpha1.UIDReference{Name: "go-1", UID: "v1"}, Hash: "h1"}

// workspace is a workspace that wishes nothing in particular.
func workspace(change ...func(*v1alpha1.Workspace)) *v1alpha1.Workspace {
	w := &v1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "api", UID: "w", CreationTimestamp: metav1.NewTime(now.Add(-time.Second))}}
	for _, f := range change {
		f(w)
	}
	return w
}

// holding has the workspace accepted the build of the number, and acted on a wish.
func holding(number int64, acted v1alpha1.Wish) func(*v1alpha1.Workspace) {
	return func(w *v1alpha1.Workspace) {
		w.Status.Build = &v1alpha1.AcceptedBuild{UIDReference: v1alpha1.UIDReference{UID: uid(number)}, Number: number}
		w.Status.Acted = &acted
	}
}

func wishing(state v1alpha1.WorkspaceState, r *v1alpha1.WorkspaceRequest) func(*v1alpha1.Workspace) {
	return func(w *v1alpha1.Workspace) { w.Spec.State, w.Spec.Request = state, r }
}

func asks(t v1alpha1.RequestTransition) *v1alpha1.WorkspaceRequest {
	return &v1alpha1.WorkspaceRequest{Transition: t, At: "2026-11-23T08:00:00Z"}
}

// build is a build of the manager's that took start.
func build(number int64, t v1alpha1.Transition, end v1alpha1.JobPhase, change ...func(*v1alpha1.WorkspaceBuild)) *v1alpha1.WorkspaceBuild {
	b := &v1alpha1.WorkspaceBuild{
		ObjectMeta: metav1.ObjectMeta{Name: Name("api", number), UID: uid(number)},
		Spec: v1alpha1.WorkspaceBuildSpec{
			WorkspaceRef: v1alpha1.UIDReference{Name: "api", UID: "w"}, Number: number, Transition: t, Reason: v1alpha1.BuildReasonInitiator,
			Initiator: v1alpha1.Initiator{Name: v1alpha1.InitiatorSystem}, VersionRef: start.Version, ResolvedHash: "h1", Wish: &v1alpha1.Wish{},
		},
	}
	if end != "" {
		b.Status.Job = &v1alpha1.Job{Phase: end}
	}
	for _, f := range change {
		f(b)
	}
	return b
}

func byPerson(b *v1alpha1.WorkspaceBuild) {
	b.Spec.RequestID, b.Spec.Initiator = "r", v1alpha1.Initiator{User: "ada", Name: "ada"}
}

func canceled(b *v1alpha1.WorkspaceBuild) { b.Spec.Cancel = &v1alpha1.BuildCancel{By: "ada"} }

func uid(number int64) types.UID { return types.UID(fmt.Sprint("b", number)) }

const (
	startB = v1alpha1.TransitionStart
	stopB  = v1alpha1.TransitionStop
	ok     = v1alpha1.JobSucceeded
	bad    = v1alpha1.JobFailed
)

type builds = []*v1alpha1.WorkspaceBuild

func TestDecide(t *testing.T) {
	type want struct {
		Action     Action
		Number     int64
		Transition v1alpha1.Transition
		Restart    bool
		Reason     v1alpha1.BuildReason
	}
	running := v1alpha1.Wish{State: v1alpha1.StateRunning}
	for name, c := range map[string]struct {
		w      *v1alpha1.Workspace
		builds builds
		claims bool
		pod    bool
		start  *Resolution
		fit    error
		want   want
	}{
		"a new workspace starts":                {w: workspace(), want: want{Make, 1, startB, false, "Initiator"}},
		"a new one wished stopped gets a stop":  {w: workspace(wishing("Stopped", nil)), want: want{Make, 1, stopB, false, "Initiator"}},
		"a new one asked to stop gets a stop":   {w: workspace(wishing("Running", asks("Stop"))), want: want{Make, 1, stopB, false, "Initiator"}},
		"a new one asked to restart starts":     {w: workspace(wishing("", asks("Restart"))), want: want{Make, 1, startB, false, "Initiator"}},
		"a start that is refused is blocked":    {w: workspace(), start: &Resolution{}, want: want{Action: Blocked}},
		"its own build, made and not accepted":  {w: workspace(), builds: builds{build(1, startB, "")}, want: want{Accept, 1, startB, false, "Initiator"}},
		"one made from an older wish is undone": {w: workspace(wishing("Stopped", nil)), builds: builds{build(1, startB, "")}, want: want{Discard, 1, startB, false, "Initiator"}},
		"the API server's first build is taken": {w: workspace(), builds: builds{build(1, startB, "", byPerson)}, want: want{Accept, 1, startB, false, "Initiator"}},
		"a promised first build is waited for": {
			w:    workspace(func(w *v1alpha1.Workspace) { w.Annotations = map[string]string{v1alpha1.AnnotationFirstBuild: "true"} }),
			want: want{Action: Wait},
		},
		"and no longer than ten seconds": {
			w: workspace(func(w *v1alpha1.Workspace) {
				w.Annotations = map[string]string{v1alpha1.AnnotationFirstBuild: "true"}
				w.CreationTimestamp = metav1.NewTime(now.Add(-10 * time.Second))
			}),
			want: want{Make, 1, startB, false, "Initiator"},
		},
		"a start at work is held":       {w: workspace(holding(1, v1alpha1.Wish{})), builds: builds{build(1, startB, "")}, want: want{Action: Hold}},
		"a workspace that runs is held": {w: workspace(holding(1, v1alpha1.Wish{})), builds: builds{build(1, startB, ok)}, pod: true, want: want{Action: Hold}},

		"state Stopped stops":                     {w: workspace(holding(1, running), wishing("Stopped", nil)), builds: builds{build(1, startB, ok)}, want: want{Make, 2, stopB, false, "Initiator"}},
		"state Stopped supersedes a start":        {w: workspace(holding(1, running), wishing("Stopped", nil)), builds: builds{build(1, startB, "")}, want: want{Make, 2, stopB, false, "Initiator"}},
		"state Stopped needs no template":         {w: workspace(holding(1, running), wishing("Stopped", nil)), builds: builds{build(1, startB, ok)}, start: &Resolution{}, want: want{Make, 2, stopB, false, "Initiator"}},
		"state Stopped of a stopped one is noted": {w: workspace(holding(2, running), wishing("Stopped", nil)), builds: builds{build(2, stopB, ok)}, want: want{Action: Note}},
		"state Running starts":                    {w: workspace(holding(1, v1alpha1.Wish{State: "Stopped"}), wishing("Running", nil)), builds: builds{build(1, stopB, ok)}, want: want{Make, 2, startB, false, "Initiator"}},
		"state Running of a running one is noted": {w: workspace(holding(1, v1alpha1.Wish{}), wishing("Running", nil)), builds: builds{build(1, startB, ok)}, want: want{Action: Note}},
		"an unchanged state does nothing after an autostop": {
			w: workspace(holding(2, running), wishing("Running", nil)), builds: builds{build(1, startB, ok), build(2, stopB, ok)}, want: want{Action: Hold},
		},
		"a state taken out is noted": {w: workspace(holding(1, running)), builds: builds{build(1, startB, ok)}, want: want{Action: Note}},

		"a request stops":                       {w: workspace(holding(1, v1alpha1.Wish{}), wishing("", asks("Stop"))), builds: builds{build(1, startB, ok)}, want: want{Make, 2, stopB, false, "Initiator"}},
		"a request is acted upon once":          {w: workspace(holding(2, v1alpha1.Wish{Request: asks("Stop")}), wishing("", asks("Stop"))), builds: builds{build(2, stopB, ok)}, want: want{Action: Hold}},
		"a request to start what runs is noted": {w: workspace(holding(1, v1alpha1.Wish{}), wishing("", asks("Start"))), builds: builds{build(1, startB, ok)}, want: want{Action: Note}},
		"a request starts a failed one again":   {w: workspace(holding(1, v1alpha1.Wish{}), wishing("", asks("Start"))), builds: builds{build(1, startB, bad)}, want: want{Make, 2, startB, false, "Initiator"}},
		"a request starts a canceled one":       {w: workspace(holding(1, v1alpha1.Wish{}), wishing("", asks("Start"))), builds: builds{build(1, startB, v1alpha1.JobCanceled)}, want: want{Make, 2, startB, false, "Initiator"}},
		"a request restarts what runs":          {w: workspace(holding(1, v1alpha1.Wish{}), wishing("", asks("Restart"))), builds: builds{build(1, startB, ok)}, want: want{Make, 2, startB, true, "Initiator"}},
		"a restart of a stopped one starts":     {w: workspace(holding(1, v1alpha1.Wish{}), wishing("", asks("Restart"))), builds: builds{build(1, stopB, ok)}, want: want{Make, 2, startB, false, "Initiator"}},
		"a request goes before a state":         {w: workspace(holding(1, running), wishing("Stopped", asks("Restart"))), builds: builds{build(1, startB, ok)}, want: want{Make, 2, startB, true, "Initiator"}},

		"a changed parameter waits":            {w: workspace(holding(1, v1alpha1.Wish{})), builds: builds{build(1, startB, ok)}, start: &Resolution{Hash: "h2"}, want: want{Action: Hold}},
		"and restarts where that is wished":    {w: workspace(holding(1, v1alpha1.Wish{}), updates("Restart")), builds: builds{build(1, startB, ok)}, start: &Resolution{Hash: "h2"}, want: want{Make, 2, startB, true, "Update"}},
		"but not what is stopped":              {w: workspace(holding(1, v1alpha1.Wish{}), updates("Restart")), builds: builds{build(1, stopB, ok)}, start: &Resolution{Hash: "h2"}, want: want{Action: Hold}},
		"nor what has it already":              {w: workspace(holding(1, v1alpha1.Wish{}), updates("Restart")), builds: builds{build(1, startB, ok)}, want: want{Action: Hold}},
		"a failed start stays failed":          {w: workspace(holding(1, v1alpha1.Wish{})), builds: builds{build(1, startB, bad)}, want: want{Action: Hold}},
		"until what it takes has changed":      {w: workspace(holding(1, v1alpha1.Wish{})), builds: builds{build(1, startB, bad)}, start: &Resolution{Hash: "h2"}, want: want{Make, 2, startB, false, "Update"}},
		"a canceled start stays so":            {w: workspace(holding(1, v1alpha1.Wish{})), builds: builds{build(1, startB, v1alpha1.JobCanceled)}, start: &Resolution{Hash: "h2"}, want: want{Action: Hold}},
		"the time is over":                     {w: workspace(holding(1, v1alpha1.Wish{}), until(now)), builds: builds{build(1, startB, ok)}, want: want{Make, 2, stopB, false, "Autostop"}},
		"the time is not over":                 {w: workspace(holding(1, v1alpha1.Wish{}), until(now.Add(time.Second))), builds: builds{build(1, startB, ok)}, want: want{Action: Hold}},
		"a record removed does not stop a pod": {w: workspace(holding(3, v1alpha1.Wish{}), was("Running")), pod: true, want: want{Action: Hold}},
		"a pod without record is made again":   {w: workspace(holding(3, v1alpha1.Wish{}), was("Running")), want: want{Make, 4, startB, false, "Initiator"}},
		"a stopped one without record is left": {w: workspace(holding(3, v1alpha1.Wish{}), was("Stopped")), want: want{Action: Hold}},

		"a call is accepted when nothing is at work":    {w: workspace(holding(1, v1alpha1.Wish{})), builds: builds{build(1, startB, ok), build(2, stopB, "", byPerson)}, want: want{Accept, 2, stopB, false, "Initiator"}},
		"a call is refused while one is at work":        {w: workspace(holding(1, v1alpha1.Wish{})), builds: builds{build(1, startB, ""), build(2, stopB, "", byPerson)}, want: want{Refuse, 2, stopB, false, "Initiator"}},
		"a call that was canceled before it is refused": {w: workspace(holding(1, v1alpha1.Wish{})), builds: builds{build(1, stopB, ok), build(2, startB, "", byPerson, canceled)}, want: want{Refuse, 2, startB, false, "Initiator"}},
		"a deletion waits for nothing":                  {w: workspace(holding(1, v1alpha1.Wish{})), builds: builds{build(1, startB, ""), build(2, v1alpha1.TransitionDelete, "", byPerson)}, want: want{Accept, 2, v1alpha1.TransitionDelete, false, "Initiator"}},
		"a call that may not start is refused":          {w: workspace(holding(1, v1alpha1.Wish{})), builds: builds{build(1, stopB, ok), build(2, startB, "", byPerson)}, fit: errRefused, want: want{Refuse, 2, startB, false, "Initiator"}},
		"a call that stops is never refused for that":   {w: workspace(holding(1, v1alpha1.Wish{})), builds: builds{build(1, startB, ok), build(2, stopB, "", byPerson)}, fit: errRefused, want: want{Accept, 2, stopB, false, "Initiator"}},
		"the lower of two calls goes first":             {w: workspace(holding(1, v1alpha1.Wish{})), builds: builds{build(3, startB, "", byPerson), build(2, stopB, "", byPerson), build(1, startB, ok)}, want: want{Accept, 2, stopB, false, "Initiator"}},
		"a dead build is never accepted":                {w: workspace(holding(3, v1alpha1.Wish{})), builds: builds{build(2, stopB, "", byPerson), build(3, startB, ok)}, want: want{Action: Hold}},
		"one of the number, not of the uid, is dead":    {w: workspace(holding(3, v1alpha1.Wish{})), builds: builds{build(3, stopB, "", byPerson, func(b *v1alpha1.WorkspaceBuild) { b.UID = "other" })}, pod: true, want: want{Action: Hold}},
		"a number seen is never used again":             {w: workspace(holding(1, v1alpha1.Wish{}), wishing("Stopped", nil)), builds: builds{build(1, startB, ok), build(7, startB, bad, byPerson)}, want: want{Make, 8, stopB, false, "Initiator"}},
		"an accepted deletion removes": {
			w:    workspace(func(w *v1alpha1.Workspace) { w.Status.Deletion = &v1alpha1.DeletionStatus{} }),
			want: want{Action: Remove},
		},

		"a status lost is found in the newest that went well": {w: workspace(), builds: builds{build(4, startB, ok), build(5, stopB, ok), build(6, startB, bad, byPerson)}, claims: true, want: want{Accept, 5, stopB, false, "Initiator"}},
		"by its annotation":                       {w: workspace(), builds: builds{build(4, startB, "", outcome(ok))}, claims: true, want: want{Accept, 4, startB, false, "Initiator"}},
		"a status lost with the builds is noted":  {w: workspace(wishing("Running", nil)), claims: true, want: want{Action: Note}},
		"and the pods are left as they are, then": {w: workspace(func(w *v1alpha1.Workspace) { w.Status.Acted = &v1alpha1.Wish{} }), claims: true, want: want{Action: Hold}},
	} {
		t.Run(name, func(t *testing.T) {
			v := View{Workspace: c.w, Builds: c.builds, Claims: c.claims, Pod: c.pod, Start: start, Now: now}
			if c.start != nil {
				v.Start = c.start
				v.Start.Version = start.Version
			}
			if v.Start.Hash == "" {
				v.Start, v.Refusal = nil, errRefused
			}
			v.Fit = func(*v1alpha1.WorkspaceBuild) error { return c.fit }
			d := Decide(v)
			got := want{Action: d.Action}
			spec := d.Spec
			if d.Build != nil {
				spec = &d.Build.Spec
			}
			if spec != nil {
				got.Number, got.Transition, got.Restart, got.Reason = spec.Number, spec.Transition, spec.Restart, spec.Reason
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("want -, got +:\n%s", diff)
			}
			if diff := cmp.Diff(Decide(v), d, cmp.Comparer(func(a, b error) bool { return fmt.Sprint(a) == fmt.Sprint(b) })); diff != "" {
				t.Errorf("the same view gives another answer: %s", diff)
			}
		})
	}
}

func updates(u v1alpha1.Updates) func(*v1alpha1.Workspace) {
	return func(w *v1alpha1.Workspace) { w.Spec.Updates = u }
}

func until(at time.Time) func(*v1alpha1.Workspace) {
	return func(w *v1alpha1.Workspace) {
		w.Status.Schedule = &v1alpha1.WorkspaceSchedule{Deadline: &metav1.Time{Time: at}}
	}
}

func was(phase v1alpha1.WorkspacePhase) func(*v1alpha1.Workspace) {
	return func(w *v1alpha1.Workspace) { w.Status.Phase = phase }
}

func outcome(end v1alpha1.JobPhase) func(*v1alpha1.WorkspaceBuild) {
	return func(b *v1alpha1.WorkspaceBuild) {
		b.Annotations = map[string]string{v1alpha1.AnnotationOutcome: string(end)}
	}
}

func TestActedUpon(t *testing.T) {
	later := asks("Restart")
	for name, c := range map[string]struct {
		w     *v1alpha1.Workspace
		build *v1alpha1.WorkspaceBuild
		want  v1alpha1.Wish
	}{
		"what the maker of a call knew": {
			workspace(holding(1, v1alpha1.Wish{}), wishing("Stopped", nil)), build(2, stopB, "", byPerson, func(b *v1alpha1.WorkspaceBuild) { b.Spec.Wish = &v1alpha1.Wish{State: "Running"} }),
			v1alpha1.Wish{State: "Running"},
		},
		"nothing new when it said nothing": {
			workspace(holding(1, v1alpha1.Wish{State: "Running"}), wishing("Stopped", later)), build(2, stopB, "", byPerson, func(b *v1alpha1.WorkspaceBuild) { b.Spec.Wish = nil }),
			v1alpha1.Wish{State: "Running"},
		},
		"the present wish before anything was": {
			workspace(wishing("Running", later)), build(1, startB, "", byPerson, func(b *v1alpha1.WorkspaceBuild) { b.Spec.Wish = nil }),
			v1alpha1.Wish{State: "Running", Request: later},
		},
	} {
		t.Run(name, func(t *testing.T) {
			all := builds{c.build}
			if c.w.Status.Build != nil {
				all = append(all, build(1, startB, ok))
			}
			d := Decide(View{Workspace: c.w, Builds: all, Start: start, Now: now})
			if d.Action != Accept {
				t.Fatalf("action %s", d.Action)
			}
			if diff := cmp.Diff(&c.want, d.Acted); diff != "" {
				t.Errorf("want -, got +:\n%s", diff)
			}
		})
	}
}

// TestASequenceEnds plays every short sequence of wishes against the rules: the ledger comes to rest, its numbers only
// rise, and what it ends with is what the last wish asked for.
func TestASequenceEnds(t *testing.T) {
	words := []v1alpha1.RequestTransition{"Start", "Stop", "Restart"}
	var play func(sequence []v1alpha1.RequestTransition)
	play = func(sequence []v1alpha1.RequestTransition) {
		if len(sequence) == 4 {
			return
		}
		for _, word := range words {
			next := append(append([]v1alpha1.RequestTransition{}, sequence...), word)
			rest(t, next)
			play(next)
		}
	}
	play(nil)
}

func rest(t *testing.T, sequence []v1alpha1.RequestTransition) {
	t.Helper()
	w := workspace()
	var all builds
	step := func() {
		for i := 0; ; i++ {
			d := Decide(View{Workspace: w, Builds: all, Start: start, Now: now})
			if d.Action == Hold {
				return
			}
			if i > 3 {
				t.Fatalf("%v does not come to rest: %s", sequence, d.Action)
			}
			w.Status.Acted = d.Acted
			if d.Action == Make {
				b := &v1alpha1.WorkspaceBuild{ObjectMeta: metav1.ObjectMeta{UID: uid(d.Spec.Number)}, Spec: *d.Spec, Status: v1alpha1.WorkspaceBuildStatus{Job: &v1alpha1.Job{Phase: ok}}}
				if b.Spec.Number <= acceptedNumber(w) {
					t.Fatalf("%v: number %d after %d", sequence, b.Spec.Number, acceptedNumber(w))
				}
				all = append(all, b)
				w.Status.Build = &v1alpha1.AcceptedBuild{UIDReference: v1alpha1.UIDReference{UID: b.UID}, Number: b.Spec.Number}
			}
		}
	}
	step()
	for i, word := range sequence {
		w.Spec.Request = &v1alpha1.WorkspaceRequest{Transition: word, At: fmt.Sprint(i)}
		step()
	}
	want := startB
	if sequence[len(sequence)-1] == "Stop" {
		want = stopB
	}
	if got := Accepted(w, all).Spec.Transition; got != want {
		t.Errorf("%v ends with %s", sequence, got)
	}
}

func TestRequestsAboutARestore(t *testing.T) {
	for name, c := range map[string]struct {
		at   string
		want bool
	}{
		"one that was restored with the workspace was acted on before": {"2026-11-23T08:00:00Z", true},
		"one that came since was not":                                  {"2026-11-23T09:00:00Z", false},
	} {
		t.Run(name, func(t *testing.T) {
			w := workspace(wishing("", &v1alpha1.WorkspaceRequest{Transition: v1alpha1.RequestStart, At: c.at}))
			d := Decide(View{Workspace: w, Claims: true, Start: start, Now: now})
			if d.Action != Note || (d.Acted.Request != nil) != c.want {
				t.Fatalf("%s, acted %v", d.Action, d.Acted)
			}
			w.Status.Acted = d.Acted
			if d = Decide(View{Workspace: w, Claims: true, Start: start, Now: now}); (d.Action == Make) == c.want {
				t.Errorf("then %s", d.Action)
			}
		})
	}
}
