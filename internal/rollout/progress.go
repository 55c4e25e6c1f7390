// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"cmp"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/schedule"
)

// FewestFailures is how many starts with a version must have failed before its rollout is taken back: one workspace
// whose own volume is broken is no reason. More workspaces must have failed last than have not, besides.
const FewestFailures = 3

// View is what the progress of a rollout is worked out from.
type View struct {
	// Rollout is the template's, of strategy Progressive.
	Rollout *v1alpha1.Rollout
	// Active is the version that everybody has who is in no step yet.
	Active v1alpha1.UIDReference
	// Latest is the version of the present content, which was found right; Short is how people call it.
	Latest v1alpha1.UIDReference
	Short  string
	// Starts are those with the latest version that have ended.
	Starts []Start
	// Candidate and Rejected are how far the rollout was.
	Candidate *v1alpha1.RolloutCandidate
	Rejected  *v1alpha1.RejectedVersion
	Now       time.Time
}

// Start is a start that has ended, by going well or by failing.
type Start struct {
	Workspace types.UID
	Number    int64
	At        time.Time
	Succeeded bool
}

// Plan is how far a rollout is now.
type Plan struct {
	// Promoted tells that the latest version has passed every step, and is the active one from now on.
	Promoted bool
	// Candidate is the version that is coming out; nil when none is.
	Candidate *v1alpha1.RolloutCandidate
	// Rejected is the latest version where its rollout was taken back.
	Rejected *v1alpha1.RejectedVersion
	// Words say where it stands.
	Words string
	// Until is when time alone moves it; zero when it does not.
	Until time.Time
}

// Progress moves a rollout as far as time and starts allow. The same view gives the same plan, and a plan that is taken
// up gives itself until something happens. Content that changes begins a rollout anew; content that comes back to the
// active version ends it.
func Progress(v View) Plan {
	p := Plan{}
	if v.Latest.UID == v.Active.UID {
		p.Promoted = true
		return p
	}
	if v.Rejected != nil && v.Rejected.UID == v.Latest.UID {
		p.Rejected = v.Rejected
		return p
	}
	now := second(v.Now)
	if v.Candidate != nil && v.Candidate.UID == v.Latest.UID {
		p.Candidate = v.Candidate.DeepCopy()
	} else if v.Rollout.Paused {
		p.Words = "paused before " + v.Short
		return p
	} else {
		p.Candidate = &v1alpha1.RolloutCandidate{UIDReference: v.Latest, Since: now, StartedAt: now}
	}
	c := p.Candidate
	v.count(c)
	if v.Rollout.Paused {
		if c.PausedAt == nil {
			c.PausedAt = &now
		}
		p.Words = "paused at " + v.step(c)
		return p
	}
	if c.PausedAt != nil {
		c.Since = metav1.NewTime(c.Since.Add(now.Sub(c.PausedAt.Time)))
		c.PausedAt = nil
	}
	if why := v.failed(c); why != "" {
		return v.reject(why)
	}
	for int(c.Step) < len(v.Rollout.Steps) {
		passed, why, until := v.stage(c)
		switch {
		case why != "":
			return v.reject(why)
		case !passed:
			p.Until, p.Words = until, v.words(c)
			return p
		}
		c.Step++
		c.Since, c.Succeeded = now, 0
		v.count(c)
	}
	return Plan{Promoted: true}
}

// count brings the counts up to date. They never fall: builds are pruned, and what was counted stays.
func (v View) count(c *v1alpha1.RolloutCandidate) {
	var succeeded, failed int64
	for _, s := range v.Starts {
		switch {
		case s.Succeeded && !s.At.Before(c.Since.Time):
			succeeded++
		case !s.Succeeded && !s.At.Before(c.StartedAt.Time):
			failed++
		}
	}
	c.Succeeded, c.Failed = max(c.Succeeded, succeeded), max(c.Failed, failed)
}

// failed is why the rollout is to be taken back for its starts: enough of them failed, and of the workspaces that have
// tried the version more failed in their last try than did not.
func (v View) failed(c *v1alpha1.RolloutCandidate) string {
	if c.Failed < FewestFailures {
		return ""
	}
	last := map[types.UID]Start{}
	for _, s := range v.Starts {
		if s.At.Before(c.StartedAt.Time) {
			continue
		}
		if was, ok := last[s.Workspace]; !ok || cmp.Compare(s.Number, was.Number) > 0 {
			last[s.Workspace] = s
		}
	}
	bad := 0
	for _, s := range last {
		if !s.Succeeded {
			bad++
		}
	}
	if bad <= len(last)-bad {
		return ""
	}
	return fmt.Sprintf("%d starts with %s failed, last in %d of %d workspaces", c.Failed, v.Short, bad, len(last))
}

// stage judges the step that a candidate is in: it is passed, it came too late, or it lasts until a time; zero when only
// a start can end it.
func (v View) stage(c *v1alpha1.RolloutCandidate) (passed bool, why string, until time.Time) {
	lasts := c.Since.Add(schedule.Duration(v.Rollout.Steps[c.Step].For))
	if v.Now.Before(lasts) {
		return false, "", lasts
	}
	if c.Succeeded >= v.wanted() {
		return true, "", time.Time{}
	}
	end := v.end(c)
	if !end.IsZero() && !v.Now.Before(end) {
		return false, fmt.Sprintf("%d of %d starts with %s succeeded within %s", c.Succeeded, v.wanted(), v.Short, v.Rollout.Deadline), time.Time{}
	}
	return false, "", end
}

// end is when the step must have had its starts; zero when it may wait for ever. A step never ends before it has lasted.
func (v View) end(c *v1alpha1.RolloutCandidate) time.Time {
	if v.Rollout.Deadline == "" {
		return time.Time{}
	}
	return c.Since.Add(max(schedule.Duration(v.Rollout.Deadline), schedule.Duration(v.Rollout.Steps[c.Step].For)))
}

func (v View) wanted() int64 {
	if v.Rollout.MinBuilds == nil {
		return 0
	}
	return int64(*v.Rollout.MinBuilds)
}

func (v View) reject(why string) Plan {
	return Plan{Rejected: &v1alpha1.RejectedVersion{UIDReference: v.Latest, At: second(v.Now), Why: why}}
}

// words say where a step stands: what is left of its time, and then which starts it waits for.
func (v View) words(c *v1alpha1.RolloutCandidate) string {
	lasts := c.Since.Add(schedule.Duration(v.Rollout.Steps[c.Step].For))
	if v.Now.Before(lasts) {
		return v.step(c) + " until " + Clock(lasts, c.Since.Time)
	}
	text := fmt.Sprintf("%s, %d of %d starts", v.step(c), c.Succeeded, v.wanted())
	if end := v.end(c); !end.IsZero() {
		text += " until " + Clock(end, c.Since.Time)
	}
	return text
}

// step is who has a candidate, in a word.
func (v View) step(c *v1alpha1.RolloutCandidate) string {
	if int(c.Step) >= len(v.Rollout.Steps) {
		return "its end"
	}
	s := v.Rollout.Steps[c.Step]
	if s.Percent != nil {
		return fmt.Sprintf("%d%%", *s.Percent)
	}
	return string(s.Group)
}

// Clock writes a time for people, with its day where it lies more than a day behind another. It is in UTC, as a cluster
// has no zone of its own.
func Clock(t, from time.Time) string {
	if t.Sub(from) <= 24*time.Hour {
		return t.UTC().Format("15:04 UTC")
	}
	return t.UTC().Format("Jan 2 15:04 UTC")
}

func second(t time.Time) metav1.Time { return metav1.NewTime(t.Truncate(time.Second)) }
