// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/podstate"
)

func fullPod(change func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: "api", Namespace: "platform", UID: "p", ResourceVersion: "7", Labels: map[string]string{v1alpha1.LabelBuild: "3"},
			Annotations:     map[string]string{v1alpha1.AnnotationAgents: `[{"name":"dev","container":"main"}]`, v1alpha1.AnnotationIntent: "h"},
			OwnerReferences: []metav1.OwnerReference{{Kind: "Workspace", Name: "api", UID: "w"}},
			ManagedFields:   []metav1.ManagedFieldsEntry{{Manager: "kubelet"}},
		},
		Spec: corev1.PodSpec{
			NodeName: "n4", Volumes: []corev1.Volume{{Name: "home"}},
			InitContainers: []corev1.Container{{Name: "agent", Image: "registry.example/berth:1"}},
			Containers: []corev1.Container{{Name: "main", Image: "registry.example/go-dev:1.62", Env: []corev1.EnvVar{{Name: "A", Value: "a"}},
				Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("2Gi")}}}},
		},
		Status: corev1.PodStatus{Phase: corev1.PodPending, PodIP: "10.0.0.7", StartTime: &metav1.Time{Time: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)}},
	}
	change(p)
	return p
}

// A pod's own files are not held, and the pod that was read from the watch stays as it is.
func TestTrimmedPodsHoldNoFiles(t *testing.T) {
	whole := fullPod(func(p *corev1.Pod) { p.Annotations[v1alpha1.AnnotationFile+"0"] = "large" })
	trimmed, err := newShared().trimPod(whole)
	if err != nil {
		t.Fatal(err)
	}
	notes := trimmed.(*corev1.Pod).Annotations
	if _, held := notes[v1alpha1.AnnotationFile+"0"]; held || notes[v1alpha1.AnnotationAgents] == "" || len(whole.Annotations) != 3 {
		t.Errorf("held %v of %v", notes, whole.Annotations)
	}
}

// What is left of a pod in the cache tells the same of it as the whole pod, and less is held.
func TestTrimmedPodsTellTheSame(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	main := func(state corev1.ContainerState, ready bool) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Status.Phase = corev1.PodRunning
			p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "main", Image: "registry.example/go-dev:1.62", Ready: ready, State: state}}
		}
	}
	for name, change := range map[string]func(*corev1.Pod){
		"without a node": func(p *corev1.Pod) {
			p.Spec.NodeName = ""
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "0/1 nodes are available: 1 Insufficient cpu."}}
		},
		"in a queue": func(p *corev1.Pod) {
			p.Spec.NodeName, p.Spec.SchedulingGates = "", []corev1.PodSchedulingGate{{Name: "kueue.x-k8s.io/admission"}}
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonSchedulingGated}}
		},
		"being set up":      func(*corev1.Pod) {},
		"being prepared":    func(p *corev1.Pod) { p.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "agent"}} },
		"its image away":    main(corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "not found"}}, false),
		"ready":             main(corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(now.Add(-time.Hour))}}, true),
		"out of memory":     main(corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled"}}, false),
		"ends all the time": main(corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 7, Message: "no such file"}}, false),
		"evicted": func(p *corev1.Pod) {
			p.Status.Phase, p.Status.Reason, p.Status.Message = corev1.PodFailed, "Evicted", "The node was low on memory."
		},
		"ending": func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: now} },
	} {
		t.Run(name, func(t *testing.T) {
			whole := fullPod(change)
			o, err := newShared().trimPod(whole.DeepCopy())
			if err != nil {
				t.Fatal(err)
			}
			left := o.(*corev1.Pod)
			source := podstate.Source{Version: "go-7c9f2a", Content: &v1alpha1.TemplateContent{Image: "registry.example/go-dev:1.62"}, AgentImage: "registry.example/berth:1"}
			if diff := cmp.Diff(podstate.Of(whole, nil, nil, source, now), podstate.Of(left, nil, nil, source, now)); diff != "" {
				t.Errorf("of the whole pod -, of what is left +:\n%s", diff)
			}
			if left.ManagedFields != nil || left.Spec.Volumes != nil || left.Spec.Containers[0].Env != nil {
				t.Errorf("too much is left: %+v", left)
			}
			whole.ManagedFields = nil
			delete(whole.Annotations, v1alpha1.AnnotationIntent)
			if diff := cmp.Diff(whole.ObjectMeta, left.ObjectMeta); diff != "" {
				t.Errorf("whose it is, -, got +:\n%s", diff)
			}
		})
	}
}

// Of other objects only what every one carries and nobody reads goes.
func TestTrim(t *testing.T) {
	ws := &v1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{
		Name: "api", ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubectl"}}, Finalizers: []string{v1alpha1.FinalizerWorkspace},
		Annotations: map[string]string{lastApplied: "{}", v1alpha1.AnnotationFirstBuild: "api"},
	}}
	want := ws.DeepCopy()
	want.ManagedFields = nil
	delete(want.Annotations, lastApplied)
	o, err := newShared().trim(ws)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(client.Object(want), o); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
	if o, err := newShared().trim("a tombstone"); err != nil || o != "a tombstone" {
		t.Errorf("%v, %v", o, err)
	}
}

// A build that has ended is held without its log, which one at work is told further in.
func TestTrimmedBuildsHoldNoLog(t *testing.T) {
	for phase, want := range map[v1alpha1.JobPhase]int{v1alpha1.JobRunning: 1, v1alpha1.JobSucceeded: 0, v1alpha1.JobFailed: 0} {
		b := &v1alpha1.WorkspaceBuild{Status: v1alpha1.WorkspaceBuildStatus{
			Job: &v1alpha1.Job{Phase: phase}, Log: []v1alpha1.LogLine{{ID: 1, Output: "Version go-1 is rendered."}},
		}}
		if _, err := newShared().trim(b); err != nil || len(b.Status.Log) != want {
			t.Errorf("%s: %d lines, want %d; %v", phase, len(b.Status.Log), want, err)
		}
	}
}

// What is shared says the same as before, whatever was remembered.
func TestSharedSaysTheSame(t *testing.T) {
	at := metav1.NewTime(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC))
	s := newShared()
	for i := range 3 * mostShared {
		text := fmt.Sprint("text ", i)
		share(s, &text)
	}
	if len(s.texts) > mostShared {
		t.Errorf("%d texts are remembered", len(s.texts))
	}
	for range 2 {
		ws := &v1alpha1.Workspace{
			ObjectMeta: metav1.ObjectMeta{Namespace: "platform", Name: "api", UID: "w", Labels: map[string]string{v1alpha1.LabelManagedBy: v1alpha1.ManagedBy},
				Annotations: map[string]string{v1alpha1.AnnotationCreatedAt: "x"}, Finalizers: []string{v1alpha1.FinalizerWorkspace},
				OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "K", Name: "n", UID: "u"}}},
			Spec: v1alpha1.WorkspaceSpec{ID: "w", Owner: v1alpha1.WorkspaceOwner{User: "ada"}},
			Status: v1alpha1.WorkspaceStatus{
				Phase: v1alpha1.PhaseRunning, Version: "7c9f2a", Build: &v1alpha1.AcceptedBuild{Transition: v1alpha1.TransitionStart},
				Acted: &v1alpha1.Wish{State: v1alpha1.StateRunning}, Pod: &v1alpha1.PodStatus{Node: "n4"},
				Volumes: []v1alpha1.VolumeStatus{{Name: "home", WhenDeleted: v1alpha1.WhenDeletedRetain}}, Agents: []v1alpha1.AgentStatus{{Name: "main"}},
				Conditions: append(make([]metav1.Condition, 0, 8), metav1.Condition{Type: "Ready", Status: "True", Reason: "AgentReady", Message: "the agent is ready", LastTransitionTime: at}),
			},
		}
		claim := &corev1.PersistentVolumeClaim{
			ObjectMeta: metav1.ObjectMeta{Namespace: "platform", Name: "api-home", UID: "c", Labels: map[string]string{v1alpha1.LabelID: "w"}},
			Spec: corev1.PersistentVolumeClaimSpec{VolumeName: "pvc-7", Resources: corev1.VolumeResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("10Gi")}}},
			Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimBound},
		}
		for _, o := range []struct {
			object client.Object
			trim   func(any) (any, error)
		}{{ws, s.trim}, {claim, s.trimClaim}, {fullPod(func(p *corev1.Pod) {
			p.ManagedFields, p.Spec.Volumes, p.Spec.Containers[0].Env = nil, nil, nil
			delete(p.Annotations, v1alpha1.AnnotationIntent)
		}), s.trimPod}} {
			want := o.object.DeepCopyObject()
			got, err := o.trim(o.object)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%T want -, got +:\n%s", o.object, diff)
			}
		}
	}
}

// Nothing of others is held: no Secret at all, and of pods, claims, accounts and namespaces only what has our label.
func TestCacheHoldsOnlyOurs(t *testing.T) {
	kept, err := cached("berth-system")
	if err != nil {
		t.Fatal(err)
	}
	for object, o := range kept.ByObject {
		if _, secret := object.(*corev1.Secret); secret {
			t.Error("Secrets are cached")
		}
		byNamespace := len(o.Namespaces) > 0
		for _, n := range o.Namespaces {
			byNamespace = byNamespace && n.LabelSelector != nil
		}
		if o.Label == nil && o.Field == nil && !byNamespace {
			t.Errorf("%T: every one of the cluster is held", object)
		}
	}
	for _, object := range []client.Object{&corev1.Pod{}, &corev1.PersistentVolumeClaim{}, &corev1.ServiceAccount{}, &corev1.Namespace{}} {
		found := false
		for o := range kept.ByObject {
			found = found || cmp.Equal(client.Object(object), o)
		}
		if !found {
			t.Errorf("%T has no selector", object)
		}
	}
}
