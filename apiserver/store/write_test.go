// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/testing/given"
)

// workspace stores a workspace that a GitOps tool made, with a field of each kind, and gives it as the cache has it.
func workspace(ctx context.Context) *v1alpha1.Workspace {
	GinkgoHelper()
	organization, err := env.Organization(ctx, "org-")
	Expect(err).NotTo(HaveOccurred())
	w := given.Workspace(organization, "dev", "ada", "go-dev", func(w *v1alpha1.Workspace) {
		w.Spec.Parameters = map[string]v1alpha1.Value{"cpu": v1alpha1.ValueOf(4)}
		w.Annotations = map[string]string{
			"argocd.argoproj.io/tracking-id":   "apps:berth.dev/Workspace:platform/dev",
			corev1.LastAppliedConfigAnnotation: `{"spec":{"parameters":{"cpu":4}}}`,
		}
	})
	Expect(env.Client.Create(ctx, w, client.FieldOwner("argocd-controller"))).To(Succeed())
	w.Spec.Autostop = &v1alpha1.Autostop{After: "8h"}
	Expect(env.Client.Update(ctx, w, client.FieldOwner("kubectl-edit"))).To(Succeed())
	cached := &v1alpha1.Workspace{}
	Eventually(func(g Gomega) {
		g.Expect(objects.Client().Get(ctx, client.ObjectKeyFromObject(w), cached)).To(Succeed())
		g.Expect(cached.ResourceVersion).To(Equal(w.ResourceVersion))
	}).WithTimeout(10 * time.Second).Should(Succeed())
	return cached
}

func live(ctx context.Context, w *v1alpha1.Workspace) *v1alpha1.Workspace {
	GinkgoHelper()
	now := &v1alpha1.Workspace{}
	Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(w), now)).To(Succeed())
	return now
}

// setTTL is an edit.
func setTTL(after v1alpha1.Duration) func(*v1alpha1.Workspace) error {
	return func(w *v1alpha1.Workspace) error {
		w.Spec.Autostop = &v1alpha1.Autostop{After: after}
		return nil
	}
}

var _ = Describe("An edit", func() {
	It("sends what it changed and nothing else, so that nothing of a trimmed object is lost", func(ctx SpecContext) {
		w := workspace(ctx)
		before := live(ctx, w)
		changed, err := objects.ChangeWorkspace(ctx, w, setTTL("2h"))
		Expect(err).NotTo(HaveOccurred())
		Expect(changed.Spec.Autostop.After).To(Equal(v1alpha1.Duration("2h")))
		now := live(ctx, w)
		Expect(now.Annotations).To(Equal(before.Annotations))
		Expect(now.Spec.Parameters).To(Equal(before.Spec.Parameters))
		managers := map[string]bool{}
		for _, e := range now.ManagedFields {
			managers[e.Manager] = true
		}
		Expect(managers).To(Equal(map[string]bool{"argocd-controller": true, "kubectl-edit": true, store.Owner: true}))
		read, _, err := objects.WorkspaceByID(ctx, ids.Of(w))
		Expect(fault.Is(err, fault.NotFound)).To(BeTrue(), "its template is nowhere: %v", read)
	})

	It("that changes nothing writes nothing", func(ctx SpecContext) {
		w := workspace(ctx)
		version := live(ctx, w).ResourceVersion
		_, err := objects.ChangeWorkspace(ctx, w, setTTL("8h"))
		Expect(err).NotTo(HaveOccurred())
		Expect(live(ctx, w).ResourceVersion).To(Equal(version))
	})

	It("is refused by the field that a GitOps tool holds, which stays as it is", func(ctx SpecContext) {
		w := workspace(ctx)
		version := live(ctx, w).ResourceVersion
		_, err := objects.ChangeWorkspace(ctx, w, func(w *v1alpha1.Workspace) error {
			w.Spec.Parameters["cpu"] = v1alpha1.ValueOf(8)
			return setTTL("2h")(w)
		})
		f, ok := fault.As(err)
		Expect(ok).To(BeTrue(), "%v", err)
		Expect(f.Kind).To(Equal(fault.Conflict))
		Expect(f.Message).To(Equal("Workspace dev is held by Argo CD application apps, and spec.parameters.cpu can't be changed here."))
		Expect(f.Fields).To(ConsistOf(fault.Field{Path: "cpu", Detail: "is held by Argo CD application apps"}))
		Expect(live(ctx, w).ResourceVersion).To(Equal(version))
	})

	It("is made anew on what somebody else has changed meanwhile", func(ctx SpecContext) {
		w := workspace(ctx)
		now := live(ctx, w)
		now.Spec.Parameters["ram"] = v1alpha1.ValueOf(8)
		Expect(env.Client.Update(ctx, now)).To(Succeed())
		changed, err := objects.ChangeWorkspace(ctx, w, func(w *v1alpha1.Workspace) error {
			w.Spec.Parameters["disk"] = v1alpha1.ValueOf(1)
			return nil
		})
		Expect(err).NotTo(HaveOccurred())
		Expect(changed.Spec.Parameters).To(HaveLen(3))
		Expect(changed.Spec.Parameters["ram"].String()).To(Equal("8"))
	})

	It("gives up when somebody else is always faster", func(ctx SpecContext) {
		w := workspace(ctx)
		asked := 0
		_, err := objects.ChangeWorkspace(ctx, w, func(w *v1alpha1.Workspace) error {
			asked++
			now := live(ctx, w)
			now.Labels = map[string]string{"try": string(rune('a' + asked))}
			Expect(env.Client.Update(ctx, now)).To(Succeed())
			return setTTL("2h")(w)
		})
		Expect(fault.Is(err, fault.Conflict)).To(BeTrue(), "%v", err)
		Expect(asked).To(Equal(3))
	})

	It("never reaches a successor of the name", func(ctx SpecContext) {
		w := workspace(ctx)
		Expect(env.Client.Delete(ctx, live(ctx, w))).To(Succeed())
		successor := given.Workspace(w.Namespace, "dev", "grace", "go-dev")
		Expect(env.Client.Create(ctx, successor)).To(Succeed())
		_, err := objects.ChangeWorkspace(ctx, w, setTTL("2h"))
		Expect(fault.Is(err, fault.NotFound)).To(BeTrue(), "%v", err)
		Expect(live(ctx, successor).Spec.Autostop).To(BeNil())
	})

	It("is refused by the field that the schema names", func(ctx SpecContext) {
		_, err := objects.ChangeWorkspace(ctx, workspace(ctx), setTTL("2 days"))
		f, ok := fault.As(err)
		Expect(ok).To(BeTrue(), "%v", err)
		Expect(f.Kind).To(Equal(fault.Invalid))
		Expect(f.Fields[0].Path).To(Equal("ttl_ms"))
	})
})

var _ = Describe("A new build", func() {
	request := func(number int64, transition v1alpha1.Transition) store.BuildRequest {
		return store.BuildRequest{Number: number, Transition: transition, Initiator: given.User("ada"), RequestID: "r", Now: time.Now()}
	}

	It("is one, however many replicas make it, and the answer to all who ask for the same", func(ctx SpecContext) {
		w := workspace(ctx)
		var wait sync.WaitGroup
		uids := make([]string, 6)
		for i := range uids {
			wait.Go(func() {
				defer GinkgoRecover()
				b, err := objects.CreateBuild(ctx, store.NewBuild(w, request(1, v1alpha1.TransitionStart)))
				Expect(err).NotTo(HaveOccurred())
				uids[i] = string(b.UID)
			})
		}
		wait.Wait()
		for _, uid := range uids {
			Expect(uid).To(Equal(uids[0]))
		}
	})

	It("of a number that asks for something else, or has ended, is a conflict", func(ctx SpecContext) {
		w := workspace(ctx)
		first, err := objects.CreateBuild(ctx, store.NewBuild(w, request(1, v1alpha1.TransitionStart)))
		Expect(err).NotTo(HaveOccurred())
		_, err = objects.CreateBuild(ctx, store.NewBuild(w, request(1, v1alpha1.TransitionStop)))
		Expect(fault.Is(err, fault.Conflict)).To(BeTrue(), "%v", err)

		now := metav1.Now()
		first.Status.Job = &v1alpha1.Job{Phase: v1alpha1.JobSucceeded, CompletedAt: &now}
		Expect(env.Client.Status().Update(ctx, first)).To(Succeed())
		_, err = objects.CreateBuild(ctx, store.NewBuild(w, request(1, v1alpha1.TransitionStart)))
		Expect(fault.Is(err, fault.Conflict)).To(BeTrue(), "%v", err)
	})

	It("waits for the build of an earlier workspace of the name to go", func(ctx SpecContext) {
		w := workspace(ctx)
		earlier := w.DeepCopy()
		earlier.UID = "00000000-0000-4000-8000-000000000000"
		left := store.NewBuild(earlier, request(1, v1alpha1.TransitionStart))
		left.OwnerReferences = nil
		Expect(env.Client.Create(ctx, left)).To(Succeed())
		go func() {
			defer GinkgoRecover()
			Eventually(func() error { return env.Client.Delete(ctx, left) }).Should(Succeed())
		}()
		made, err := objects.CreateBuild(ctx, store.NewBuild(w, request(1, v1alpha1.TransitionStart)))
		Expect(err).NotTo(HaveOccurred())
		Expect(made.Spec.WorkspaceRef.UID).To(Equal(w.UID))
	})

	It("has the next number as soon as the one before is stored", func(ctx SpecContext) {
		w := workspace(ctx)
		var last *v1alpha1.WorkspaceBuild
		for want := int64(1); want <= 3; want++ {
			number, err := objects.NextNumber(ctx, store.WorkspaceParts{Workspace: w, Build: last})
			Expect(err).NotTo(HaveOccurred())
			Expect(number).To(Equal(want))
			last, err = objects.CreateBuild(ctx, store.NewBuild(w, request(number, v1alpha1.TransitionStop)))
			Expect(err).NotTo(HaveOccurred())
		}
	})

	It("has no number when another build came between the judgement and the number", func(ctx SpecContext) {
		w := workspace(ctx)
		judged, err := objects.CreateBuild(ctx, store.NewBuild(w, request(1, v1alpha1.TransitionStart)))
		Expect(err).NotTo(HaveOccurred())
		_, err = objects.CreateBuild(ctx, store.NewBuild(w, request(2, v1alpha1.TransitionStop)))
		Expect(err).NotTo(HaveOccurred())
		for _, late := range []*v1alpha1.WorkspaceBuild{nil, judged} {
			_, err = objects.NextNumber(ctx, store.WorkspaceParts{Workspace: w, Build: late})
			Expect(fault.Is(err, fault.Conflict)).To(BeTrue(), "%v", err)
		}
	})
})

var _ = Describe("A place for a workspace", func() {
	It("is the home namespace, or the owner's own where the organization gives each one", func(ctx SpecContext) {
		name, err := env.Organization(ctx, "org-")
		Expect(err).NotTo(HaveOccurred())
		shared, owner := given.Organization(name), given.User("ada")
		namespace, object, err := objects.WorkspacePlace(ctx, shared, owner, "My-Api")
		Expect(err).NotTo(HaveOccurred())
		Expect([]string{namespace, object}).To(Equal([]string{name, "ada--my-api"}))

		perOwner := given.Organization(name, func(o *v1alpha1.Organization) { o.Spec.WorkspaceNamespaces = v1alpha1.WorkspaceNamespacesPerOwner })
		_, _, err = objects.WorkspacePlace(ctx, perOwner, owner, "My-Api")
		Expect(fault.Is(err, fault.Unavailable)).To(BeTrue(), "%v", err)
		own := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name + "-ada", Labels: map[string]string{
			v1alpha1.LabelOrganization: name, v1alpha1.LabelOwner: "ada",
		}}}
		Expect(env.Client.Create(ctx, own)).To(Succeed())
		Eventually(func() ([]string, error) {
			namespace, object, err := objects.WorkspacePlace(ctx, perOwner, owner, "My-Api")
			return []string{namespace, object}, err
		}).WithTimeout(10 * time.Second).Should(Equal([]string{own.Name, "my-api"}))
	})
})
