// SPDX-License-Identifier: Apache-2.0

package quota_test

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/quota"
	"github.com/berth-dev/berth/internal/testing/given"
)

func n(i int64) *int64 { return ptr.To(i) }

// runs is a workspace that runs, for cost credits a day of which idle are left when it is stopped.
func runs(owner, name, template string, cost, idle int64) quota.Use {
	return quota.Use{UID: "", Owner: owner, Name: name, Template: template, Running: true, Kept: true, Cost: cost, Idle: idle}
}

func stopped(owner, name, template string, idle int64) quota.Use {
	return quota.Use{Owner: owner, Name: name, Template: template, Kept: true, Cost: idle, Idle: idle}
}

func TestBudget(t *testing.T) {
	credits := func(i *int64) *v1alpha1.Quota { return &v1alpha1.Quota{DailyCost: i} }
	for name, c := range map[string]struct {
		rules quota.Rules
		want  int64
	}{
		"nobody says anything":       {quota.Rules{}, quota.Unlimited},
		"caps alone are no budget":   {quota.Rules{Groups: []quota.Group{{Quota: &v1alpha1.Quota{Running: n(1)}}}}, quota.Unlimited},
		"a group without a quota":    {quota.Rules{Groups: []quota.Group{{Name: "a"}}}, quota.Unlimited},
		"nothing granted is a limit": {quota.Rules{Everyone: credits(n(0))}, 0},
		"the groups and Everyone": {quota.Rules{
			Groups: []quota.Group{{Quota: credits(n(100))}, {Quota: credits(nil)}, {Quota: credits(n(20))}}, Everyone: credits(n(3)),
		}, 123},
	} {
		if got := c.rules.Budget(); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestCheck(t *testing.T) {
	budget := func(most int64) quota.Rules {
		return quota.Rules{Owner: "ada", Template: "go", Groups: []quota.Group{{Name: "backend", Quota: &v1alpha1.Quota{DailyCost: &most}}}}
	}
	group := func(q v1alpha1.Quota) quota.Rules {
		return quota.Rules{Owner: "ada", Template: "go", Groups: []quota.Group{{Name: "backend", Quota: &q, Members: map[string]bool{"ada": true, "bob": true}}}}
	}
	everyone := func(q v1alpha1.Quota) quota.Rules {
		return quota.Rules{Owner: "ada", Template: "go", Everyone: &q}
	}
	limits := func(l v1alpha1.TemplateLimits) quota.Rules {
		return quota.Rules{Owner: "ada", Template: "go", Limits: &l}
	}
	fresh, before := runs("ada", "api", "go", 12, 2), quota.Use{Owner: "ada", Name: "api", Template: "go"}
	for name, c := range map[string]struct {
		rules     quota.Rules
		before    *quota.Use
		after     *quota.Use
		others    []quota.Use
		wantScope quota.Scope
		want      string // empty: it passes
	}{
		"nothing limits":             {rules: quota.Rules{Owner: "ada"}, others: []quota.Use{runs("ada", "x", "go", 1e6, 0)}, wantScope: quota.Nothing},
		"the last credit":            {rules: budget(104), others: []quota.Use{runs("ada", "old", "go", 92, 0)}, wantScope: quota.OwnersOnly},
		"others' workspaces are not": {rules: budget(12), others: []quota.Use{runs("bob", "old", "go", 92, 0)}, wantScope: quota.OwnersOnly},
		"one credit too many": {rules: budget(103), others: []quota.Use{runs("ada", "old", "go", 15, 0), runs("ada", "big", "go", 77, 0)}, wantScope: quota.OwnersOnly,
			want: "ada would reach 104 of 103 credits a day: other workspaces 92 + this 12. To free enough: kubectl berth stop ada/old (15)."},
		"the one that frees least and enough": {rules: budget(50), others: []quota.Use{runs("ada", "a", "go", 30, 29), runs("ada", "b", "go", 9, 0), runs("ada", "c", "go", 5, 1)}, wantScope: quota.OwnersOnly,
			want: "other workspaces 44 + this 12. To free enough: kubectl berth stop ada/b (9)."},
		"several together": {rules: budget(20), others: []quota.Use{runs("ada", "a", "go", 10, 0), runs("ada", "b", "go", 9, 0), runs("ada", "c", "go", 5, 0)}, wantScope: quota.OwnersOnly,
			want: "To free enough: kubectl berth stop ada/a (10) ada/b (9)."},
		"stopped ones count what they keep, and can't be stopped": {rules: budget(20), others: []quota.Use{stopped("ada", "a", "go", 10)}, wantScope: quota.OwnersOnly,
			want: "Stopping the others does not free enough; delete one."},
		"dearer than the budget": {rules: budget(11), wantScope: quota.OwnersOnly, want: "It alone costs more than the budget; choose less."},
		"cheaper than before, far over": {rules: budget(5), before: ptr.To(runs("ada", "api", "go", 12, 2)), others: []quota.Use{runs("ada", "old", "go", 92, 0)},
			wantScope: quota.OwnersOnly},
		"what costs nothing": {rules: budget(0), after: ptr.To(runs("ada", "api", "go", 0, 0)), wantScope: quota.OwnersOnly},

		"a group, full": {rules: group(v1alpha1.Quota{Running: n(2)}), others: []quota.Use{runs("ada", "a", "x", 0, 0), runs("bob", "b", "x", 0, 0), stopped("bob", "c", "x", 0)},
			wantScope: quota.All, want: "Group backend would have 3 of 2 workspaces running (spec.quota.running of Group backend); stop one first."},
		"a group, with others beside it": {rules: group(v1alpha1.Quota{Running: n(2)}), others: []quota.Use{runs("ada", "a", "x", 0, 0), runs("eve", "b", "x", 0, 0)}, wantScope: quota.All},
		"a group that keeps":             {rules: group(v1alpha1.Quota{Kept: n(1)}), others: []quota.Use{stopped("bob", "c", "x", 0)}, wantScope: quota.All, want: "2 of 1 workspaces kept, running or stopped"},
		"kept already":                   {rules: group(v1alpha1.Quota{Kept: n(1)}), before: ptr.To(stopped("ada", "api", "go", 2)), others: []quota.Use{stopped("bob", "c", "x", 0)}, wantScope: quota.All},
		"a restart":                      {rules: group(v1alpha1.Quota{Running: n(1)}), before: ptr.To(runs("ada", "api", "go", 12, 2)), others: []quota.Use{runs("bob", "c", "x", 0, 0)}, wantScope: quota.All},
		"each member": {rules: group(v1alpha1.Quota{PerMember: &v1alpha1.Caps{Running: n(1)}}), others: []quota.Use{runs("ada", "a", "x", 0, 0)}, wantScope: quota.OwnersOnly,
			want: "ada would have 2 of 1 workspaces running (spec.quota.perMember.running of Group backend)"},
		"each member, another's":  {rules: group(v1alpha1.Quota{PerMember: &v1alpha1.Caps{Running: n(1)}}), others: []quota.Use{runs("bob", "a", "x", 0, 0)}, wantScope: quota.OwnersOnly},
		"none at all":             {rules: everyone(v1alpha1.Quota{Running: n(0)}), wantScope: quota.All, want: "Everyone would have 1 of 0"},
		"everyone, whoever it is": {rules: everyone(v1alpha1.Quota{Running: n(1)}), others: []quota.Use{runs("eve", "a", "x", 0, 0)}, wantScope: quota.All, want: "Everyone would have 2 of 1"},
		"a template, full": {rules: limits(v1alpha1.TemplateLimits{Caps: v1alpha1.Caps{Running: n(1)}}), others: []quota.Use{runs("eve", "a", "go", 0, 0)},
			wantScope: quota.TemplatesToo, want: "Template go would have 2 of 1 workspaces running"},
		"a template, another's": {rules: limits(v1alpha1.TemplateLimits{Caps: v1alpha1.Caps{Running: n(1)}}), others: []quota.Use{runs("eve", "a", "x", 0, 0)}, wantScope: quota.TemplatesToo},
		"a template, each user": {rules: limits(v1alpha1.TemplateLimits{PerUser: &v1alpha1.Caps{Kept: n(1)}}), others: []quota.Use{stopped("ada", "a", "go", 0), runs("ada", "b", "x", 0, 0)},
			wantScope: quota.OwnersOnly, want: "ada would have 2 of 1 workspaces kept"},
		"a template, each user, another template": {rules: limits(v1alpha1.TemplateLimits{PerUser: &v1alpha1.Caps{Kept: n(1)}}), others: []quota.Use{runs("ada", "b", "x", 0, 0)}, wantScope: quota.OwnersOnly},
	} {
		t.Run(name, func(t *testing.T) {
			was, is := before, fresh
			if c.before != nil {
				was = *c.before
			}
			if c.after != nil {
				is = *c.after
			}
			if got := c.rules.Scope(); got != c.wantScope {
				t.Errorf("it is judged beside %q, want %q", got, c.wantScope)
			}
			f := c.rules.Check(was, is, c.others)
			switch {
			case c.want == "" && f != nil:
				t.Errorf("refused: %v", f)
			case c.want != "" && (f == nil || f.Reason != v1alpha1.ReasonQuotaExceeded || f.Kind != fault.Forbidden || !strings.Contains(f.Error(), c.want)):
				t.Errorf("%v, want %q", f, c.want)
			}
		})
	}
}

func TestCount(t *testing.T) {
	resources := []v1alpha1.BuildResource{{Kind: "Pod", Name: "pod", DailyCost: 12}, {Kind: "PersistentVolumeClaim", Name: "home", DailyCost: 2}}
	build := func(number int64, transition v1alpha1.Transition, phase v1alpha1.JobPhase, resources []v1alpha1.BuildResource) *v1alpha1.WorkspaceBuild {
		b := &v1alpha1.WorkspaceBuild{Spec: v1alpha1.WorkspaceBuildSpec{Number: number, Transition: transition}}
		b.UID = types.UID(fmt.Sprintf("b%d", number))
		b.Status.Job, b.Status.Resources = &v1alpha1.Job{Phase: phase}, resources
		return b
	}
	accepted := func(number int64, transition v1alpha1.Transition, cost *int64) *v1alpha1.AcceptedBuild {
		return &v1alpha1.AcceptedBuild{UIDReference: v1alpha1.UIDReference{UID: types.UID(fmt.Sprintf("b%d", number))}, Number: number, Transition: transition, DailyCost: cost}
	}
	home := []v1alpha1.VolumeStatus{{Name: "home"}}
	type use struct {
		Running, Kept bool
		Cost, Idle    int64
	}
	for name, c := range map[string]struct {
		accepted *v1alpha1.AcceptedBuild
		volumes  []v1alpha1.VolumeStatus
		builds   []*v1alpha1.WorkspaceBuild
		deleted  bool
		want     use
	}{
		"never started":                     {},
		"accepted this moment":              {accepted: accepted(1, v1alpha1.TransitionStart, n(14)), want: use{true, true, 14, 0}},
		"accepted by an earlier release":    {accepted: accepted(1, "", nil), want: use{Running: true, Kept: true}},
		"runs":                              {accepted: accepted(1, v1alpha1.TransitionStart, nil), volumes: home, builds: []*v1alpha1.WorkspaceBuild{build(1, v1alpha1.TransitionStart, v1alpha1.JobSucceeded, resources)}, want: use{true, true, 14, 2}},
		"runs, by its build alone":          {accepted: accepted(1, "", nil), volumes: home, builds: []*v1alpha1.WorkspaceBuild{build(1, v1alpha1.TransitionStart, v1alpha1.JobRunning, resources)}, want: use{true, true, 14, 2}},
		"its start failed before volumes":   {accepted: accepted(1, v1alpha1.TransitionStart, n(14)), builds: []*v1alpha1.WorkspaceBuild{build(1, v1alpha1.TransitionStart, v1alpha1.JobFailed, resources)}},
		"its start failed, volumes are":     {accepted: accepted(1, v1alpha1.TransitionStart, n(14)), volumes: home, builds: []*v1alpha1.WorkspaceBuild{build(1, v1alpha1.TransitionStart, v1alpha1.JobFailed, resources)}, want: use{false, true, 2, 2}},
		"its start was canceled":            {accepted: accepted(1, v1alpha1.TransitionStart, n(14)), builds: []*v1alpha1.WorkspaceBuild{build(1, v1alpha1.TransitionStart, v1alpha1.JobCanceled, nil)}},
		"an older start failed":             {accepted: accepted(2, v1alpha1.TransitionStart, n(9)), volumes: home, builds: []*v1alpha1.WorkspaceBuild{build(1, v1alpha1.TransitionStart, v1alpha1.JobFailed, resources)}, want: use{true, true, 9, 2}},
		"is being stopped":                  {accepted: accepted(2, v1alpha1.TransitionStop, nil), volumes: home, builds: []*v1alpha1.WorkspaceBuild{build(1, v1alpha1.TransitionStart, v1alpha1.JobSucceeded, resources), build(2, v1alpha1.TransitionStop, v1alpha1.JobRunning, nil)}, want: use{false, true, 2, 2}},
		"is stopped":                        {accepted: accepted(2, "", nil), volumes: home, builds: []*v1alpha1.WorkspaceBuild{build(2, v1alpha1.TransitionStop, v1alpha1.JobSucceeded, resources[1:])}, want: use{false, true, 2, 2}},
		"is stopped and has no volumes":     {accepted: accepted(2, v1alpha1.TransitionStop, nil), builds: []*v1alpha1.WorkspaceBuild{build(1, v1alpha1.TransitionStart, v1alpha1.JobSucceeded, resources[:1])}},
		"runs, and is deleted this moment ": {accepted: accepted(1, v1alpha1.TransitionStart, n(14)), volumes: home, deleted: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := given.Workspace("platform", "api", "ada", "go")
			w.Status.Build, w.Status.Volumes = c.accepted, c.volumes
			if c.deleted {
				w.DeletionTimestamp = &w.CreationTimestamp
			}
			got := quota.Count(w, c.builds)
			if (use{got.Running, got.Kept, got.Cost, got.Idle}) != c.want || got.Owner != "ada" || got.Template != "go" {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}
