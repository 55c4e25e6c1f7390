// SPDX-License-Identifier: Apache-2.0

package workspacebuild_test

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ledger"
	. "github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
)

var _ = Describe("A start", func() {
	It("makes its claim and its pod, found again by label, and succeeds when every agent's container is ready", func(ctx SpecContext) {
		b := set(ctx)
		build := b.starts(ctx)
		Expect(build.Status.Job.Phase).To(Equal(v1alpha1.JobRunning))
		Expect(build.Status.Job.Worker).To(Equal("manager-0"))
		pod, id := b.pod(ctx), ledger.ID(b.workspace)
		Expect(pod.Name).To(Equal("api"))
		Expect(pod.Labels).To(And(HaveKeyWithValue(v1alpha1.LabelID, id), HaveKeyWithValue(v1alpha1.LabelBuild, "1"),
			HaveKeyWithValue(v1alpha1.LabelManagedBy, v1alpha1.ManagedBy)))
		Expect(pod.Annotations).To(And(HaveKeyWithValue(v1alpha1.AnnotationWorkspace, "api"), HaveKeyWithValue(v1alpha1.AnnotationOwner, b.user),
			HaveKey(v1alpha1.AnnotationIntent), HaveKey(v1alpha1.AnnotationAgents)))
		Expect(pod.OwnerReferences).To(Equal([]metav1.OwnerReference{ledger.OwnerReference(b.workspace)}))
		claim := b.claims(ctx)[0]
		Expect(claim.OwnerReferences).To(BeEmpty())
		Expect(claim.Labels).To(And(HaveKeyWithValue(v1alpha1.LabelID, id), HaveKeyWithValue(v1alpha1.LabelVolume, "home")))
		Expect(claim.Annotations).To(And(HaveKeyWithValue(v1alpha1.AnnotationWhenDeleted, "Delete"),
			HaveKeyWithValue(v1alpha1.AnnotationKeepDeletedFor, "168h")))

		b.clock.SetTime(b.clock.Now().Add(9 * time.Second))
		ready(ctx, pod)
		b.settle(ctx, build)
		Expect(build).To(And(BeReady(), HaveField("Status.Job.Phase", v1alpha1.JobSucceeded), HaveField("Status.Took", "9s")))
		Expect(build.Status.Resources).To(HaveLen(2))
		Expect(build.Annotations).NotTo(HaveKey(v1alpha1.AnnotationOutcome), "only another end is written beside the status")
	})

	It("V42 V60 gives the pod no credential but the agent's, a numeric user and the organization's account", func(ctx SpecContext) {
		b := set(ctx)
		b.starts(ctx)
		spec := b.pod(ctx).Spec
		Expect(spec.AutomountServiceAccountToken).To(HaveValue(BeFalse()))
		Expect(spec.EnableServiceLinks).To(HaveValue(BeFalse()))
		Expect(spec.ServiceAccountName).To(Equal("berth-workspace"))
		Expect(spec.SecurityContext.RunAsUser).To(HaveValue(BeNumerically(">", 0)))
		for _, c := range append(spec.InitContainers, spec.Containers...) {
			Expect(c.SecurityContext.AllowPrivilegeEscalation).To(HaveValue(BeFalse()), c.Name)
			Expect(ptr.Deref(c.SecurityContext.RunAsUser, 1000)).To(BeNumerically(">", 0), c.Name)
		}
		for _, v := range spec.Volumes {
			Expect(v.Secret).To(BeNil(), v.Name)
			Expect(v.HostPath).To(BeNil(), v.Name)
			if v.Projected != nil {
				for _, source := range v.Projected.Sources {
					Expect(source.ServiceAccountToken).NotTo(BeNil(), v.Name)
					Expect(source.ServiceAccountToken.Audience).To(Equal("berth"))
				}
			}
		}
	})

	DescribeTable("V41 makes no pod that escapes its template",
		func(ctx SpecContext, spec, field string) {
			b := set(ctx, func(c *v1alpha1.TemplateContent) {
				c.Image, c.PodTemplate = "", &runtime.RawExtension{Raw: []byte(`{"spec":` + spec + `}`)}
			})
			build := b.starts(ctx)
			Expect(build.Phase()).To(Equal(v1alpha1.JobFailed))
			Expect(build.Status.Job.Error).To(ContainSubstring(field))
			Expect(b.pods(ctx)).To(BeEmpty())
		},
		Entry("by the host's network", `{"hostNetwork":true,"containers":[{"name":"main","image":"a"}]}`, "hostNetwork"),
		Entry("by another account", `{"serviceAccountName":"admin","containers":[{"name":"main","image":"a"}]}`, "serviceAccountName"),
		Entry("by another's claim", `{"containers":[{"name":"main","image":"a"}],"volumes":[{"name":"v","persistentVolumeClaim":{"claimName":"bobs-home"}}]}`, "claimName"),
	)

	It("brings a pod back that was deleted or evicted, in the same build and with the same claim", func(ctx SpecContext) {
		b := set(ctx)
		build := b.runs(ctx)
		first, claim := b.pod(ctx), b.claims(ctx)[0].UID
		kill(ctx, first)
		b.settle(ctx, build)
		second := b.pod(ctx)
		Expect(second.UID).NotTo(Equal(first.UID))
		second.Status.Phase, second.Status.Reason = corev1.PodFailed, "Evicted"
		Expect(env.Client.Status().Update(ctx, second)).To(Succeed())
		b.settle(ctx, build)
		kill(ctx, second)
		b.settle(ctx, build)
		third := b.pod(ctx)
		Expect(third.UID).NotTo(Equal(second.UID))
		Expect(third.Labels).To(HaveKeyWithValue(v1alpha1.LabelBuild, "1"))
		Expect(b.claims(ctx)[0].UID).To(Equal(claim))
		Expect(build.Status.Job.Phase).To(Equal(v1alpha1.JobSucceeded))
	})

	It("puts back labels and owner of a living pod, and deletes it for no drift", func(ctx SpecContext) {
		b := set(ctx)
		build := b.runs(ctx)
		pod := b.pod(ctx)
		read(ctx, b.workspace)
		b.workspace.Status.Pod = &v1alpha1.PodStatus{Name: pod.Name, UID: pod.UID}
		Expect(env.Client.Status().Update(ctx, b.workspace)).To(Succeed())
		for _, drift := range []string{
			`{"metadata":{"ownerReferences":null,"labels":{"berth.dev/build":null,"app.kubernetes.io/managed-by":"me"}}}`,
			`{"metadata":{"labels":{"berth.dev/build":"7"}}}`,
			`{"metadata":{"labels":{"berth.dev/id":null,"app.kubernetes.io/managed-by":null}}}`,
			`{"metadata":{"annotations":{"berth.dev/intent":"other","berth.dev/workspace":null}},"spec":{"containers":[{"name":"` + pod.Spec.Containers[0].Name + `","image":"registry.example/other:1"}]}}`,
		} {
			p := pod.DeepCopy()
			Expect(env.Client.Patch(ctx, p, strategic(drift))).To(Succeed())
			b.settle(ctx, build)
			now := b.pod(ctx)
			Expect(now.UID).To(Equal(pod.UID), drift)
			Expect(now.DeletionTimestamp).To(BeNil())
			Expect(now.Labels).To(And(HaveKeyWithValue(v1alpha1.LabelID, ledger.ID(b.workspace)), HaveKeyWithValue(v1alpha1.LabelBuild, "1"),
				HaveKeyWithValue(v1alpha1.LabelManagedBy, v1alpha1.ManagedBy)), drift)
			Expect(now.OwnerReferences).To(HaveLen(1), drift)
			Expect(now.Annotations).To(HaveKeyWithValue(v1alpha1.AnnotationWorkspace, "api"), drift)
		}
	})

	It("ends the pod of an earlier build before it makes its own", func(ctx SpecContext) {
		b := set(ctx)
		b.runs(ctx)
		first := b.pod(ctx)
		second := b.accepts(ctx, b.build(ctx, 2, v1alpha1.TransitionStart, func(o *v1alpha1.WorkspaceBuild) { o.Spec.Restart = true }))
		b.settle(ctx, second)
		Expect(b.pod(ctx).DeletionTimestamp).NotTo(BeNil())
		Expect(second).To(HaveCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonStopping))
		kill(ctx, first)
		b.settle(ctx, second)
		Expect(b.pod(ctx).Labels).To(HaveKeyWithValue(v1alpha1.LabelBuild, "2"))
	})

	It("V26 never takes a claim or a pod that is somebody else's", func(ctx SpecContext) {
		for owner, marks := range map[string]func(*bench) (id, owner string){
			"nobody":         func(*bench) (string, string) { return "", "" },
			"another person": func(b *bench) (string, string) { return ledger.ID(b.workspace), "eve" },
			"another id":     func(b *bench) (string, string) { return "other", b.user },
		} {
			By(owner)
			other := set(ctx)
			otherBuild := other.accepts(ctx, other.build(ctx, 1, v1alpha1.TransitionStart))
			claim := other.foreignClaim(marks(other))
			create(ctx, claim)
			uid := claim.UID
			other.settle(ctx, otherBuild)
			Expect(otherBuild).To(HaveCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonClaimTaken))
			Expect(other.pods(ctx)).To(BeEmpty())
			read(ctx, claim)
			Expect(claim.UID).To(Equal(uid))
			Expect(claim.Annotations).NotTo(HaveKey(v1alpha1.AnnotationWorkspace))
			other.clock.SetTime(other.clock.Now().Add(10 * time.Minute))
			other.settle(ctx, otherBuild)
			Expect(otherBuild).To(BeStalled(v1alpha1.ReasonStartTimeout))
		}

		last := set(ctx)
		foreign := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: last.org, Name: "api"},
			Spec:       corev1.PodSpec{ServiceAccountName: "berth-workspace", Containers: []corev1.Container{{Name: "c", Image: "a"}}},
		}
		create(ctx, foreign)
		lastBuild := last.accepts(ctx, last.build(ctx, 1, v1alpha1.TransitionStart))
		last.tries(ctx, lastBuild)
		Expect(lastBuild).To(HaveCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonPodRefused))
		Expect(last.pod(ctx).Labels).To(BeEmpty())
	})

	It("V43 mounts only what somebody has opened to templates, of its own namespace", func(ctx SpecContext) {
		b := set(ctx, func(c *v1alpha1.TemplateContent) {
			c.Env = []v1alpha1.EnvVar{{Name: "TOKEN", ValueFrom: &v1alpha1.EnvSource{SecretKeyRef: &v1alpha1.KeyReference{Name: "team", Key: "token"}}}}
		})
		build := b.starts(ctx)
		Expect(build).To(HaveCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonContainerConfig))
		Expect(Message(build, v1alpha1.ConditionReady)).To(ContainSubstring("there is no Secret team"))
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: b.org, Name: "team"}, StringData: map[string]string{"token": "canary"}}
		create(ctx, secret)
		b.settle(ctx, build)
		Expect(Message(build, v1alpha1.ConditionReady)).To(ContainSubstring("kubectl label Secret team"))
		Expect(b.pods(ctx)).To(BeEmpty())
		edit(ctx, secret, `{"metadata":{"labels":{"berth.dev/mountable":"true"}}}`)
		b.settle(ctx, build)
		ready(ctx, b.pod(ctx))
		b.settle(ctx, build)
		Expect(build).To(BeReady())
	})

	It("says what the cluster says when it refuses the pod, and goes on when it does not any more", func(ctx SpecContext) {
		b := set(ctx, func(c *v1alpha1.TemplateContent) {
			c.Resources = &v1alpha1.ContentResources{Requests: map[string]v1alpha1.Value{"cpu": v1alpha1.ValueOf(4)}, Limits: map[string]v1alpha1.Value{"cpu": v1alpha1.ValueOf(4)}}
		})
		limit := &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Namespace: b.org, Name: "small"}, Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{
			{Type: corev1.LimitTypePod, Max: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}},
		}}}
		create(ctx, limit)
		build := b.accepts(ctx, b.build(ctx, 1, v1alpha1.TransitionStart))
		Eventually(func(g Gomega) { // admission reads limits from a cache of its own
			for _, p := range b.pods(ctx) {
				kill(ctx, &p)
			}
			_, err := b.Reconcile(ctx, requestOf(build))
			g.Expect(err).NotTo(HaveOccurred())
			read(ctx, build)
			g.Expect(build).To(HaveCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonPodRefused))
		}).WithTimeout(10 * time.Second).Should(Succeed())
		Expect(Message(build, v1alpha1.ConditionReady)).To(ContainSubstring("maximum cpu usage per Pod is 1"))
		Expect(env.Client.Delete(ctx, limit)).To(Succeed())
		Eventually(func(g Gomega) {
			_, err := b.Reconcile(ctx, requestOf(build))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(b.pods(ctx)).To(HaveLen(1))
		}).WithTimeout(10 * time.Second).Should(Succeed())
	})

	It("fails at once when its version is gone, and leaves a pod alone that runs", func(ctx SpecContext) {
		b := set(ctx)
		build := b.runs(ctx)
		Expect(env.Client.Delete(ctx, b.version)).To(Succeed())
		b.settle(ctx, build)
		Expect(build).To(BeReady())
		kill(ctx, b.pod(ctx))
		told := lines(build)
		b.Reconciler.Client = withoutLogs(b.Journal)
		b.settle(ctx, build)
		Expect(build).To(BeStalled(v1alpha1.ReasonTemplateNotReady))
		Expect(build.Status.Job.Phase).To(Equal(v1alpha1.JobSucceeded))
		Expect(lines(build)).To(Equal(told), "the log stays, which the cache does not hold")
		Expect(told).NotTo(BeEmpty())
		b.Reconciler.Client = b.Journal

		next := b.accepts(ctx, b.build(ctx, 2, v1alpha1.TransitionStart))
		b.settle(ctx, next)
		Expect(next.Status.Job.Phase).To(Equal(v1alpha1.JobFailed))
	})

	It("lets a claim grow and never shrink", func(ctx SpecContext) {
		b := set(ctx, func(c *v1alpha1.TemplateContent) {
			c.VolumeClaims = []v1alpha1.VolumeClaim{{Name: "home", Size: "1Gi", MountPath: "/home/dev"}}
		})
		b.runs(ctx)
		kill(ctx, b.pod(ctx))
		for i, size := range []string{"500Mi", "2Gi"} {
			v := given.TemplateVersion(b.org, fmt.Sprint("go-", i+2), "go", func(v *v1alpha1.TemplateVersion) {
				v.Spec.Content = *b.content.DeepCopy()
				v.Spec.Content.VolumeClaims[0].Size = size
			})
			create(ctx, v)
			b.version = v
			next := b.accepts(ctx, b.build(ctx, int64(i+2), v1alpha1.TransitionStart))
			if size == "2Gi" {
				b.tries(ctx, next)
			} else {
				b.settle(ctx, next)
			}
			got := b.claims(ctx)[0].Spec.Resources.Requests[corev1.ResourceStorage]
			Expect(got.String()).To(Equal("1Gi"))
			if size == "2Gi" { // no storage class here allows it, which the cluster says
				Expect(next).To(HaveCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonClaimPending))
				Expect(Message(next, v1alpha1.ConditionReady)).To(ContainSubstring("can't become as the version wants it"))
				continue
			}
			kill(ctx, b.pod(ctx))
		}
	})
})

var _ = Describe("Any build", func() {
	It("does nothing until it is accepted, when another is, and when its workspace is being deleted", func(ctx SpecContext) {
		b := set(ctx)
		build := b.build(ctx, 1, v1alpha1.TransitionStart)
		quiet := func(build *v1alpha1.WorkspaceBuild) {
			GinkgoHelper()
			before := len(b.Writes())
			_, err := b.Reconcile(ctx, requestOf(build))
			Expect(err).NotTo(HaveOccurred())
			Expect(b.Writes()[before:]).To(BeEmpty())
		}
		quiet(build)
		second := b.accepts(ctx, b.build(ctx, 2, v1alpha1.TransitionStart))
		quiet(build)
		edit(ctx, b.workspace, `{"metadata":{"finalizers":["berth.dev/workspace"]}}`)
		Expect(env.Client.Delete(ctx, b.workspace)).To(Succeed())
		quiet(second)
		Expect(b.pods(ctx)).To(BeEmpty())
	})

	It("is not run again when its status was lost and its outcome was not", func(ctx SpecContext) {
		for _, end := range []v1alpha1.JobPhase{v1alpha1.JobFailed, v1alpha1.JobCanceled, v1alpha1.JobSucceeded} {
			b := set(ctx)
			build := b.accepts(ctx, b.build(ctx, 1, v1alpha1.TransitionStart, func(o *v1alpha1.WorkspaceBuild) {
				o.Annotations = map[string]string{v1alpha1.AnnotationOutcome: string(end)}
			}))
			b.settle(ctx, build)
			Expect(build.Phase()).To(Equal(end))
			want := 0
			if end == v1alpha1.JobSucceeded {
				want = 1 // it went well, so the workspace is held to run
			}
			Expect(b.pods(ctx)).To(HaveLen(want), string(end))
		}
	})

	It("stops without template, version, owner or organization, and keeps the claims", func(ctx SpecContext) {
		b := set(ctx)
		b.runs(ctx)
		Expect(env.Client.Delete(ctx, b.version)).To(Succeed())
		Expect(env.Client.Delete(ctx, given.Template(b.org, "go"))).To(Succeed())
		Expect(env.Client.Delete(ctx, given.User(b.user))).To(Succeed())
		Expect(env.Client.Delete(ctx, given.Organization(b.org))).To(Succeed())
		stop := b.accepts(ctx, b.build(ctx, 2, v1alpha1.TransitionStop))
		b.settle(ctx, stop)
		Expect(stop).To(HaveCondition(v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonStopping))
		kill(ctx, b.pod(ctx))
		b.settle(ctx, stop)
		Expect(stop).To(BeReady())
		Expect(b.pods(ctx)).To(BeEmpty())
		Expect(b.claims(ctx)).To(HaveLen(1))
		Expect(stop.Status.Resources).To(HaveLen(1))
	})

	It("V43 makes nothing outside of organizations", func(ctx SpecContext) {
		b := set(ctx)
		Expect(env.Client.Delete(ctx, given.Organization(b.org))).To(Succeed())
		build := b.starts(ctx)
		Expect(build).To(BeStalled(v1alpha1.ReasonNotAnOrganization))
		Expect(b.pods(ctx)).To(BeEmpty())
		Expect(b.claims(ctx)).To(BeEmpty())
	})
})
