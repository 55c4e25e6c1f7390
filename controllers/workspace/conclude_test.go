// SPDX-License-Identifier: Apache-2.0

package workspace

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/ledger"
	"github.com/berth-dev/berth/internal/podstate"
	"github.com/berth-dev/berth/internal/testing/cluster"
)

// TestConclude goes through every state that a workspace can be in: kstatus, by which kubectl, Flux and Helm know
// health, must say of each what its conditions mean.
func TestConclude(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	build := func(transition v1alpha1.Transition, end v1alpha1.JobPhase, outcome error) *v1alpha1.WorkspaceBuild {
		b := &v1alpha1.WorkspaceBuild{Spec: v1alpha1.WorkspaceBuildSpec{
			Number: 3, Transition: transition, VersionRef: &v1alpha1.UIDReference{Name: "go-7c9f2a", UID: "v"}, ResolvedHash: "h",
		}}
		b.Status.Job = &v1alpha1.Job{Phase: end}
		if f, ok := fault.As(outcome); ok && end.Ended() {
			b.Status.Job.Error = f.Error()
		}
		b.Status.Conditions = phase.Conclude(nil, 1, outcome, phase.Ready{Reason: v1alpha1.ReasonSucceeded}, now)
		return b
	}
	runs := &podstate.State{Ready: true, Reason: v1alpha1.ReasonAgentReady, Message: "the agent is ready", Agents: []podstate.Agent{{Name: "main", Ready: true}}}
	crashes := &podstate.State{Ready: true, Reason: v1alpha1.ReasonCrashLoop, Message: "container db ends"}
	pulls := &podstate.State{Reason: v1alpha1.ReasonImagePull, Message: "pulling"}
	const (
		start, stop  = v1alpha1.TransitionStart, v1alpha1.TransitionStop
		work, ok     = v1alpha1.JobRunning, v1alpha1.JobSucceeded
		bad, undone  = v1alpha1.JobFailed, v1alpha1.JobCanceled
		fine, failed = status.CurrentStatus, status.FailedStatus
		under        = status.InProgressStatus
	)
	timeout := fault.New(fault.Unavailable, "the start did not succeed in time").Because(v1alpha1.ReasonStartTimeout)
	type want struct {
		Phase   v1alpha1.WorkspacePhase
		Reason  string
		Running metav1.ConditionStatus
		Health  status.Status
	}
	for name, c := range map[string]struct {
		accepted *v1alpha1.WorkspaceBuild
		state    *podstate.State
		outcome  error
		want     want
	}{
		"new":                           {nil, nil, phase.Wait(0, v1alpha1.ReasonProgressing, "the first build"), want{v1alpha1.PhasePending, "Progressing", "False", under}},
		"refused":                       {nil, nil, fault.On("spec.owner.user", "no").Because(v1alpha1.ReasonOwnerMissing), want{v1alpha1.PhasePending, "OwnerMissing", "False", failed}},
		"starting":                      {build(start, work, phase.Wait(0, v1alpha1.ReasonProgressing, "x")), nil, nil, want{v1alpha1.PhaseStarting, "Starting", "False", under}},
		"starting, waiting for a claim": {build(start, work, phase.Wait(0, v1alpha1.ReasonClaimTaken, "x")), nil, nil, want{v1alpha1.PhaseStarting, "ClaimTaken", "False", under}},
		"starting, its pod refused":     {build(start, work, phase.Wait(0, v1alpha1.ReasonPodRefused, "x")), nil, nil, want{v1alpha1.PhaseStarting, "PodRefused", "False", under}},
		"starting, its image not there": {build(start, work, nil), pulls, nil, want{v1alpha1.PhaseStarting, "ImagePull", "False", under}},
		"starting, ready and not done":  {build(start, work, nil), runs, nil, want{v1alpha1.PhaseStarting, "Starting", "True", under}},
		"running":                       {build(start, ok, nil), runs, nil, want{v1alpha1.PhaseRunning, "AgentReady", "True", fine}},
		"running, a sidecar crashing":   {build(start, ok, nil), crashes, nil, want{v1alpha1.PhaseRunning, "CrashLoop", "True", under}},
		"running, its pod gone":         {build(start, ok, nil), nil, nil, want{v1alpha1.PhaseRunning, "PodGone", "False", under}},
		"running, its pod not allowed":  {build(start, ok, phase.Wait(0, v1alpha1.ReasonPodRefused, "x")), nil, nil, want{v1alpha1.PhaseRunning, "PodRefused", "False", under}},
		"running, its version gone":     {build(start, ok, fault.New(fault.NotFound, "x").Because(v1alpha1.ReasonTemplateNotReady)), nil, nil, want{v1alpha1.PhaseRunning, "TemplateNotReady", "False", failed}},
		"running, its manifest wrong":   {build(start, ok, nil), runs, fault.On("spec.parameters.cpu", "no").Because(v1alpha1.ReasonParameterRefused), want{v1alpha1.PhaseRunning, "ParameterRefused", "True", failed}},
		"running, the cluster failing":  {build(start, ok, nil), runs, errors.New("etcd"), want{v1alpha1.PhaseRunning, "Retrying", "True", under}},
		"failed by the clock":           {build(start, bad, timeout), nil, nil, want{v1alpha1.PhaseFailed, "StartTimeout", "False", failed}},
		"failed for another reason":     {build(start, bad, fault.New(fault.Invalid, "x").Because(v1alpha1.ReasonFailed)), nil, nil, want{v1alpha1.PhaseFailed, "BuildFailed", "False", failed}},
		"canceled":                      {build(start, undone, timeout), nil, nil, want{v1alpha1.PhaseStopped, "Canceled", "False", failed}},
		"stopping":                      {build(stop, work, phase.Wait(0, v1alpha1.ReasonStopping, "pod api is ending")), nil, nil, want{v1alpha1.PhaseStopping, "Stopping", "False", under}},
		"stopped":                       {build(stop, ok, nil), nil, nil, want{v1alpha1.PhaseStopped, "Stopped", "False", fine}},
		"stopped, and can't start":      {build(stop, ok, nil), nil, fault.New(fault.Forbidden, "x").Because(v1alpha1.ReasonOwnerSuspended), want{v1alpha1.PhaseStopped, "OwnerSuspended", "False", failed}},
		"sentenced":                     {build(v1alpha1.TransitionDelete, work, nil), nil, nil, want{v1alpha1.PhaseDeleting, "Deleting", "False", under}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &scope{now: now, observed: true, accepted: c.accepted, state: c.state}
			s.workspace = v1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "api", UID: "11111111-1111-1111-1111-111111111111", Generation: 4}}
			s.workspace.Spec.TemplateRef.Name = "go"
			s.workspace.Status.ObservedGeneration = -1
			if c.accepted != nil {
				s.builds = []*v1alpha1.WorkspaceBuild{c.accepted}
			}
			if c.state != nil {
				pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "api", UID: "p", Labels: map[string]string{v1alpha1.LabelBuild: ledger.Label(c.accepted)}}}
				s.pods = []corev1.Pod{pod}
			}
			s.start = &ledger.Resolution{Version: &v1alpha1.UIDReference{Name: "go-7c9f2a", UID: "v"}, Hash: "h"}
			after := conclude(s, c.outcome)
			scheme := runtime.NewScheme()
			if err := v1alpha1.AddToScheme(scheme); err != nil {
				t.Fatal(err)
			}
			if err := cluster.Invariants(after, scheme); err != nil {
				t.Error(err)
			}
			health, err := cluster.Health(after, scheme)
			if err != nil {
				t.Fatal(err)
			}
			got := want{Phase: after.Status.Phase, Health: health}
			for _, condition := range after.Status.Conditions {
				switch condition.Type {
				case v1alpha1.ConditionReady:
					got.Reason = condition.Reason
				case v1alpha1.ConditionRunning:
					got.Running = condition.Status
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("want -, got +:\n%s", diff)
			}
			s.workspace = *after
			if diff := cmp.Diff(after.Status, conclude(s, c.outcome).Status); diff != "" {
				t.Errorf("a second pass says something else:\n%s", diff)
			}
		})
	}
}
