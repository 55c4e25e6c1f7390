// SPDX-License-Identifier: Apache-2.0

package phase_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/fault"
)

var ready = phase.Ready{Reason: v1alpha1.ReasonReady, Message: "there"}

// outcomes are one of each sort.
func outcomes() map[string]error {
	return map[string]error{
		"success": nil,
		"wait":    phase.Wait(time.Minute, v1alpha1.ReasonProgressing, "later"),
		"fault":   fmt.Errorf("wrapped: %w", fault.On("spec.x", "wrong").Because(v1alpha1.ReasonInvalid)),
		"error":   errors.New("no answer"),
	}
}

// An event for each step of a start would outlive the start by an hour; trouble and success are said each time.
func TestAnnounce(t *testing.T) {
	wait := func(reason, message string) error { return phase.Wait(0, reason, "%s", message) }
	for name, test := range map[string]struct {
		before, after error
		was, is       phase.Ready
		want          bool
	}{
		"the first":                {after: wait("Queued", "it waits for its turn"), want: true},
		"what everything passes":   {after: wait("Starting", "it is being started")},
		"the end of a trouble":     {before: wait("ImagePull", "a"), after: wait("Starting", "b"), want: true},
		"nothing new":              {before: wait("Starting", "a"), after: wait("Starting", "a")},
		"a step":                   {before: wait("ClaimPending", "a"), after: wait("ClaimPending", "b")},
		"another reason":           {before: wait("Starting", "a"), after: wait("ClaimPending", "a"), want: true},
		"back on its way":          {before: wait("ClaimPending", "a"), after: wait("Starting", "a")},
		"success":                  {before: wait("Starting", "a"), is: ready, want: true},
		"another success":          {was: phase.Ready{Reason: ready.Reason, Message: "version a"}, is: ready, want: true},
		"trouble in other words":   {before: wait("ImagePull", "a"), after: wait("ImagePull", "b"), want: true},
		"a fault in other words":   {before: fault.On("spec.x", "a").Because("Invalid"), after: fault.On("spec.x", "b").Because("Invalid"), want: true},
		"the same trouble":         {before: wait("ImagePull", "a"), after: wait("ImagePull", "a")},
		"the same fault once more": {before: fault.On("spec.x", "a").Because("Invalid"), after: fault.On("spec.x", "a").Because("Invalid")},
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
			before, after := &v1alpha1.Workspace{}, &v1alpha1.Workspace{}
			if test.before != nil || test.was.Reason != "" {
				before.Status.Conditions = phase.Conclude(nil, 1, test.before, test.was, now)
			}
			after.Status.Conditions = phase.Conclude(before.Status.Conditions, 1, test.after, test.is, now.Add(time.Second))
			recorder := events.NewFakeRecorder(2)
			phase.Announce(recorder, before, after)
			if said := len(recorder.Events) == 1; said != test.want {
				t.Errorf("said %v, want %v: %+v", said, test.want, after.Status.Conditions)
			}
		})
	}
}

func TestConclude(t *testing.T) {
	for name, test := range map[string]struct {
		want       map[string]string // type: status/reason
		wantResult ctrl.Result
		wantErr    bool
	}{
		"success": {want: map[string]string{"Ready": "True/Ready"}},
		"wait":    {want: map[string]string{"Ready": "False/Progressing", "Reconciling": "True/Progressing"}, wantResult: ctrl.Result{RequeueAfter: time.Minute}},
		"fault":   {want: map[string]string{"Ready": "False/Invalid", "Stalled": "True/Invalid"}},
		"error":   {want: map[string]string{"Ready": "False/Retrying", "Reconciling": "True/Retrying"}, wantErr: true},
	} {
		for before, earlier := range outcomes() {
			t.Run(name+" after "+before, func(t *testing.T) {
				now := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
				conditions := phase.Conclude(nil, 1, earlier, ready, now)
				conditions = phase.Conclude(conditions, 2, outcomes()[name], ready, now.Add(time.Hour))
				got := map[string]string{}
				for _, c := range conditions {
					got[c.Type] = string(c.Status) + "/" + c.Reason
					if c.ObservedGeneration != 2 {
						t.Errorf("%s speaks of generation %d", c.Type, c.ObservedGeneration)
					}
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Error(diff)
				}
				again := phase.Conclude(conditions, 2, outcomes()[name], ready, now.Add(2*time.Hour))
				if diff := cmp.Diff(conditions, again); diff != "" {
					t.Errorf("a second pass says something else: %s", diff)
				}
				result, err := phase.Result(outcomes()[name])
				if diff := cmp.Diff(test.wantResult, result); diff != "" || (err != nil) != test.wantErr {
					t.Errorf("result: %s, error %v", diff, err)
				}
			})
		}
	}
}

func TestAtLooksAgainAtTheSoonerTime(t *testing.T) {
	for name, test := range map[string]struct {
		d       time.Duration
		outcome error
		want    time.Duration
	}{
		"nothing":         {},
		"a time":          {d: time.Hour, want: time.Hour},
		"a sooner wait":   {d: time.Hour, outcome: phase.Wait(time.Minute, "A", "b"), want: time.Minute},
		"a later wait":    {d: time.Second, outcome: phase.Wait(time.Minute, "A", "b"), want: time.Second},
		"a wait for ever": {d: time.Second, outcome: phase.Wait(0, "A", "b"), want: time.Second},
		"a fault":         {d: time.Second, outcome: fault.On("x", "y"), want: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			result, err := phase.At(test.d, test.outcome)
			if err != nil || result.RequeueAfter != test.want {
				t.Errorf("%v, %v, want %v", result.RequeueAfter, err, test.want)
			}
		})
	}
}

func TestShorten(t *testing.T) {
	for _, text := range []string{"", "short", strings.Repeat("a", 50), strings.Repeat("ä", 50), strings.Repeat("💥", 50), "\xff" + strings.Repeat("b", 50)} {
		for n := 8; n < 20; n++ {
			got := phase.Shorten(text, n)
			if len(got) > n || utf8.ValidString(text) && !utf8.ValidString(got) {
				t.Errorf("Shorten(%q, %d) = %q", text, n, got)
			}
			if len(text) <= n && got != text {
				t.Errorf("Shorten(%q, %d) = %q, though it fits", text, n, got)
			}
		}
	}
}

// Of two objects exactly one is the older, so that two never both win or both lose.
func TestOlderIsAnOrder(t *testing.T) {
	var all []*v1alpha1.User
	for i, uid := range []types.UID{"c", "a", "b", "d"} {
		all = append(all, &v1alpha1.User{ObjectMeta: metav1.ObjectMeta{UID: uid, CreationTimestamp: metav1.Unix(int64(i/2), 0)}})
	}
	for _, a := range all {
		for _, b := range all {
			if a != b && phase.Older(a, b) == phase.Older(b, a) {
				t.Errorf("%s and %s", a.UID, b.UID)
			}
			for _, c := range all {
				if phase.Older(a, b) && phase.Older(b, c) && !phase.Older(a, c) {
					t.Errorf("%s, %s, %s", a.UID, b.UID, c.UID)
				}
			}
		}
	}
}

// A conflict is no error of a pass: it is made again. Anything else stays what it was.
func TestCalm(t *testing.T) {
	conflict := apierrors.NewConflict(schema.GroupResource{Resource: "workspaces"}, "api", errors.New("somebody was faster"))
	broken := errors.New("no answer")
	for name, c := range map[string]struct {
		err       error
		wantErr   error
		wantAfter bool
	}{
		"success":               {},
		"conflict":              {err: conflict, wantAfter: true},
		"a conflict and a wait": {err: errors.Join(phase.Wait(0, "x", "y"), fmt.Errorf("writing: %w", conflict)), wantAfter: true},
		"an error":              {err: broken, wantErr: broken},
	} {
		t.Run(name, func(t *testing.T) {
			calm := phase.Calm(reconcile.Func(func(context.Context, reconcile.Request) (ctrl.Result, error) { return ctrl.Result{}, c.err }))
			result, err := calm.Reconcile(t.Context(), reconcile.Request{})
			if !errors.Is(err, c.wantErr) || result.RequeueAfter > 0 != c.wantAfter {
				t.Errorf("%v, again after %s", err, result.RequeueAfter)
			}
		})
	}
}
