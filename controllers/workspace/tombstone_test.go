// SPDX-License-Identifier: Apache-2.0

package workspace_test

import (
	"context"
	"encoding/json"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/workspace"
	. "github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
)

// records are those of the world's deleted workspaces.
func (w *world) records(ctx context.Context) []v1alpha1.DeletedWorkspace {
	GinkgoHelper()
	var list v1alpha1.DeletedWorkspaceList
	Expect(env.Client.List(ctx, &list, client.InNamespace(w.org))).To(Succeed())
	return list.Items
}

// record is the only one.
func (w *world) record(ctx context.Context) *v1alpha1.DeletedWorkspace {
	GinkgoHelper()
	records := w.records(ctx)
	Expect(records).To(HaveLen(1))
	return &records[0]
}

// told are the lines of a build that a record holds.
func told(b v1alpha1.DeletedBuild) (build v1alpha1.WorkspaceBuild, lines []string) {
	GinkgoHelper()
	Expect(json.Unmarshal(b.Build.Raw, &build)).To(Succeed())
	for _, l := range build.Status.Log {
		lines = append(lines, l.Stage+": "+l.Output)
	}
	return build, lines
}

var _ = Describe("The record of a deleted workspace", func() {
	It("is there before the workspace is gone, and tells how the deletion went", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.workspace(ctx, "api")
		w.run(ctx, ws)
		Expect(env.Client.Delete(ctx, ws)).To(Succeed())
		w.gone(ctx, ws)
		record := w.record(ctx)
		Expect(Invariants(record, env.Scheme)).To(Succeed())
		Expect(string(record.Spec.ID)).To(Equal(id(ws)))
		Expect(record.Spec).To(And(HaveField("Name", "api"), HaveField("ObjectName", v1alpha1.ObjectName("api")), HaveField("Owner.User", v1alpha1.ObjectName(w.user)),
			HaveField("DeletedAt", w.clock.Now().UTC().Format(time.RFC3339)), HaveField("KeepClaimsUntil", w.clock.Now().Add(168*time.Hour).UTC().Format(time.RFC3339))))
		Expect(record.Spec.Volumes).To(HaveExactElements(HaveField("Name", "home")))
		Expect(record.Spec.Builds).To(HaveExactElements(HaveField("Number", BeEquivalentTo(2)), HaveField("Number", BeEquivalentTo(1))))
		build, lines := told(record.Spec.Builds[0])
		Expect(build.Phase()).To(Equal(v1alpha1.JobSucceeded))
		Expect(lines).To(HaveExactElements(HavePrefix("Preparing: Build 2 of workspace api: delete"), HavePrefix("Stopping: Pod api"), Equal("Stopping: Pod api is gone."),
			HavePrefix("Cleaning up: Volume home: claim api-home-"), HavePrefix("Done: The workspace was deleted in ")))
		var last v1alpha1.Workspace
		Expect(json.Unmarshal(record.Spec.Workspace.Raw, &last)).To(Succeed())
		Expect(last.Spec.TemplateRef).To(Equal(ws.Spec.TemplateRef))
	})

	It("is made once where the manager dies between it and the end", func(ctx SpecContext) {
		dies := false
		c := interceptor.NewClient(env.Client, interceptor.Funcs{Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			if _, ok := o.(*v1alpha1.Workspace); ok && dies {
				dies = false
				return errDead
			}
			return c.Patch(ctx, o, p, opts...)
		}})
		w := found(ctx, c)
		ws := w.workspace(ctx, "api")
		w.run(ctx, ws)
		Expect(env.Client.Delete(ctx, ws)).To(Succeed())
		w.pass(ctx, ws)
		w.ends(ctx, ws)
		dies = true
		_, err := w.decides.Reconcile(ctx, request(ws))
		Expect(err).To(MatchError(errDead))
		Expect(w.records(ctx)).To(HaveLen(1))
		Expect(read(ctx, ws)).To(BeTrue())
		w.pass(ctx, ws)
		Expect(read(ctx, ws)).To(BeFalse())
		Expect(w.records(ctx)).To(HaveLen(1))
	})

	It("names the deletion also where no delete build could be made", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.workspace(ctx, "api")
		w.run(ctx, ws)
		Expect(env.Client.Delete(ctx, ws, client.PropagationPolicy(metav1.DeletePropagationForeground))).To(Succeed())
		w.collect(ctx, ws)
		w.gone(ctx, ws)
		build, _ := told(w.record(ctx).Spec.Builds[0])
		Expect(build.Spec.Transition).To(Equal(v1alpha1.TransitionDelete))
		Expect(build.Spec.Number).To(BeEquivalentTo(2))
		Expect(build.Phase()).To(Equal(v1alpha1.JobSucceeded))
		lets(ctx, ws, metav1.FinalizerDeleteDependents)
	})

	It("is removed when its time is over, and never before the claims that it speaks of", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		w.with(ctx, v1alpha1.Lifecycle{KeepDeletedFor: "240h"})
		ws := w.workspace(ctx, "api")
		w.run(ctx, ws)
		Expect(env.Client.Delete(ctx, ws)).To(Succeed())
		w.gone(ctx, ws)
		record := w.record(ctx)
		expires := &workspace.Tombstones{Client: w.Journal, Clock: w.clock}
		w.passes(239 * time.Hour)
		result, err := expires.Reconcile(ctx, request(record))
		Expect(err).NotTo(HaveOccurred())
		Expect(result.RequeueAfter).To(Equal(time.Hour))
		w.passes(2 * time.Hour)
		_, err = expires.Reconcile(ctx, request(record))
		Expect(err).NotTo(HaveOccurred())
		Expect(w.records(ctx)).To(HaveLen(1), "the claim is still there")
		claim := w.claims(ctx, ws)[0]
		_, err = w.sweeps.Reconcile(ctx, request(&claim))
		Expect(err).NotTo(HaveOccurred())
		claim.Finalizers = nil
		if read(ctx, &claim) {
			edit(ctx, &claim, `{"metadata":{"finalizers":null}}`)
		}
		_, err = expires.Reconcile(ctx, request(record))
		Expect(err).NotTo(HaveOccurred())
		Expect(w.records(ctx)).To(BeEmpty())
	})
})

var _ = Describe("Bringing a deleted workspace back", func() {
	It("takes a manifest with the record's id and name: it keeps its home and its id, and its builds go on", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.workspace(ctx, "api")
		w.run(ctx, ws)
		claim := w.claims(ctx, ws)[0]
		was := id(ws)
		Expect(env.Client.Delete(ctx, ws)).To(Succeed())
		w.gone(ctx, ws)
		w.collect(ctx, ws)

		var last v1alpha1.Workspace
		record := w.record(ctx)
		Expect(json.Unmarshal(record.Spec.Workspace.Raw, &last)).To(Succeed())
		back := &v1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Namespace: w.org, Name: string(record.Spec.ObjectName)}, Spec: last.Spec}
		back.Spec.ID = record.Spec.ID
		create(ctx, back)
		w.settle(ctx, back)
		Expect(id(back)).To(Equal(was))
		Expect(back.Status.Phase).To(Equal(v1alpha1.PhaseStopped), "it comes back as it was kept: stopped")
		kept := w.claims(ctx, back)
		Expect(kept).To(HaveLen(1))
		Expect(kept[0].UID).To(Equal(claim.UID))
		Expect(kept[0].Annotations).NotTo(Or(HaveKey(v1alpha1.AnnotationDeleteAfter), HaveKey(v1alpha1.AnnotationUndelete)))
		_, err := w.sweeps.Reconcile(ctx, request(&kept[0]))
		Expect(err).NotTo(HaveOccurred())

		w.asks(ctx, back, v1alpha1.RequestStart)
		pod := w.run(ctx, back)
		Expect(w.ledger(ctx, back)).To(Equal([]string{"3 Start Succeeded"}), "no number of the earlier life comes again")
		Expect(pod.Spec.Volumes).To(ContainElement(HaveField("PersistentVolumeClaim", HaveValue(HaveField("ClaimName", claim.Name)))))
		Expect(left(w.claims(ctx, back))).To(HaveExactElements(HaveField("UID", claim.UID)))
	})

	It("gives nobody else the claims, whatever id a manifest names", func(ctx SpecContext) {
		w := found(ctx, env.Client)
		ws := w.workspace(ctx, "api")
		w.run(ctx, ws)
		claim := w.claims(ctx, ws)[0]
		Expect(env.Client.Delete(ctx, ws)).To(Succeed())
		w.gone(ctx, ws)
		w.collect(ctx, ws)
		create(ctx, given.User("eve"+w.org))
		other := given.Workspace(w.org, "api", "eve"+w.org, w.template.Name, func(o *v1alpha1.Workspace) { o.Spec.ID = v1alpha1.ID(id(ws)) })
		create(ctx, other)
		w.settle(ctx, other)
		w.asks(ctx, other, v1alpha1.RequestStart)
		w.pass(ctx, other)
		Expect(w.pods(ctx, other)).To(BeEmpty())
		read(ctx, &claim)
		Expect(claim.Annotations).To(And(HaveKey(v1alpha1.AnnotationDeleteAfter), HaveKeyWithValue(v1alpha1.AnnotationOwner, w.user)))
	})
})
