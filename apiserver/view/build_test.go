// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/view"
)

func TestStatusFollowsJobAndTransition(t *testing.T) {
	for _, c := range []struct {
		phase v1alpha1.JobPhase
		want  map[v1alpha1.Transition]codersdk.WorkspaceStatus
	}{
		{v1alpha1.JobPending, map[v1alpha1.Transition]codersdk.WorkspaceStatus{"Start": "pending", "Stop": "pending", "Delete": "pending"}},
		{v1alpha1.JobRunning, map[v1alpha1.Transition]codersdk.WorkspaceStatus{"Start": "starting", "Stop": "stopping", "Delete": "deleting"}},
		{v1alpha1.JobSucceeded, map[v1alpha1.Transition]codersdk.WorkspaceStatus{"Start": "running", "Stop": "stopped", "Delete": "deleted"}},
		{v1alpha1.JobFailed, map[v1alpha1.Transition]codersdk.WorkspaceStatus{"Start": "failed", "Stop": "failed", "Delete": "failed"}},
		{v1alpha1.JobCanceling, map[v1alpha1.Transition]codersdk.WorkspaceStatus{"Start": "canceling", "Stop": "canceling", "Delete": "canceling"}},
		{v1alpha1.JobCanceled, map[v1alpha1.Transition]codersdk.WorkspaceStatus{"Start": "canceled", "Stop": "canceled", "Delete": "canceled"}},
	} {
		for transition, want := range c.want {
			p := parts()
			p.Build.Spec.Transition, p.Build.Status.Job = transition, &v1alpha1.Job{Phase: c.phase}
			b := view.Build(p, now)
			if b.Status != want {
				t.Errorf("%s %s: %s, want %s", transition, c.phase, b.Status, want)
			}
			if shown := !b.Deadline.IsZero(); shown != (b.Status == codersdk.WorkspaceStatusRunning) {
				t.Errorf("%s %s: deadline %v", transition, c.phase, b.Deadline)
			}
			if transition == v1alpha1.TransitionDelete && len(b.Resources) > 0 || b.Resources == nil {
				t.Errorf("%s %s: resources %v", transition, c.phase, b.Resources)
			}
		}
	}
}

func TestBuildWithoutStatus(t *testing.T) {
	for name, c := range map[string]struct {
		change     func(*v1alpha1.WorkspaceBuild)
		wantStatus codersdk.ProvisionerJobStatus
	}{
		"new": {func(*v1alpha1.WorkspaceBuild) {}, codersdk.ProvisionerJobPending},
		"restored": {func(b *v1alpha1.WorkspaceBuild) {
			b.Annotations = map[string]string{v1alpha1.AnnotationOutcome: "Succeeded"}
		}, codersdk.ProvisionerJobSucceeded},
		"a false outcome": {func(b *v1alpha1.WorkspaceBuild) {
			b.Annotations = map[string]string{v1alpha1.AnnotationOutcome: "Running"}
		}, codersdk.ProvisionerJobPending},
		"to be canceled": {func(b *v1alpha1.WorkspaceBuild) {
			b.Spec.Cancel = &v1alpha1.BuildCancel{RequestedAt: "2026-01-31T09:05:00Z"}
		}, codersdk.ProvisionerJobCanceling},
		"at no real moment": {func(b *v1alpha1.WorkspaceBuild) { b.Spec.Cancel = &v1alpha1.BuildCancel{RequestedAt: "soon"} }, codersdk.ProvisionerJobCanceling},
	} {
		t.Run(name, func(t *testing.T) {
			p := parts()
			p.Build.Status = v1alpha1.WorkspaceBuildStatus{}
			c.change(p.Build)
			if got := view.Build(p, now).Job.Status; got != c.wantStatus {
				t.Errorf("%s, want %s", got, c.wantStatus)
			}
		})
	}
}

func TestComingBuildFollowsThePhase(t *testing.T) {
	for phase, want := range map[v1alpha1.WorkspacePhase]codersdk.WorkspaceStatus{
		"": "pending", v1alpha1.PhasePending: "pending", v1alpha1.PhaseStarting: "starting", v1alpha1.PhaseRunning: "running",
		v1alpha1.PhaseStopping: "stopping", v1alpha1.PhaseStopped: "stopped", v1alpha1.PhaseFailed: "failed",
	} {
		p := parts()
		p.Build, p.Workspace.Status.Phase = nil, phase
		if b := view.Build(p, now); b.Status != want || b.BuildNumber != 3 {
			t.Errorf("%s: %s of build %d, want %s of 3", phase, b.Status, b.BuildNumber, want)
		}
	}
}

func TestReasonsThatClientsKnow(t *testing.T) {
	got := map[v1alpha1.BuildReason]codersdk.BuildReason{}
	for _, r := range []v1alpha1.BuildReason{"Initiator", "Autostart", "Autostop", "Dormancy", "Failure", "Update"} {
		p := parts()
		p.Build.Spec.Reason = r
		got[r] = view.Build(p, now).Reason
	}
	want := map[v1alpha1.BuildReason]codersdk.BuildReason{
		"Initiator": "initiator", "Autostart": "autostart", "Autostop": "autostop", "Dormancy": "autostop", "Failure": "autostop", "Update": "initiator",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAgentConnection(t *testing.T) {
	for name, c := range map[string]struct {
		report        v1alpha1.AgentStatus
		completed     bool
		held          int64 // the build that the workspace is held to
		now           time.Time
		wantStatus    codersdk.WorkspaceAgentStatus
		wantLifecycle codersdk.WorkspaceAgentLifecycle
		wantHealthy   bool
	}{
		"being pulled":           {v1alpha1.AgentStatus{}, false, 3, start.Add(time.Hour), "connecting", "created", true},
		"just started":           {v1alpha1.AgentStatus{}, true, 3, start.Add(150 * time.Second), "connecting", "created", true},
		"late":                   {v1alpha1.AgentStatus{}, true, 3, start.Add(5 * time.Minute), "timeout", "created", false},
		"ready":                  {v1alpha1.AgentStatus{Ready: true, ConnectedAt: after(2)}, true, 3, now, "connected", "ready", true},
		"ready after all":        {v1alpha1.AgentStatus{Ready: true, ConnectedAt: after(50)}, true, 3, now, "connected", "ready", true},
		"gone":                   {v1alpha1.AgentStatus{ConnectedAt: after(2), DisconnectedAt: after(9)}, true, 3, now, "disconnected", "created", false},
		"its script failed":      {v1alpha1.AgentStatus{Ready: true, ConnectedAt: after(2), Lifecycle: "start_error"}, true, 3, now, "connected", "start_error", false},
		"shutting down":          {v1alpha1.AgentStatus{Ready: true, ConnectedAt: after(2), Lifecycle: "shutting_down"}, true, 3, now, "connected", "shutting_down", false},
		"says what nobody knows": {v1alpha1.AgentStatus{Ready: true, ConnectedAt: after(2), Lifecycle: "dancing"}, true, 3, now, "connected", "ready", true},
		"of an earlier build":    {v1alpha1.AgentStatus{Ready: true, ConnectedAt: after(2)}, true, 4, now, "disconnected", "off", false},
		"of one never connected": {v1alpha1.AgentStatus{}, true, 4, now, "disconnected", "created", false},
	} {
		t.Run(name, func(t *testing.T) {
			p := parts()
			c.report.Name, c.report.Build = "main", 3
			p.Workspace.Status.Agents = []v1alpha1.AgentStatus{c.report}
			p.Workspace.Status.Build.Number = c.held
			p.Version.Spec.Content.Agents = nil // one agent, main, with the usual two minutes
			if !c.completed {
				p.Build.Status.Job = &v1alpha1.Job{Phase: v1alpha1.JobRunning, StartedAt: after(1)}
			}
			resources := view.Build(p, c.now).Resources
			a := resources[1].Agents[0]
			if a.Name != "main" || a.Status != c.wantStatus || a.LifecycleState != c.wantLifecycle || a.Health.Healthy != c.wantHealthy {
				t.Errorf("%s: %s, %s, healthy %v (%s)", a.Name, a.Status, a.LifecycleState, a.Health.Healthy, a.Health.Reason)
			}
			if (a.Status == codersdk.WorkspaceAgentConnected) != (a.LastConnectedAt != nil && a.LastConnectedAt.Equal(c.now)) {
				t.Errorf("last connected at %v", a.LastConnectedAt)
			}
		})
	}
}
