// SPDX-License-Identifier: Apache-2.0

package rollout_test

import (
	"fmt"
	"testing"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/rollout"
	"github.com/berth-dev/berth/internal/testing/given"
)

var (
	old   = v1alpha1.UIDReference{Name: "go-1", UID: "v1"}
	fresh = v1alpha1.UIDReference{Name: "go-2", UID: "v2"}
)

// comingOut is a template whose version go-2 is in that step of two: canaries first, then a quarter.
func comingOut(step int32) *v1alpha1.Template {
	percent := int32(25)
	return given.Template("platform", "go", func(t *v1alpha1.Template) {
		t.Spec.Rollout = &v1alpha1.Rollout{Strategy: v1alpha1.RolloutProgressive, Steps: []v1alpha1.RolloutStep{{Group: "canaries"}, {Percent: &percent}}}
		active := old
		t.Status.ActiveVersion = &active
		t.Status.Candidate = &v1alpha1.RolloutCandidate{UIDReference: fresh, Step: step}
	})
}

// drawn gives the name of a workspace of ada's that is, or is not, in the first quarter.
func drawn(t *testing.T, in bool) string {
	t.Helper()
	for i := range 1000 {
		name := fmt.Sprintf("w%d", i)
		if (rollout.Share("go-2", "ada", name) < 25) == in {
			return name
		}
	}
	t.Fatal("none of a thousand")
	return ""
}

func TestNext(t *testing.T) {
	canary := func(group string) bool { return group == "canaries" }
	nobody := func(string) bool { return false }
	in, out := drawn(t, true), drawn(t, false)
	for name, c := range map[string]struct {
		template  *v1alpha1.Template
		workspace string
		in        func(string) bool
		last      *v1alpha1.UIDReference
		change    func(*v1alpha1.Workspace, *v1alpha1.Template)
		want      string
		wantPath  string
	}{
		"a canary, at first":                {template: comingOut(0), workspace: out, in: canary, want: "go-2"},
		"a canary, later":                   {template: comingOut(1), workspace: out, in: canary, want: "go-2"},
		"of the quarter, at first":          {template: comingOut(0), workspace: in, in: nobody, want: "go-1"},
		"of the quarter, later":             {template: comingOut(1), workspace: in, in: nobody, want: "go-2"},
		"of the rest":                       {template: comingOut(1), workspace: out, in: nobody, want: "go-1"},
		"a step that is there no more":      {template: comingOut(9), workspace: in, in: nobody, want: "go-2"},
		"whose groups nobody knows":         {template: comingOut(0), workspace: in, want: "go-1"},
		"held to a version by its manifest": {template: comingOut(1), workspace: in, in: canary, want: "go-0", wantPath: "spec.versionRef.name", change: pinned},
		"manual updates":                    {template: comingOut(1), workspace: in, in: canary, last: &old, want: "go-1", wantPath: "spec.updates", change: manual},
		"manual updates, the first start":   {template: comingOut(1), workspace: in, in: canary, want: "go-2", change: manual},
		"manual, and the active one is required": {template: comingOut(0), workspace: in, in: canary, last: &old, want: "go-2",
			change: func(w *v1alpha1.Workspace, t *v1alpha1.Template) {
				manual(w, t)
				pinned(w, t)
				t.Spec.RequireActiveVersion = true
			}},
		"another strategy by now": {template: comingOut(1), workspace: in, in: canary, want: "go-1",
			change: func(_ *v1alpha1.Workspace, t *v1alpha1.Template) { t.Spec.Rollout.Strategy = v1alpha1.RolloutManual }},
		"no version yet": {template: given.Template("platform", "go"), workspace: in, in: canary},
	} {
		t.Run(name, func(t *testing.T) {
			w := given.Workspace("platform", "any", "ada", "go", func(w *v1alpha1.Workspace) { w.Spec.Name = v1alpha1.WireName(c.workspace) })
			if c.change != nil {
				c.change(w, c.template)
			}
			got, ok := rollout.Next(rollout.Asked{Workspace: w, Template: c.template, Last: c.last, In: c.in})
			if string(got.Name) != c.want || ok != (c.want != "") {
				t.Errorf("%v, %v, want %q", got, ok, c.want)
			}
			if c.wantPath != "" && got.Path != c.wantPath {
				t.Errorf("by %s, want %s", got.Path, c.wantPath)
			}
		})
	}
}

func pinned(w *v1alpha1.Workspace, _ *v1alpha1.Template) {
	w.Spec.VersionRef = &v1alpha1.NameReference{Name: "go-0"}
}

func manual(w *v1alpha1.Workspace, _ *v1alpha1.Template) { w.Spec.Updates = v1alpha1.UpdatesManual }

// A share is about as large as it says, a larger one holds the smaller, capitals do not matter, and each version draws
// anew.
func TestShare(t *testing.T) {
	const all = 20_000
	quarter, moved := 0, 0
	for i := range all {
		owner, name := fmt.Sprintf("u%d", i%700), fmt.Sprintf("w%d", i)
		share := rollout.Share("go-7c9f2a", owner, name)
		if share < 0 || share > 99 || share != rollout.Share("go-7c9f2a", owner, fmt.Sprintf("W%d", i)) {
			t.Fatalf("%s/%s is at %d", owner, name, share)
		}
		if share < 25 {
			quarter++
			if rollout.Share("go-e01b44", owner, name) >= 25 {
				moved++
			}
		}
	}
	if quarter < all*24/100 || quarter > all*26/100 {
		t.Errorf("25%% are %d of %d", quarter, all)
	}
	if moved < quarter*7/10 {
		t.Errorf("the next version goes to the same workspaces first: only %d of %d moved", moved, quarter)
	}
}
