// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/schedule"
)

// What a restore brings back without a status went well where nothing says otherwise; what is new was never restored.
func TestForgotten(t *testing.T) {
	w := workspace(holding(3, v1alpha1.Wish{}))
	made := func(ago time.Duration) func(*v1alpha1.WorkspaceBuild) {
		return func(b *v1alpha1.WorkspaceBuild) {
			now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
			b.CreationTimestamp = metav1.NewTime(now)
			b.Annotations = map[string]string{v1alpha1.AnnotationCreatedAt: now.Add(-ago).Format(time.RFC3339Nano)}
		}
	}
	ofAnother := func(b *v1alpha1.WorkspaceBuild) { b.Spec.WorkspaceRef.UID = "gone" }
	for name, c := range map[string]struct {
		build *v1alpha1.WorkspaceBuild
		want  bool
	}{
		"a new one":                           {build(1, startB, "", made(time.Second)), false},
		"one by a clock that is behind":       {build(1, startB, "", made(time.Minute)), false},
		"one by a clock that is ahead":        {build(1, startB, "", made(-time.Hour)), false},
		"a new one by a clock far behind":     {build(4, startB, "", made(time.Hour)), false},
		"one younger than it says":            {build(1, startB, "", made(time.Hour)), true},
		"a stop younger than it says":         {build(1, stopB, "", made(time.Hour)), true},
		"one of an earlier object":            {build(1, startB, "", ofAnother), true},
		"one of an earlier object, at work":   {build(1, startB, v1alpha1.JobRunning, ofAnother), false},
		"one of an earlier object that ended": {build(1, startB, ok, ofAnother), false},
		"one that says that it failed":        {build(1, startB, "", ofAnother, outcome(bad)), false},
		"a deletion":                          {build(1, v1alpha1.TransitionDelete, "", ofAnother), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Forgotten(w, c.build); got != c.want {
				t.Errorf("forgotten: %v, want %v", got, c.want)
			}
		})
	}
}

// Beside its status a build carries its end only where it is not what is believed anyway.
func TestRemembered(t *testing.T) {
	for name, c := range map[string]struct {
		build *v1alpha1.WorkspaceBuild
		want  v1alpha1.JobPhase
	}{
		"at work":                      {build(1, startB, ""), ""},
		"a start":                      {build(1, startB, ok), ""},
		"a stop":                       {build(1, stopB, ok), ""},
		"a start that did not go well": {build(1, startB, bad), v1alpha1.JobFailed},
		"a deletion":                   {build(1, v1alpha1.TransitionDelete, ok), v1alpha1.JobSucceeded},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Remembered(c.build); got != c.want {
				t.Errorf("remembered: %q, want %q", got, c.want)
			}
		})
	}
}

func TestPrune(t *testing.T) {
	for name, c := range map[string]struct {
		accepted int64
		builds   builds
		want     []int64
	}{
		"few are kept":                      {3, builds{build(1, startB, ok), build(2, stopB, ok), build(3, startB, ok)}, nil},
		"the oldest go first":               {7, builds{build(7, startB, ok), build(6, stopB, ok), build(5, startB, ok), build(4, stopB, ok), build(3, startB, ok), build(2, stopB, ok), build(1, startB, ok)}, []int64{1, 2}},
		"not the last start that went well": {7, builds{build(1, startB, ok), build(2, stopB, ok), build(3, startB, bad), build(4, startB, bad), build(5, startB, bad), build(6, startB, bad), build(7, startB, bad)}, []int64{2, 3}},
		"not the accepted one":              {1, builds{build(1, stopB, ok), build(2, stopB, bad), build(3, startB, bad), build(4, startB, bad), build(5, startB, bad), build(6, startB, bad)}, []int64{2}},
		"not one in progress":               {6, builds{build(1, stopB, ""), build(2, stopB, ""), build(3, startB, bad), build(4, startB, bad), build(5, startB, bad), build(6, startB, "")}, []int64{3}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []int64
			for _, b := range Prune(workspace(holding(c.accepted, v1alpha1.Wish{})), c.builds) {
				got = append(got, b.Spec.Number)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("want -, got +:\n%s", diff)
			}
		})
	}
}

func TestInstants(t *testing.T) {
	at := func(d time.Duration) *metav1.Time { return &metav1.Time{Time: now.Add(d)} }
	for name, c := range map[string]struct {
		transition v1alpha1.Transition
		autostop   *v1alpha1.Autostop
		content    v1alpha1.TemplateContent
		lifecycle  *v1alpha1.Lifecycle
		want       *v1alpha1.WorkspaceSchedule
	}{
		"a start may take ten minutes": {transition: startB, want: &v1alpha1.WorkspaceSchedule{StartDeadline: at(10 * time.Minute)}},
		"or what the template says":    {transition: startB, lifecycle: &v1alpha1.Lifecycle{StartTimeout: "30m"}, want: &v1alpha1.WorkspaceSchedule{StartDeadline: at(30 * time.Minute)}},
		"or the version":               {transition: startB, content: v1alpha1.TemplateContent{StartTimeout: "1h"}, lifecycle: &v1alpha1.Lifecycle{StartTimeout: "30m"}, want: &v1alpha1.WorkspaceSchedule{StartDeadline: at(time.Hour)}},
		"the template's running time":  {transition: startB, lifecycle: &v1alpha1.Lifecycle{AutostopAfter: "8h"}, want: &v1alpha1.WorkspaceSchedule{StartDeadline: at(10 * time.Minute), Deadline: at(8 * time.Hour)}},
		"the workspace's own":          {transition: startB, autostop: &v1alpha1.Autostop{After: "2h"}, lifecycle: &v1alpha1.Lifecycle{AutostopAfter: "8h"}, want: &v1alpha1.WorkspaceSchedule{StartDeadline: at(10 * time.Minute), Deadline: at(2 * time.Hour)}},
		"never, as far as is allowed": {
			transition: startB, autostop: &v1alpha1.Autostop{After: "0s"}, lifecycle: &v1alpha1.Lifecycle{AutostopMax: "24h"},
			want: &v1alpha1.WorkspaceSchedule{StartDeadline: at(10 * time.Minute), Deadline: at(24 * time.Hour), MaxDeadline: at(24 * time.Hour)},
		},
		"a stop has none": {transition: stopB, autostop: &v1alpha1.Autostop{After: "2h"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := workspace(func(w *v1alpha1.Workspace) { w.Spec.Autostop = c.autostop })
			got := Instants(w, build(1, c.transition, "", byClock), &c.content, schedule.Rules{Lifecycle: c.lifecycle}, now)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("want -, got +:\n%s", diff)
			}
		})
	}
}

func TestKeepDeletedFor(t *testing.T) {
	for text, want := range map[v1alpha1.Duration]time.Duration{"": 168 * time.Hour, "0s": 0, "24h": 24 * time.Hour, "2 days": 168 * time.Hour} {
		if got := KeepDeletedFor(&v1alpha1.Lifecycle{KeepDeletedFor: text}); got != want {
			t.Errorf("%q keeps for %s, want %s", text, got, want)
		}
	}
	if got := KeepDeletedFor(nil); got != DefaultKeepDeletedFor {
		t.Errorf("nothing keeps for %s", got)
	}
}

// Whoever can write labels must not be given another's pod or data.
func TestAdvisory_V26_nothing_foreign_is_owned(t *testing.T) {
	const mine = "11111111-1111-1111-1111-111111111111"
	w := workspace(func(w *v1alpha1.Workspace) { w.UID, w.Spec.Owner.User = mine, "ada" })
	type marks struct{ id, workspace, owner, volume, ownerUID string }
	for name, c := range map[string]struct {
		marks
		wantPod, wantClaim, wantAdopted bool
	}{
		"its own":                           {marks{mine, "api", "ada", "home", mine}, true, true, true},
		"its own, brought back":             {marks{mine, "old", "ada", "home", ""}, false, false, true},
		"its id, another person":            {marks{mine, "api", "bob", "home", ""}, true, true, false},
		"its id, another volume":            {marks{mine, "api", "ada", "data", ""}, true, true, false},
		"its id, another workspace's owner": {marks{mine, "web", "ada", "home", "other"}, false, false, true},
		"another id":                        {marks{"other", "api", "ada", "home", ""}, false, false, false},
		"another id, its uid as owner":      {marks{"other", "api", "ada", "home", mine}, true, false, false},
		"no marks":                          {},
	} {
		t.Run(name, func(t *testing.T) {
			meta := metav1.ObjectMeta{
				UID:         "u",
				Labels:      map[string]string{v1alpha1.LabelID: c.id, v1alpha1.LabelVolume: c.volume},
				Annotations: map[string]string{v1alpha1.AnnotationWorkspace: c.workspace, v1alpha1.AnnotationOwner: c.owner},
			}
			claim := &corev1.PersistentVolumeClaim{ObjectMeta: *meta.DeepCopy()}
			if c.ownerUID != "" {
				meta.OwnerReferences = []metav1.OwnerReference{{Kind: "Workspace", Name: "api", UID: types.UID(c.ownerUID)}}
			}
			got := [3]bool{OwnsPod(w, &corev1.Pod{ObjectMeta: meta}), OwnsClaim(w, claim), MayAdopt(w, claim, "home")}
			if want := [3]bool{c.wantPod, c.wantClaim, c.wantAdopted}; got != want {
				t.Errorf("owns pod, owns claim, may adopt: %v, want %v", got, want)
			}
		})
	}
}
