// SPDX-License-Identifier: Apache-2.0

package workspaces_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/parameters"
	"github.com/berth-dev/berth/internal/testing/cluster"
)

// pooled has goDev have a pool, with so many prepared workspaces that can be claimed, of its defaults.
func (w *world) pooled(ctx context.Context, n int) []*v1alpha1.WarmWorkspace {
	GinkgoHelper()
	w.goDev.Spec.WarmPool = &v1alpha1.WarmPool{Size: int32(n)}
	Expect(env.Client.Update(ctx, w.goDev)).To(Succeed())
	seen(ctx, w.goDev)
	chosen, refusal := parameters.Resolve(w.version.Spec.Content.Parameters, nil, nil, func(name string) string { return name })
	Expect(refusal).To(BeNil())
	hash, err := parameters.Hash(w.version.UID, chosen)
	Expect(err).NotTo(HaveOccurred())
	var slots []*v1alpha1.WarmWorkspace
	for i := range n {
		s := &v1alpha1.WarmWorkspace{
			ObjectMeta: metav1.ObjectMeta{Namespace: w.organization, Name: fmt.Sprintf("go-dev-warm-%d", i)},
			Spec: v1alpha1.WarmWorkspaceSpec{
				TemplateRef: v1alpha1.NameReference{Name: "go-dev"}, VersionRef: v1alpha1.UIDReference{Name: v1alpha1.ObjectName(w.version.Name), UID: w.version.UID},
				Parameters: &v1alpha1.BuildParameters{Values: chosen.Values, Ephemeral: chosen.Ephemeral}, ResolvedHash: hash,
			},
		}
		create(ctx, s)
		s.Status = v1alpha1.WarmWorkspaceStatus{Phase: v1alpha1.WarmReady, Agents: []v1alpha1.WarmAgent{{Name: "main", Connected: true}}}
		Expect(env.Client.Status().Update(ctx, s)).To(Succeed())
		seen(ctx, s)
		slots = append(slots, s)
	}
	return slots
}

// takers are the workspaces whose first builds name a prepared one, by its name. Each must be its claimant.
func (w *world) takers(ctx context.Context) map[string]string {
	GinkgoHelper()
	var builds v1alpha1.WorkspaceBuildList
	Expect(env.Client.List(ctx, &builds, client.InNamespace(w.organization))).To(Succeed())
	taken := map[string]string{}
	for _, b := range builds.Items {
		if b.Spec.Slot == nil {
			continue
		}
		name := string(b.Spec.Slot.Name)
		Expect(taken).NotTo(HaveKey(name), "two workspaces have one")
		taken[name] = string(b.Spec.WorkspaceRef.Name)
		var s v1alpha1.WarmWorkspace
		Expect(env.Client.Get(ctx, client.ObjectKey{Namespace: w.organization, Name: name}, &s)).To(Succeed())
		Expect(s.Spec.Claim.WorkspaceRef.UID).To(Equal(b.Spec.WorkspaceRef.UID))
		Expect(s.OwnerReferences).To(ConsistOf(HaveField("UID", b.Spec.WorkspaceRef.UID)))
	}
	return taken
}

var _ = Describe("Creating a workspace of a template with a warm pool", func() {
	It("has its first build take a prepared one over, where its parameters are the pool's", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.pooled(ctx, 2)
		made := w.workspace(ctx, w.ada, "api")
		Expect(w.takers(ctx)).To(HaveLen(1))
		Expect(made.LatestBuild.BuildNumber).To(BeEquivalentTo(1))
		list := as[codersdk.WorkspacesResponse](ctx, 200, w.ada, "GET", "workspaces?q=template:go-dev", nil)
		Expect(list.Workspaces).To(ConsistOf(HaveField("Name", "api")), "what is prepared is on no list")
		for name, in := range map[string][]codersdk.WorkspaceBuildParameter{
			"lasting": {{Name: "cpu", Value: "3"}}, "ephemeral": {{Name: "reset", Value: "true"}},
		} {
			as[codersdk.Workspace](ctx, 201, w.ada, "POST", w.places(w.ada), codersdk.CreateWorkspaceRequest{
				Name: name, TemplateID: ids.Of(w.goDev), RichParameterValues: in})
			Expect(w.takers(ctx)).To(HaveLen(1), "a parameter of its own, %s", name)
		}
	})

	It("takes one prepared workspace once, of however many race for it, and answers all of them", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.pooled(ctx, 1)
		var wait sync.WaitGroup
		for i := range 20 {
			wait.Go(func() {
				defer GinkgoRecover()
				w.workspace(ctx, w.ada, fmt.Sprintf("api-%d", i))
			})
		}
		wait.Wait()
		Expect(w.takers(ctx)).To(HaveLen(1))
	})

	It("makes a workspace whatever becomes of the claim, and two never have one", func(ctx SpecContext) {
		for _, m := range cluster.Mishaps() {
			if m.Status == 0 {
				continue // a process that has died answers nobody; what it left is the manager's
			}
			w := newWorld(ctx)
			w.pooled(ctx, 1)
			l := &cluster.Luckless{Mishap: m, Parity: 1, Only: "warmworkspaces/go-dev-warm-0"}
			s := behind(ctx, l)
			for i := range 2 {
				body, err := json.Marshal(codersdk.CreateWorkspaceRequest{Name: fmt.Sprintf("api-%d", i), TemplateID: ids.Of(w.goDev)})
				Expect(err).NotTo(HaveOccurred())
				request, err := http.NewRequestWithContext(ctx, "POST", s.URL+"/api/v2/"+w.places(w.ada), bytes.NewReader(body))
				Expect(err).NotTo(HaveOccurred())
				request.Header.Set("Test-User", w.ada)
				answer, err := s.Client().Do(request)
				Expect(err).NotTo(HaveOccurred())
				Expect(answer.Body.Close()).To(Succeed())
				Expect(answer.StatusCode).To(Equal(201), m.Name)
			}
			Expect(l.Struck()).To(Equal(1), m.Name)
			Expect(w.takers(ctx)).To(HaveLen(1), m.Name)
			Expect(strings.Join(l.Met(), "")).To(HavePrefix("PATCH"))
		}
	})
})
