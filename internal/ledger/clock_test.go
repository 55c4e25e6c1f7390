// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/schedule"
)

// ago is an instant before now.
func ago(d time.Duration) *metav1.Time { return &metav1.Time{Time: now.Add(-d)} }

// made says when a build was made.
func made(d time.Duration) func(*v1alpha1.WorkspaceBuild) {
	return func(b *v1alpha1.WorkspaceBuild) { b.CreationTimestamp = *ago(d) }
}

func byClock(b *v1alpha1.WorkspaceBuild) { b.Spec.Reason = v1alpha1.BuildReasonAutostart }

func ended(d time.Duration) func(*v1alpha1.WorkspaceBuild) {
	return func(b *v1alpha1.WorkspaceBuild) { b.Status.Job.CompletedAt = ago(d) }
}

func scheduled(s v1alpha1.WorkspaceSchedule) func(*v1alpha1.Workspace) {
	return func(w *v1alpha1.Workspace) { w.Status.Schedule = &s }
}

// starting has the workspace start each day at nine, which it is now.
func starting(w *v1alpha1.Workspace) {
	w.Spec.Autostart = &v1alpha1.Schedule{Schedule: "0 9 * * *"}
	w.Status.Schedule = &v1alpha1.WorkspaceSchedule{NextStart: ago(0)}
}

func dormant(d time.Duration) func(*v1alpha1.Workspace) {
	return func(w *v1alpha1.Workspace) {
		w.Annotations = map[string]string{v1alpha1.AnnotationDormantSince: ago(d).UTC().Format(time.RFC3339Nano)}
		w.Status.Schedule = &v1alpha1.WorkspaceSchedule{DormantAt: ago(d)}
	}
}

func TestDecideByTheClock(t *testing.T) {
	hour, day := time.Hour, 24*time.Hour
	month := v1alpha1.Lifecycle{DormantAfter: "720h", DeleteDormantAfter: "240h"}
	old := func(w *v1alpha1.Workspace) { w.CreationTimestamp = *ago(60 * day) }
	used := func(d time.Duration) func(*v1alpha1.Workspace) {
		return func(w *v1alpha1.Workspace) { w.Status.LastUsedAt = ago(d) }
	}
	hold := holding(1, v1alpha1.Wish{})
	type want struct {
		Action     Action
		Transition v1alpha1.Transition
		Reason     v1alpha1.BuildReason
		Until      time.Duration // after now; 0 is none
	}
	for name, c := range map[string]struct {
		w         *v1alpha1.Workspace
		lifecycle v1alpha1.Lifecycle
		build     *v1alpha1.WorkspaceBuild
		refusal   error
		want      want
	}{
		"an autostart is due":              {w: workspace(hold, starting), build: build(1, stopB, ok), want: want{Make, startB, "Autostart", 0}},
		"also after a canceled start":      {w: workspace(hold, starting), build: build(1, startB, v1alpha1.JobCanceled), want: want{Make, startB, "Autostart", 0}},
		"also where the record is gone":    {w: workspace(holding(3, v1alpha1.Wish{}), starting), build: build(2, startB, ok), want: want{Make, startB, "Autostart", 0}},
		"not while the stop is at work":    {w: workspace(hold, starting), build: build(1, stopB, ""), want: want{Hold, "", "", 0}},
		"not of what runs":                 {w: workspace(hold, starting, scheduled(v1alpha1.WorkspaceSchedule{})), build: build(1, startB, ok), want: want{Action: Note}},
		"not of what failed":               {w: workspace(hold, starting, scheduled(v1alpha1.WorkspaceSchedule{})), build: build(1, startB, bad), want: want{Action: Note}},
		"not of what sleeps":               {w: workspace(hold, starting, dormant(day)), build: build(1, stopB, ok), want: want{Action: Hold}},
		"not of a suspended owner":         {w: workspace(hold, starting), build: build(1, stopB, ok), refusal: fault.New(fault.Forbidden, "x").Because(v1alpha1.ReasonOwnerSuspended), want: want{Hold, "", "", hour}},
		"and it is tried until its window": {w: workspace(hold, starting), build: build(1, stopB, ok), refusal: errRefused, want: want{Blocked, "", "", hour}},

		"a deadline is waited for":        {w: workspace(hold, until(now.Add(hour))), build: build(1, startB, ok), want: want{Hold, "", "", hour}},
		"an extension moves it":           {w: workspace(hold, until(now), extended("1/2026-11-23T11:00:00Z")), build: build(1, startB, ok), want: want{Action: Note}},
		"an extension of another one not": {w: workspace(hold, until(now), extended("2/2026-11-23T11:00:00Z")), build: build(1, startB, ok), want: want{Make, stopB, "Autostop", 0}},
		"use moves it":                    {w: workspace(hold, until(now), used(time.Minute)), build: build(1, startB, ok, made(hour)), want: want{Action: Note}},
		"use before the start does not":   {w: workspace(hold, until(now), used(2*hour)), build: build(1, startB, ok, made(hour)), want: want{Make, stopB, "Autostop", 0}},

		"a failed start is stopped":     {w: workspace(hold), lifecycle: v1alpha1.Lifecycle{FailureStopAfter: "2h"}, build: build(1, startB, bad, ended(2*hour)), want: want{Make, stopB, "Failure", 0}},
		"and not before":                {w: workspace(hold), lifecycle: v1alpha1.Lifecycle{FailureStopAfter: "3h"}, build: build(1, startB, bad, ended(2*hour)), want: want{Hold, "", "", hour}},
		"what runs is not stopped then": {w: workspace(hold), lifecycle: v1alpha1.Lifecycle{FailureStopAfter: "2h"}, build: build(1, startB, ok, ended(2*hour)), want: want{Action: Hold}},

		"what was not used sleeps":               {w: workspace(hold, old), lifecycle: month, build: build(1, stopB, ok), want: want{Action: Sleep}},
		"what was used does not":                 {w: workspace(hold, old, used(29*day)), lifecycle: month, build: build(1, stopB, ok), want: want{Hold, "", "", day}},
		"nor what a person started":              {w: workspace(hold, old, scheduled(v1alpha1.WorkspaceSchedule{IdleSince: ago(29 * day)})), lifecycle: month, build: build(1, stopB, ok), want: want{Hold, "", "", day}},
		"nor what runs and nobody measures":      {w: workspace(hold, old), lifecycle: month, build: build(1, startB, ok), want: want{Action: Hold}},
		"but what runs for nobody":               {w: workspace(hold, old), lifecycle: month, build: build(1, startB, ok, byClock), want: want{Action: Sleep}},
		"and what runs and was not used":         {w: workspace(hold, old, used(30*day)), lifecycle: month, build: build(1, startB, ok), want: want{Action: Sleep}},
		"a stop at work is waited for":           {w: workspace(hold, old), lifecycle: month, build: build(1, stopB, ""), want: want{Action: Hold}},
		"a sleeping one that runs is stopped":    {w: workspace(hold, dormant(day)), build: build(1, startB, ok, made(2*day)), want: want{Make, stopB, "Dormancy", 0}},
		"and one that starts":                    {w: workspace(hold, dormant(day)), build: build(1, startB, "", made(2*day)), want: want{Make, stopB, "Dormancy", 0}},
		"a person's start wakes it":              {w: workspace(hold, dormant(day)), build: build(1, startB, "", made(hour)), want: want{Action: Wake}},
		"an autostart does not":                  {w: workspace(hold, dormant(day)), build: build(1, startB, ok, byClock, made(hour)), want: want{Make, stopB, "Dormancy", 0}},
		"a wish starts it":                       {w: workspace(hold, dormant(day), wishing("", asks("Start"))), build: build(1, stopB, ok), want: want{Make, startB, "Initiator", 0}},
		"a new version does not":                 {w: workspace(holding(1, v1alpha1.Wish{}), dormant(day)), build: build(1, startB, bad, made(2*day), func(b *v1alpha1.WorkspaceBuild) { b.Spec.ResolvedHash = "h0" }), want: want{Action: Hold}},
		"a mark in the future is waited for":     {w: workspace(hold, dormant(-hour)), build: build(1, startB, ok), want: want{Hold, "", "", hour}},
		"a mark taken away is noted":             {w: workspace(hold, old, scheduled(v1alpha1.WorkspaceSchedule{DormantAt: ago(day)})), lifecycle: month, build: build(1, stopB, ok), want: want{Action: Note}},
		"a sleeping one is kept":                 {w: workspace(hold, dormant(60*day)), build: build(1, stopB, ok), want: want{Action: Hold}},
		"and deleted where the template says so": {w: workspace(hold, dormant(10*day)), lifecycle: month, build: build(1, stopB, ok), want: want{Action: Expire}},
		"not while it is being stopped":          {w: workspace(hold, dormant(10*day), scheduled(v1alpha1.WorkspaceSchedule{DormantAt: ago(10 * day), DeletingAt: ago(0)})), lifecycle: month, build: build(1, stopB, ""), want: want{Action: Hold}},
		"and not before its time":                {w: workspace(hold, dormant(9*day), scheduled(v1alpha1.WorkspaceSchedule{DormantAt: ago(9 * day), DeletingAt: ago(-day)})), lifecycle: month, build: build(1, stopB, ok), want: want{Hold, "", "", day}},
	} {
		t.Run(name, func(t *testing.T) {
			v := View{Workspace: c.w, Builds: builds{c.build}, Start: start, Rules: schedule.Rules{Lifecycle: &c.lifecycle}, Now: now}
			if c.refusal != nil {
				v.Start, v.Refusal = nil, c.refusal
			}
			d := Decide(v)
			got := want{Action: d.Action}
			if d.Spec != nil {
				got.Transition, got.Reason = d.Spec.Transition, d.Spec.Reason
			}
			if !d.Until.IsZero() {
				got.Until = d.Until.Sub(now)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("want -, got +:\n%s", diff)
			}
			if d.Action == Note {
				v.Workspace.Status.Acted, v.Workspace.Status.Schedule = d.Acted, d.Schedule
				if again := Decide(v); again.Action == Note {
					t.Errorf("what was noted is noted again: %v", again.Schedule)
				}
			}
		})
	}
}

func extended(text string) func(*v1alpha1.Workspace) {
	return func(w *v1alpha1.Workspace) {
		w.Annotations = map[string]string{v1alpha1.AnnotationExtendedTo: text}
	}
}

func TestDeletionOfTheDormantSaysSo(t *testing.T) {
	for name, c := range map[string]struct {
		deleted time.Duration
		want    v1alpha1.BuildReason
	}{
		"by a person": {time.Second, v1alpha1.BuildReasonInitiator},
		"by the time": {0, v1alpha1.BuildReasonDormancy},
	} {
		w := workspace(holding(1, v1alpha1.Wish{}), scheduled(v1alpha1.WorkspaceSchedule{DeletingAt: ago(0)}))
		w.DeletionTimestamp = ago(c.deleted)
		if got := DeleteBuild(w, builds{build(1, stopB, ok)}).Reason; got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
