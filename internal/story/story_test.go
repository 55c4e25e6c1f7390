// SPDX-License-Identifier: Apache-2.0

package story

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/joblog"
	"github.com/berth-dev/berth/internal/podstate"
)

var t0 = time.Date(2026, 3, 4, 9, 30, 0, 0, time.UTC)

func at(seconds int) metav1.Time { return metav1.NewTime(t0.Add(time.Duration(seconds) * time.Second)) }

func build(change ...func(*v1alpha1.WorkspaceBuild)) *v1alpha1.WorkspaceBuild {
	start := at(0)
	b := &v1alpha1.WorkspaceBuild{Spec: v1alpha1.WorkspaceBuildSpec{
		WorkspaceRef: v1alpha1.UIDReference{Name: "api"}, Number: 17, Transition: v1alpha1.TransitionStart,
		Reason: v1alpha1.BuildReasonInitiator, Initiator: v1alpha1.Initiator{User: "ada", Name: "ada"},
	}, Status: v1alpha1.WorkspaceBuildStatus{Job: &v1alpha1.Job{Phase: v1alpha1.JobRunning, StartedAt: &start, Worker: "manager-0"}}}
	for _, f := range change {
		f(b)
	}
	return b
}

func podOn(node string) corev1.Pod {
	p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "api", UID: "p1", CreationTimestamp: at(1)}, Spec: corev1.PodSpec{NodeName: node}}
	if node != "" {
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: at(2)}}
	}
	return p
}

func claim(made int, phase corev1.PersistentVolumeClaimPhase) corev1.PersistentVolumeClaim {
	return corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: "api-home-3f0c", UID: "c1", CreationTimestamp: at(made), Labels: map[string]string{v1alpha1.LabelVolume: "home"}},
		Spec: corev1.PersistentVolumeClaimSpec{VolumeName: "pvc-7", Resources: corev1.VolumeResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("10Gi")},
		}},
		Status: corev1.PersistentVolumeClaimStatus{Phase: phase},
	}
}

func event(seconds int, reason, message string) corev1.Event {
	return corev1.Event{Reason: reason, Message: message, FirstTimestamp: at(seconds), InvolvedObject: corev1.ObjectReference{UID: types.UID("p1")}}
}

func told(entries []joblog.Entry) []string {
	var lines []string
	for _, e := range entries {
		lines = append(lines, e.At.Sub(t0).String()+" "+e.Stage+": "+e.Output)
	}
	return lines
}

func mine(*corev1.Pod) bool { return true }

func TestAStartIsToldFromTheFirstStepToTheEnd(t *testing.T) {
	done := at(8)
	running := podOn("n4")
	running.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "main", Ready: true, State: corev1.ContainerState{
		Running: &corev1.ContainerStateRunning{StartedAt: at(7)},
	}}}
	b := build(func(b *v1alpha1.WorkspaceBuild) {
		b.Status.Job.Phase, b.Status.Job.CompletedAt, b.Status.Took = v1alpha1.JobSucceeded, &done, "8s"
	})
	scene := Scene{
		Build: b, Mine: mine, Now: done.Time, Claims: []corev1.PersistentVolumeClaim{claim(0, corev1.ClaimBound)}, Pods: []corev1.Pod{running},
		Rendered: &Rendered{Version: "go-dev-7c9f2a", Agents: 1, Claims: 1},
		State:    &podstate.State{Ready: true, Agents: []podstate.Agent{{Name: "main", Ready: true}}},
		Events: []corev1.Event{
			event(3, "Pulling", `Pulling image "registry.example/go:1"`),
			event(6, "Pulled", `Successfully pulled image "registry.example/go:1" in 2.531s (2.9s including waiting). Image size: 84123456 bytes.`),
			event(6, "Pulled", `Container image "registry.example/berth:1" already present on machine and can be accessed by the pod`),
			event(6, "Created", "Container created"),
			{Reason: "Pulling", Message: `Pulling image "another"`, InvolvedObject: corev1.ObjectReference{UID: "p0"}},
		},
	}
	want := []string{
		"0s Preparing: Build 17 of workspace api: start, asked for by ada.",
		"0s Rendering: Version go-dev-7c9f2a is rendered: a pod with 1 agent and 1 volume claim.",
		"0s Claiming volumes: Volume home: claim api-home-3f0c asks for 10Gi.",
		"2s Scheduling: Pod api is placed on node n4.",
		"3s Pulling image: Pulling registry.example/go:1.",
		"6s Pulling image: Pulled registry.example/go:1 in 2.5s (84 MB).",
		"6s Pulling image: Image registry.example/berth:1 is on the node already.",
		"7s Starting: Container main is started.",
		"8s Claiming volumes: Volume home: claim api-home-3f0c is bound to pvc-7.",
		"8s Starting: Agent main is ready.",
		"8s Done: The workspace was started in 8s.",
	}
	if diff := cmp.Diff(want, told(Tell(scene))); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
	b.Status.Log = joblog.Append(nil, Tell(scene)...)
	if again := Tell(scene); len(again) > 0 {
		t.Errorf("told again: %v", told(again))
	}
	if Untold(b.Status.Log, &running) || !Untold(nil, &running) {
		t.Error("the events are read again, or never")
	}
}

func TestDetailsAreToldWhereTheBuildAsksForThem(t *testing.T) {
	scene := Scene{Mine: mine, Now: t0, Pods: []corev1.Pod{podOn("")}, Rendered: &Rendered{Version: "v", Images: []Image{{"main", "registry.example/go:1"}}}}
	for level, want := range map[string]int{"": 2, v1alpha1.LogDebug: 5} {
		scene.Build = build(func(b *v1alpha1.WorkspaceBuild) { b.Spec.LogLevel = level })
		if got := Tell(scene); len(got) != want {
			t.Errorf("log level %q: %d lines, want %d: %v", level, len(got), want, told(got))
		}
	}
}

func TestWhatGoesWrongIsToldWithItsRemedy(t *testing.T) {
	ended := func(phase v1alpha1.JobPhase, why string) func(*v1alpha1.WorkspaceBuild) {
		return func(b *v1alpha1.WorkspaceBuild) { b.Status.Job.Phase, b.Status.Job.Error = phase, why }
	}
	log := joblog.Append(nil, Tell(Scene{Build: build(), Now: t0})...)
	for name, c := range map[string]struct {
		scene Scene
		want  []string
		level string
	}{
		"no node": {
			Scene{Build: build(), Trouble: Trouble{v1alpha1.ReasonUnschedulable, "0 of 12 nodes fit: 9 lack cpu. Ask for less, or have a node added"}},
			[]string{"0s Scheduling: 0 of 12 nodes fit: 9 lack cpu. Ask for less, or have a node added"}, v1alpha1.LogWarn,
		},
		"no image": {
			Scene{Build: build(), Trouble: Trouble{v1alpha1.ReasonImagePull, "pulling x: not found; check the name and the tag. "}},
			[]string{"0s Pulling image: Pulling x: not found; check the name and the tag. "}, v1alpha1.LogWarn,
		},
		"failed": {
			Scene{Build: build(ended(v1alpha1.JobFailed, "the start did not succeed in time: ImagePull: x"))},
			[]string{"0s Done: The start did not succeed in time: ImagePull: x"}, v1alpha1.LogError,
		},
		"canceled": {
			Scene{Build: build(ended(v1alpha1.JobCanceled, ""), func(b *v1alpha1.WorkspaceBuild) {
				b.Spec.Cancel = &v1alpha1.BuildCancel{RequestedAt: "2026-03-04T09:30:05Z", By: "ada"}
			}), Pods: []corev1.Pod{podOn("n4")}, Mine: mine},
			[]string{
				"0s Stopping: Pod api on node n4 is ending; it has up to 30 seconds to shut down.",
				"5s Cleaning up: Asked by ada to end early: what was made is taken away again.",
				"0s Done: The build was canceled.",
			}, v1alpha1.LogWarn,
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.scene.Now = t0
			c.scene.Build.Status.Log = log
			got := Tell(c.scene)
			if diff := cmp.Diff(c.want, told(got)); diff != "" {
				t.Fatalf("want -, got +:\n%s", diff)
			}
			if last := got[len(got)-1]; last.Level != c.level {
				t.Errorf("level %q, want %q", last.Level, c.level)
			}
		})
	}
}

// A restart is one story: the old pod ends, then the new one is made.
func TestARestartHasTwoStages(t *testing.T) {
	old := podOn("n3")
	b := build(func(b *v1alpha1.WorkspaceBuild) { b.Spec.Restart = true })
	scene := Scene{Build: b, Pods: []corev1.Pod{old}, Mine: func(p *corev1.Pod) bool { return p.UID != "p1" }, Now: t0}
	b.Status.Log = joblog.Append(nil, Tell(scene)...)
	scene.Now = t0.Add(3 * time.Second)
	scene.Pods, scene.Rendered = nil, &Rendered{Version: "go-2", Agents: 2}
	b.Status.Log = joblog.Append(b.Status.Log, Tell(scene)...)
	var got []string
	for _, l := range b.Status.Log {
		got = append(got, l.Stage+": "+l.Output)
	}
	want := []string{
		"Preparing: Build 17 of workspace api: restart, asked for by ada.",
		"Stopping: Pod api on node n3 is ending; it has up to 30 seconds to shut down.",
		"Stopping: Pod api is gone.",
		"Rendering: Version go-2 is rendered: a pod with 2 agents and 0 volume claims.",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

func TestPulled(t *testing.T) {
	for message, want := range map[string]string{
		`Successfully pulled image "a" in 1m2.5s (1m3s including waiting). Image size: 2123456789 bytes.`: "Pulled a in 1m3s (2123 MB).",
		`Successfully pulled image "a" in 152ms (152ms including waiting)`:                                "Pulled a in 0.2s.",
		`Successfully pulled image "a" in 3.2s`:                                                           "Pulled a in 3.2s.",
		`Successfully pulled image "a" in 12.4s. Image size: 900 bytes.`:                                  "Pulled a in 12s (1 kB).",
	} {
		e := event(0, "Pulled", message)
		if got, ok := ofEvent(&e); !ok || got.Output != want {
			t.Errorf("%q is told as %q, want %q", message, got.Output, want)
		}
	}
}
