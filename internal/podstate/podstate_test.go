// SPDX-License-Identifier: Apache-2.0

package podstate

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/berth-dev/berth/api/v1alpha1"
)

var now = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// pod is a pod of two containers on a node, with one agent in main, that has not begun.
func pod(change ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "api", Namespace: "platform", Annotations: map[string]string{
			v1alpha1.AnnotationAgents: `[{"name":"dev","container":"main"}]`,
		}},
		Spec: corev1.PodSpec{NodeName: "n4", Containers: []corev1.Container{
			{Name: "main", Image: "registry.example/go-dev:1.62", Resources: corev1.ResourceRequirements{
				Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("2Gi")},
			}},
			{Name: "db", Image: "registry.example/postgres:18"},
		}},
		Status: corev1.PodStatus{Phase: corev1.PodPending},
	}
	for _, f := range change {
		f(p)
	}
	return p
}

func container(name string, ready bool, state, last corev1.ContainerState) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, corev1.ContainerStatus{Name: name, Ready: ready, State: state, LastTerminationState: last})
	}
}

func waiting(reason, message string) corev1.ContainerState {
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
}

func runningFor(d time.Duration) corev1.ContainerState {
	return corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(now.Add(-d))}}
}

func ended(code int32, reason, message string) corev1.ContainerState {
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason, Message: message}}
}

func unscheduledPod(reason, message string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.NodeName = ""
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: reason, Message: message}}
	}
}

func TestOf(t *testing.T) {
	none := corev1.ContainerState{}
	content := &v1alpha1.TemplateContent{Image: "registry.example/go-dev:1.62", Sidecars: []v1alpha1.Sidecar{{Name: "db"}}}
	type want struct {
		Ready   bool
		Reason  string
		Message string
		Recheck time.Duration
	}
	for name, c := range map[string]struct {
		pod    *corev1.Pod
		claims []corev1.PersistentVolumeClaim
		events []corev1.Event
		source Source
		want   want
	}{
		"waits for a node": {
			pod:  pod(func(p *corev1.Pod) { p.Spec.NodeName = "" }),
			want: want{Reason: "Starting", Message: "pod api waits for a node"},
		},
		"fits no node": {
			pod:  pod(unscheduledPod("Unschedulable", `0/12 nodes are available: 3 node(s) had untolerated taint {spot: true}, 9 Insufficient cpu. preemption: 0/12 nodes are available: 12 Preemption is not helpful for scheduling.`)),
			want: want{Reason: "Unschedulable", Message: `0 of 12 nodes fit: 3 have taint "spot", 9 lack cpu. Ask for less, or have a node added`},
		},
		"finds every node cordoned": {
			pod:  pod(unscheduledPod("Unschedulable", `0/2 nodes are available: 2 node(s) were unschedulable. preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.`)),
			want: want{Reason: "Unschedulable", Message: `0 of 2 nodes fit: 2 cordoned. Wait until the work on them is done, or have a node added`},
		},
		"finds some cordoned, and too little room": {
			pod:  pod(unscheduledPod("Unschedulable", `0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient memory.`)),
			want: want{Reason: "Unschedulable", Message: `0 of 3 nodes fit: 1 cordoned, 2 lack memory. Ask for less, or have a node added`},
		},
		"waits for its volume": {
			pod:    pod(unscheduledPod("Unschedulable", "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found")),
			claims: []corev1.PersistentVolumeClaim{{ObjectMeta: metav1.ObjectMeta{Name: "api-home-1"}}},
			want: want{Reason: "ClaimPending", Message: "volume claim api-home-1 has no volume yet; if it stays so, look at its events and at the storage class: " +
				"kubectl describe pvc api-home-1 -n platform"},
		},
		"is held in a queue": {
			pod: pod(unscheduledPod("SchedulingGated", ""), func(p *corev1.Pod) {
				p.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "kueue.x-k8s.io/admission"}}
			}),
			want: want{Reason: "Unschedulable", Message: "the pod is held in a queue: kueue.x-k8s.io/admission"},
		},
		"an image that is not there": {
			pod:    pod(container("main", false, waiting("ImagePullBackOff", `Back-off pulling image "x": ErrImagePull: rpc error: code = NotFound desc = failed to resolve reference "x": x: not found`), none)),
			source: Source{Version: "go-dev-7c9f2a", Content: content},
			want:   want{Reason: "ImagePull", Message: "pulling registry.example/go-dev:1.62: not found; check the name and the tag. Version go-dev-7c9f2a asks for it in spec.content.image"},
		},
		"the same while it tries": {
			pod:    pod(container("main", false, waiting("ErrImagePull", `rpc error: code = NotFound desc = failed to resolve reference "x": x: not found`), none)),
			source: Source{Version: "go-dev-7c9f2a", Content: content},
			want:   want{Reason: "ImagePull", Message: "pulling registry.example/go-dev:1.62: not found; check the name and the tag. Version go-dev-7c9f2a asks for it in spec.content.image"},
		},
		"a sidecar's image that is denied": {
			pod:    pod(container("db", false, waiting("ErrImagePull", "pull access denied"), none)),
			source: Source{Version: "v", Content: content},
			want:   want{Reason: "ImagePull", Message: "pulling registry.example/postgres:18: the registry denies it; check the name, or name an image pull secret. Version v asks for it in spec.content.sidecars[db].image"},
		},
		"an image of the long form": {
			pod:    pod(container("db", false, waiting("ErrImagePull", "dial tcp: lookup registry.example: no such host"), none)),
			source: Source{Version: "v", Content: &v1alpha1.TemplateContent{PodTemplate: &runtime.RawExtension{Raw: []byte(`{"spec":{"containers":[{"name":"main"},{"name":"db"}]}}`)}}},
			want:   want{Reason: "ImagePull", Message: "pulling registry.example/postgres:18: the registry's host name is not known. Version v asks for it in spec.content.podTemplate.spec.containers[1].image"},
		},
		"the agent's image": {
			pod: pod(func(p *corev1.Pod) {
				p.Spec.InitContainers = []corev1.Container{{Name: "agent", Image: "registry.example/berth:1"}}
				p.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "agent", State: waiting("InvalidImageName", "")}}
			}),
			source: Source{Version: "v", Content: content, AgentImage: "registry.example/berth:1"},
			want:   want{Reason: "ImagePull", Message: "pulling registry.example/berth:1: the name of the image is not valid. It is the agent's image, which the installation sets"},
		},
		"a key that is not there": {
			pod:  pod(container("main", false, waiting("CreateContainerConfigError", `couldn't find key password in Secret platform/db`), none)),
			want: want{Reason: "ContainerConfig", Message: "container main can't be made: couldn't find key password in Secret platform/db"},
		},
		"a container that never ran, at a try": {
			pod:  pod(container("main", false, waiting("RunContainerError", `exec: "/no/such": no such file`), none)),
			want: want{Reason: "ContainerConfig", Message: `container main can't be made: exec: "/no/such": no such file`},
		},
		"the same between two tries": {
			pod:  pod(container("main", false, waiting("CrashLoopBackOff", "back-off 20s"), ended(128, "StartError", `exec: "/no/such": no such file`))),
			want: want{Reason: "ContainerConfig", Message: `container main can't be made: exec: "/no/such": no such file`},
		},
		"a container that ends again and again": {
			pod: pod(container("main", true, runningFor(time.Hour), none),
				container("db", false, waiting("CrashLoopBackOff", "back-off 20s"), ended(7, "Error", "starting\n\x1b[31minitdb: directory not empty\x1b[0m\n"))),
			want: want{Ready: true, Reason: "CrashLoop", Message: `container db ends again and again with exit code 7, last line: "[31minitdb: directory not empty[0m". See kubectl logs api -c db --previous -n platform`},
		},
		"the same while it runs for a moment": {
			pod:  pod(container("main", true, runningFor(time.Hour), none), container("db", true, runningFor(3*time.Second), ended(7, "Error", ""))),
			want: want{Ready: true, Reason: "CrashLoop", Recheck: 7 * time.Second, Message: `container db ends again and again with exit code 7. See kubectl logs api -c db --previous -n platform`},
		},
		"a container that has come back": {
			pod:  pod(container("main", true, runningFor(time.Hour), ended(7, "Error", "")), container("db", true, runningFor(10*time.Second), ended(7, "Error", ""))),
			want: want{Ready: true, Reason: "AgentReady", Message: "the agent is ready"},
		},
		"too much memory": {
			pod:  pod(container("main", false, waiting("CrashLoopBackOff", ""), ended(137, "OOMKilled", ""))),
			want: want{Reason: "OutOfMemory", Message: "container main used more memory than its limit of 2Gi and was ended; raise the limit"},
		},
		"is set up": {
			pod:  pod(container("main", false, waiting("ContainerCreating", ""), none)),
			want: want{Reason: "Starting", Message: "pod api is set up on node n4", Recheck: 10 * time.Second},
		},
		"can't be set up": {
			pod: pod(container("main", false, waiting("ContainerCreating", ""), none)),
			events: []corev1.Event{
				{Reason: "FailedMount", Message: "old", LastTimestamp: metav1.NewTime(now.Add(-time.Minute))},
				{Reason: "FailedAttachVolume", Message: "volume is in use on node n2", LastTimestamp: metav1.NewTime(now)},
				{Reason: "Scheduled", Message: "later", LastTimestamp: metav1.NewTime(now.Add(time.Second))},
			},
			want: want{Reason: "ContainerConfig", Message: "the pod can't be set up: volume is in use on node n2", Recheck: 10 * time.Second},
		},
		"is prepared": {
			pod: pod(func(p *corev1.Pod) {
				p.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "seed", State: runningFor(time.Second)}}
			}),
			want: want{Reason: "Starting", Message: "pod api is prepared on node n4: seed"},
		},
		"has an init container that is done": {
			pod: pod(func(p *corev1.Pod) {
				p.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "seed", State: ended(0, "Completed", "")}}
			}, container("main", false, runningFor(time.Second), none)),
			want: want{Reason: "Starting", Message: "pod api runs on node n4; not ready yet: main"},
		},
		"runs": {
			pod:  pod(container("main", true, runningFor(time.Second), none), container("db", false, runningFor(time.Second), none)),
			want: want{Ready: true, Reason: "AgentReady", Message: "the agent is ready"},
		},
		"is being deleted": {
			pod:  pod(container("main", true, runningFor(time.Second), none), func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: now} }),
			want: want{Reason: "PodGone", Message: "pod api is ending and will be made again"},
		},
		"was evicted": {
			pod: pod(func(p *corev1.Pod) {
				p.Status.Phase, p.Status.Reason, p.Status.Message = corev1.PodFailed, "Evicted", "The node was low on resource: memory."
			}),
			want: want{Reason: "PodGone", Message: "pod api was evicted and is being made again: The node was low on resource: memory."},
		},
		"ended by itself": {
			pod:  pod(func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }),
			want: want{Reason: "PodGone", Message: "pod api ended and is being made again"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := Of(c.pod, c.claims, c.events, c.source, now)
			if diff := cmp.Diff(c.want, want{got.Ready, got.Reason, got.Message, got.Recheck}); diff != "" {
				t.Errorf("want -, got +:\n%s", diff)
			}
		})
	}
}

// A pod whose annotation somebody has spoilt must not be called ready before all of it is.
func TestAgents(t *testing.T) {
	none := corev1.ContainerState{}
	half := []func(*corev1.Pod){container("main", true, runningFor(time.Minute), none), container("db", false, runningFor(time.Minute), none)}
	for name, c := range map[string]struct {
		annotation string
		want       []Agent
	}{
		"as made":   {`[{"name":"dev","container":"main"},{"name":"sql","container":"db"}]`, []Agent{{"dev", "main", true}, {"sql", "db", false}}},
		"no JSON":   {`{`, []Agent{{"main", "main", true}, {"db", "db", false}}},
		"none":      {`[]`, []Agent{{"main", "main", true}, {"db", "db", false}}},
		"too many":  {"[" + strings.Repeat(`{"name":"a"},`, 20) + `{}]`, []Agent{{"main", "main", true}, {"db", "db", false}}},
		"elsewhere": {`[{"name":"dev","container":"none"}]`, []Agent{{"dev", "none", false}}},
	} {
		t.Run(name, func(t *testing.T) {
			p := pod(half...)
			p.Annotations[v1alpha1.AnnotationAgents] = c.annotation
			if diff := cmp.Diff(c.want, Agents(p)); diff != "" {
				t.Errorf("want -, got +:\n%s", diff)
			}
			if c.annotation != `[{"name":"dev","container":"none"}]` && Of(p, nil, nil, Source{}, now).Ready {
				t.Error("it is called ready")
			}
		})
	}
}

func FuzzClean(f *testing.F) {
	f.Add("a\x1b]8;;http://evil\x07b\u202ec\x00\n\td")
	f.Fuzz(func(t *testing.T, text string) {
		got := clean(text, 50)
		if n := len([]rune(got)); n > 52 {
			t.Errorf("%d characters", n)
		}
		for _, r := range got {
			if r < ' ' || r == 0x7f || r == '\u202e' || r == 0x9b {
				t.Errorf("%q holds %U", got, r)
			}
		}
	})
}
