// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/schedule"
)

// life is one workspace under a manager that acts on what Decide says, is called at the time that it asks for, and is down
// now and then. Nothing sleeps: the clock jumps to the next instant at which something happens.
type life struct {
	t     *testing.T
	seed  uint64
	rand  *rand.Rand
	now   time.Time
	w     *v1alpha1.Workspace
	all   builds
	rules schedule.Rules
	// busy is how many hours pass at most until a person does something.
	busy    int
	starts  []time.Time
	deleted bool
	steps   int
}

func (l *life) fail(format string, args ...any) {
	l.t.Helper()
	l.t.Fatalf("seed %d, %v: "+format, append([]any{l.seed, l.now}, args...)...)
}

// settle has the manager decide until it holds, as its events do, and gives when it asks to be called again.
func (l *life) settle() time.Time {
	for range 12 {
		l.steps++
		d := Decide(View{Workspace: l.w, Builds: l.all, Start: start, Rules: l.rules, Now: l.now})
		switch d.Action {
		case Hold:
			return d.Until
		case Note:
			l.w.Status.Acted, l.w.Status.Schedule = d.Acted, d.Schedule
		case Make:
			l.accept(d)
		case Sleep:
			l.w.Annotations = map[string]string{v1alpha1.AnnotationDormantSince: l.now.UTC().Format(time.RFC3339Nano)}
		case Wake:
			l.w.Annotations = nil
		case Expire:
			l.deleted = true
			return time.Time{}
		default:
			l.fail("%s", d.Action)
		}
	}
	l.fail("it does not come to rest")
	return time.Time{}
}

func (l *life) accept(d Decision) {
	last := Accepted(l.w, l.all)
	if d.Spec.Reason == v1alpha1.BuildReasonAutostart {
		l.checkStart(last)
	}
	if last != nil && d.Spec.Number != last.Spec.Number+1 {
		l.fail("build %d follows %d", d.Spec.Number, last.Spec.Number)
	}
	b := &v1alpha1.WorkspaceBuild{
		ObjectMeta: metav1.ObjectMeta{UID: uid(d.Spec.Number), CreationTimestamp: metav1.NewTime(l.now), Annotations: map[string]string{
			v1alpha1.AnnotationCreatedAt: l.now.UTC().Format(time.RFC3339Nano),
		}},
		Spec: *d.Spec,
	}
	l.w.Status.Schedule = Instants(l.w, b, nil, l.rules, l.now)
	l.w.Status.Build = &v1alpha1.AcceptedBuild{UIDReference: v1alpha1.UIDReference{UID: b.UID}, Number: b.Spec.Number}
	l.w.Status.Acted = d.Acted
	// It ends at once: what it takes meanwhile is the controllers' specs'.
	b.Status.Job = &v1alpha1.Job{Phase: ok, CompletedAt: &metav1.Time{Time: l.now}}
	if b.Spec.Transition == startB && l.rand.IntN(20) == 0 {
		b.Status.Job.Phase = bad
	}
	l.all = append(l.all, b)
	if len(l.all) > Keep {
		l.all = l.all[1:]
	}
	if latest := l.w.Status.Schedule; b.Spec.Transition == startB && latest != nil && latest.MaxDeadline != nil {
		l.checkLatest(latest.MaxDeadline.Time)
	}
}

// checkStart: an autostart starts what is stopped, for an instant of its line in the window, and each instant once.
func (l *life) checkStart(last *v1alpha1.WorkspaceBuild) {
	if last == nil || last.Spec.Transition != stopB || l.w.Annotations != nil {
		l.fail("an autostart of what is not stopped, or sleeps")
	}
	s, days := *l.w.Spec.Autostart, l.rules.Lifecycle.AutostartDays
	instant := schedule.Next(s, days, l.now.Add(-schedule.StartWindow))
	if instant.After(l.now) {
		l.fail("an autostart at no time of %v", s)
	}
	if n := len(l.starts); n > 0 && !l.starts[n-1].Before(instant) {
		l.fail("a second autostart for %v", instant)
	}
	for next := instant; !next.After(l.now); next = schedule.Next(s, days, next) {
		instant = next
	}
	l.starts = append(l.starts, instant)
	zone, err := time.LoadLocation(s.TimeZone)
	if err != nil {
		l.fail("%v", err)
	}
	if len(days) > 0 && instant.In(zone).Weekday().String() != string(days[0]) {
		l.fail("an autostart on %s", instant.In(zone).Weekday())
	}
}

// checkLatest: a run under a requirement ends on the day that it names, within the weeks that it names.
func (l *life) checkLatest(at time.Time) {
	r := l.rules.Lifecycle.AutostopRequirement
	if r == nil {
		return
	}
	if at.Before(l.now) || at.Sub(l.now) > time.Duration(*r.Weeks)*7*24*time.Hour+26*time.Hour {
		l.fail("required to stop at %v", at)
	}
}

// live plays a workspace's life until the year is over, and checks what holds at each instant.
func (l *life) live(until time.Time) {
	for l.now.Before(until) && !l.deleted {
		next := l.settle()
		if l.deleted {
			return
		}
		if !next.IsZero() && !next.After(l.now) {
			l.fail("it asks to be called at %v", next)
		}
		l.check()
		before := l.now
		// What comes first: the time that was asked for, or a person.
		person := l.now.Add(time.Duration(1+l.rand.IntN(l.busy)) * time.Hour)
		if next.IsZero() || person.Before(next) {
			l.now = person
			l.person()
		} else {
			l.now = next
		}
		if l.rand.IntN(15) == 0 { // the manager is down for up to three days, from before that on
			l.now = l.now.Add(time.Duration(l.rand.IntN(72*60)) * time.Minute)
		}
		if l.now.Sub(before) <= 0 {
			l.fail("time stands still")
		}
	}
}

// check is what holds of a workspace at rest while the manager is up.
func (l *life) check() {
	s := l.w.Status.Schedule
	b := Accepted(l.w, l.all)
	runs := b.Spec.Transition == startB && Outcome(b) == ok
	switch {
	case runs && s != nil && s.Deadline != nil && !s.Deadline.After(l.now):
		l.fail("it runs, and its deadline was %v", s.Deadline)
	case runs && s != nil && s.MaxDeadline != nil && (s.Deadline == nil || s.Deadline.After(s.MaxDeadline.Time)):
		l.fail("deadline %v is beyond %v", s.Deadline, s.MaxDeadline)
	case runs && l.w.Annotations != nil:
		l.fail("it sleeps and runs")
	case b.Spec.Transition == stopB && l.w.Annotations == nil && (s == nil || s.NextStart == nil || !s.NextStart.After(l.now)):
		l.fail("it is stopped, and nothing says when it starts")
	}
}

// person does something: starts or stops it, uses it, or extends it.
func (l *life) person() {
	switch l.rand.IntN(4) {
	case 0:
		l.w.Spec.Request = &v1alpha1.WorkspaceRequest{Transition: v1alpha1.RequestStart, At: l.now.Format(time.RFC3339)}
	case 1:
		l.w.Spec.Request = &v1alpha1.WorkspaceRequest{Transition: v1alpha1.RequestStop, At: l.now.Format(time.RFC3339)}
	case 2:
		l.w.Status.LastUsedAt = &metav1.Time{Time: l.now.Truncate(time.Second)}
	case 3:
		if text, err := schedule.Extension(l.w, l.now.Add(time.Duration(1+l.rand.IntN(20))*time.Hour), l.now); err == nil && l.w.Annotations == nil {
			held := l.w.Status.Schedule.Deadline.Time
			l.w.Annotations = map[string]string{v1alpha1.AnnotationExtendedTo: text}
			if Decide(View{Workspace: l.w, Builds: l.all, Start: start, Rules: l.rules, Now: l.now}).Spec != nil && held.After(l.now) {
				l.fail("an extension stopped it")
			}
			l.settle()
			l.w.Annotations = nil
		}
	}
}

// TestYearsGoBy plays a year each of many workspaces with all kinds of schedules, in zones that move their clocks. Some
// thirty years of them go by in a second.
func TestYearsGoBy(t *testing.T) {
	lives, base := 60, uint64(time.Now().UnixNano())
	if testing.Short() {
		lives = 10
	}
	t.Logf("seeds from %d", base)
	var starts, steps, gone int
	for i := range lives {
		l := newLife(t, base+uint64(i))
		l.live(l.now.Add(366 * 24 * time.Hour))
		starts, steps = starts+len(l.starts), steps+l.steps
		if l.deleted {
			gone++
		}
		if l.steps > 60_000 {
			l.fail("%d decisions in a year", l.steps)
		}
	}
	t.Logf("%d years: %d autostarts, %d decisions, %d deleted for being dormant", lives, starts, steps, gone)
	if starts == 0 {
		t.Error("nothing was started by its schedule")
	}
}

func newLife(t *testing.T, seed uint64) *life {
	r := rand.New(rand.NewPCG(seed, 7))
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	l := &life{t: t, seed: seed, rand: r, busy: 200 + r.IntN(2)*4000, now: time.Date(2024+r.IntN(4), time.Month(1+r.IntN(12)), 1+r.IntN(28), r.IntN(24), 0, 0, 0, time.UTC)}
	l.w = workspace(func(w *v1alpha1.Workspace) {
		w.CreationTimestamp = metav1.NewTime(l.now)
		w.Spec.Autostart = &v1alpha1.Schedule{
			Schedule: fmt.Sprintf("%d %d * * %s", r.IntN(60), r.IntN(24), pick("*", "1-5", "0", "2,4")),
			TimeZone: pick("", "Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Asia/Beirut"),
		}
	})
	lifecycle := &v1alpha1.Lifecycle{
		AutostopAfter:      v1alpha1.Duration(pick("2h", "8h", "30h", "0s", "")),
		AutostopMax:        v1alpha1.Duration(pick("12h", "50h", "0s", "")),
		ActivityBump:       v1alpha1.Duration(pick("1h", "0s", "")),
		FailureStopAfter:   v1alpha1.Duration(pick("1h", "0s")),
		DormantAfter:       v1alpha1.Duration(pick("720h", "240h", "")),
		DeleteDormantAfter: v1alpha1.Duration(pick("2000h", "")),
	}
	if r.IntN(3) == 0 {
		lifecycle.AutostartDays = []v1alpha1.Weekday{v1alpha1.Weekday(pick("Sunday", "Tuesday"))}
		if l.w.Spec.Autostart.Schedule[len(l.w.Spec.Autostart.Schedule)-1] != '*' {
			l.w.Spec.Autostart.Schedule = fmt.Sprintf("%d %d * * *", r.IntN(60), r.IntN(24))
		}
	}
	if r.IntN(2) == 0 {
		lifecycle.AutostopRequirement = &v1alpha1.AutostopRequirement{
			DaysOfWeek: []v1alpha1.Weekday{v1alpha1.Weekday(pick("Monday", "Sunday"))}, Weeks: ptr.To(int32(1 + r.IntN(4))),
		}
	}
	l.rules = schedule.Rules{Lifecycle: lifecycle}
	if r.IntN(2) == 0 {
		l.rules.QuietHours = &v1alpha1.Schedule{Schedule: fmt.Sprintf("%d %d * * *", r.IntN(60), r.IntN(24)), TimeZone: "Europe/Zurich"}
	}
	return l
}
