// SPDX-License-Identifier: Apache-2.0

package workspaces_test

import (
	"context"
	"encoding/json"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
)

// deleted does what the manager does when a workspace's deletion, build 2, has ended: it leaves a record and lets the
// workspace go.
func deleted(ctx context.Context, w *world, object *v1alpha1.Workspace) {
	GinkgoHelper()
	raw := func(o any) runtime.RawExtension {
		text, err := json.Marshal(o)
		Expect(err).NotTo(HaveOccurred())
		return runtime.RawExtension{Raw: text}
	}
	build := job(ctx, object, "2", func(s *v1alpha1.WorkspaceBuildStatus) {
		says("The workspace was deleted.")(s)
		s.Job.Phase = v1alpha1.JobSucceeded
	})
	Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(object), object)).To(Succeed())
	last := object.DeepCopy()
	at := metav1.Now()
	last.DeletionTimestamp = &at
	last.Status.Build = &v1alpha1.AcceptedBuild{UIDReference: v1alpha1.UIDReference{Name: v1alpha1.ObjectName(build.Name), UID: build.UID}, Number: 2}
	create(ctx, &v1alpha1.DeletedWorkspace{
		ObjectMeta: metav1.ObjectMeta{Namespace: object.Namespace, Name: object.Name + "-" + string(object.UID)},
		Spec: v1alpha1.DeletedWorkspaceSpec{
			ID: v1alpha1.ID(ids.Of(object).String()), Name: object.WireName(), ObjectName: v1alpha1.ObjectName(object.Name), UID: string(object.UID),
			Owner: object.Spec.Owner, TemplateRef: object.Spec.TemplateRef, DeletedAt: at.UTC().Format(time.RFC3339),
			ExpiresAt: at.Add(time.Hour).UTC().Format(time.RFC3339), Workspace: raw(last),
			Builds: []v1alpha1.DeletedBuild{{Number: 2, Build: raw(build)}},
		},
	})
	Expect(env.Client.DeleteAllOf(ctx, &v1alpha1.WorkspaceBuild{}, client.InNamespace(object.Namespace))).To(Succeed())
	Expect(env.Client.Delete(ctx, object)).To(Succeed())
	Eventually(func(g Gomega) {
		g.Expect(client.IgnoreNotFound(objects.Client().Get(ctx, client.ObjectKeyFromObject(object), object.DeepCopy()))).To(Succeed())
		_, _, err := objects.WorkspaceByID(ctx, ids.Of(object))
		g.Expect(err).To(HaveOccurred())
		var builds v1alpha1.WorkspaceBuildList
		g.Expect(objects.Client().List(ctx, &builds, client.InNamespace(object.Namespace))).To(Succeed())
		g.Expect(builds.Items).To(BeEmpty())
	}).WithTimeout(10 * time.Second).Should(Succeed())
}

var _ = Describe("A deleted workspace", func() {
	It("is gone, and shown as it was at last to whoever asks for it and could see it", func(ctx SpecContext) {
		w, object, path := running(ctx)
		by := "users/" + w.ada + "/workspace/dev"
		as[codersdk.WorkspaceBuild](ctx, 201, w.ada, "POST", path, codersdk.CreateWorkspaceBuildRequest{Transition: "delete"})
		one := "workspaces/" + ids.Of(object).String()
		before := as[codersdk.Workspace](ctx, 200, w.ada, "GET", one, nil)
		deleted(ctx, w, object)

		refused(ctx, 410, w.ada, "GET", one, nil)
		refused(ctx, 410, w.ada, "GET", one+"?include_deleted=false", nil)
		refused(ctx, 400, w.ada, "GET", one+"?include_deleted=perhaps", nil, "include_deleted")
		last := as[codersdk.Workspace](ctx, 200, w.ada, "GET", one+"?include_deleted=true", nil)
		Expect(last.ID).To(Equal(before.ID))
		Expect(last.LatestBuild.ID).To(Equal(ids.Build(before.ID, 2)))
		Expect(last.LatestBuild.Status).To(Equal(codersdk.WorkspaceStatusDeleted))
		refused(ctx, 404, w.ada, "GET", by, nil)
		refused(ctx, 400, w.ada, "GET", by+"?include_deleted=perhaps", nil, "include_deleted")
		Expect(as[codersdk.Workspace](ctx, 200, w.ada, "GET", by+"?include_deleted=true", nil).ID).To(Equal(before.ID))
		for _, user := range []string{w.grace, w.eve} {
			refused(ctx, 404, user, "GET", one, nil)
			refused(ctx, 404, user, "GET", one+"?include_deleted=true", nil)
			refused(ctx, 404, user, "GET", buildPath(object, 2), nil)
		}
		as[codersdk.Workspace](ctx, 200, w.owner, "GET", one+"?include_deleted=true", nil)
		refused(ctx, 404, w.ada, "PUT", one+"/ttl", json.RawMessage(`{"ttl_ms":7200000}`))

		build := as[codersdk.WorkspaceBuild](ctx, 200, w.ada, "GET", buildPath(object, 2), nil)
		Expect(build.Status).To(Equal(codersdk.WorkspaceStatusDeleted))
		Expect(as[[]codersdk.ProvisionerJobLog](ctx, 200, w.ada, "GET", buildPath(object, 2)+"/logs", nil)).To(HaveExactElements(HaveField("Output", "The workspace was deleted.")))
		refused(ctx, 400, w.ada, "PATCH", buildPath(object, 2)+"/cancel", nil)

		Expect(as[codersdk.WorkspacesResponse](ctx, 200, w.ada, "GET", "workspaces", nil).Count).To(BeZero())
		listed := as[codersdk.WorkspacesResponse](ctx, 200, w.ada, "GET", "workspaces?q=status:deleted", nil)
		Expect(listed.Workspaces).To(HaveExactElements(HaveField("ID", before.ID)))
		Expect(as[codersdk.WorkspacesResponse](ctx, 200, w.grace, "GET", "workspaces?q=status:deleted", nil).Count).To(BeZero())
	})
})

var _ = Describe("A build that waits", func() {
	It("shows its place among those that wait, first come first", func(ctx SpecContext) {
		w := newWorld(ctx)
		place := func(name string) (int, int) {
			GinkgoHelper()
			j := as[codersdk.Workspace](ctx, 200, w.ada, "GET", "users/"+w.ada+"/workspace/"+name, nil).LatestBuild.Job
			Expect(j.Status).To(Equal(codersdk.ProvisionerJobPending))
			return j.QueuePosition, j.QueueSize
		}
		w.workspace(ctx, w.ada, "one")
		w.workspace(ctx, w.ada, "two")
		first, size := place("one")
		second, _ := place("two")
		Expect(second).To(Equal(first + 1))
		Expect(size).To(BeNumerically(">=", second))
		w.end(ctx, w.object(ctx, w.ada, "one"), 1, v1alpha1.JobSucceeded)
		second, _ = place("two")
		Expect(second).To(Equal(first), "it has moved up")
		ended := as[codersdk.Workspace](ctx, 200, w.ada, "GET", "users/"+w.ada+"/workspace/one", nil).LatestBuild.Job
		Expect([]int{ended.QueuePosition, ended.QueueSize}).To(Equal([]int{0, 0}))
	})

	It("is shown at work as soon as the manager has taken it up, unless it is held up by others", func(ctx SpecContext) {
		w := newWorld(ctx)
		shown := func(name string) (codersdk.ProvisionerJobStatus, codersdk.WorkspaceStatus) {
			GinkgoHelper()
			build := as[codersdk.Workspace](ctx, 200, w.ada, "GET", "users/"+w.ada+"/workspace/"+name, nil).LatestBuild
			Expect(build.Job.StartedAt == nil).To(Equal(build.Job.Status == codersdk.ProvisionerJobPending))
			return build.Job.Status, build.Status
		}
		first := func(name string) *v1alpha1.WorkspaceBuild {
			GinkgoHelper()
			b := &v1alpha1.WorkspaceBuild{}
			Expect(env.Client.Get(ctx, client.ObjectKey{Namespace: w.organization, Name: w.ada + "--" + name + "-1"}, b)).To(Succeed())
			return b
		}
		for _, name := range []string{"one", "two"} {
			w.workspace(ctx, w.ada, name)
		}
		is, _ := shown("one")
		Expect(is).To(Equal(codersdk.ProvisionerJobPending))

		o, b := w.object(ctx, w.ada, "one"), first("one")
		o.Status.Build = &v1alpha1.AcceptedBuild{UIDReference: v1alpha1.UIDReference{Name: v1alpha1.ObjectName(b.Name), UID: b.UID}, Number: 1}
		o.Status.Phase = v1alpha1.PhaseStarting
		Expect(env.Client.Status().Update(ctx, o)).To(Succeed())
		seen(ctx, o)
		is, status := shown("one")
		Expect(is).To(Equal(codersdk.ProvisionerJobRunning))
		Expect(status).To(Equal(codersdk.WorkspaceStatusStarting))
		is, _ = shown("two")
		Expect(is).To(Equal(codersdk.ProvisionerJobPending))

		held := first("two")
		held.Status.ObservedGeneration = held.Generation
		held.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse,
			Reason: v1alpha1.ReasonQueued, LastTransitionTime: metav1.Now()}}
		Expect(env.Client.Status().Update(ctx, held)).To(Succeed())
		seen(ctx, held)
		is, _ = shown("one")
		Expect(is).To(Equal(codersdk.ProvisionerJobPending), "it may be held up too")
		w.end(ctx, w.object(ctx, w.ada, "two"), 1, v1alpha1.JobSucceeded)
		is, _ = shown("one")
		Expect(is).To(Equal(codersdk.ProvisionerJobRunning))
	})
})
