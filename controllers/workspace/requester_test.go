// SPDX-License-Identifier: Apache-2.0

package workspace_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/testing/given"
)

// The annotation is written here as the admission policy of config/stamps does, which has its own specs.
var _ = Describe("Who asks by manifest", func() {
	var w *world
	system := v1alpha1.Initiator{Name: v1alpha1.InitiatorSystem}

	BeforeEach(func(ctx SpecContext) {
		w = found(ctx, env.Client)
		w.decides.Requesters = phase.Requesters{Reader: w.Journal, Own: "berth-system"}
	})
	// signs has a workspace's spec be somebody's.
	signs := func(ctx context.Context, ws *v1alpha1.Workspace, name string) {
		GinkgoHelper()
		edit(ctx, ws, fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, v1alpha1.AnnotationRequester, name))
	}
	// by gives the initiator of the last build of a workspace that somebody made.
	by := func(ctx context.Context, name string) v1alpha1.Initiator {
		GinkgoHelper()
		ws := w.workspaceObject("api", func(ws *v1alpha1.Workspace) {
			ws.Annotations = map[string]string{v1alpha1.AnnotationRequester: name}
		})
		create(ctx, ws)
		w.settle(ctx, ws)
		builds := w.builds(ctx, ws)
		return builds[len(builds)-1].Spec.Initiator
	}
	// listed has a User list identities.
	listed := func(ctx context.Context, name string, subjects ...v1alpha1.Subject) *v1alpha1.User {
		GinkgoHelper()
		u := given.User(name, func(u *v1alpha1.User) {
			u.Spec.Subjects = subjects
		})
		create(ctx, u)
		return u
	}

	It("is the initiator of the builds that follow, and of none that the clock makes", func(ctx SpecContext) {
		ada := listed(ctx, w.org+"-ada", v1alpha1.Subject{Kind: "User", Name: "oidc:ada-" + w.org})
		robot := listed(ctx, w.org+"-robot", v1alpha1.Subject{Kind: "ServiceAccount", Namespace: w.org, Name: "robot"})
		ws := w.workspaceObject("api", func(ws *v1alpha1.Workspace) {
			ws.Annotations = map[string]string{v1alpha1.AnnotationRequester: "oidc:ada-" + w.org}
			ws.Spec.Autostop = &v1alpha1.Autostop{After: "1h"}
		})
		create(ctx, ws)
		w.run(ctx, ws)
		signs(ctx, ws, "system:serviceaccount:"+w.org+":robot")
		w.asks(ctx, ws, v1alpha1.RequestRestart)
		w.settle(ctx, ws)
		w.becomes(ctx, w.pod(ctx, ws), running)
		w.settle(ctx, ws)
		w.passes(2 * time.Hour)
		w.settle(ctx, ws)

		var who []v1alpha1.Initiator
		for _, b := range w.builds(ctx, ws) {
			who = append(who, b.Spec.Initiator)
		}
		Expect(who).To(Equal([]v1alpha1.Initiator{
			{User: ada.Name, ID: ids.Of(ada).String(), Name: ada.WireName()},
			{User: robot.Name, ID: ids.Of(robot).String(), Name: robot.WireName()},
			system,
		}))
	})

	It("is but a name where it is no User's, or more than one's", func(ctx SpecContext) {
		Expect(by(ctx, "oidc:stranger")).To(Equal(v1alpha1.Initiator{Name: "oidc:stranger"}))
	})

	It("is but a name where more than one User lists it", func(ctx SpecContext) {
		both := v1alpha1.Subject{Kind: "User", Name: "oidc:both-" + w.org}
		listed(ctx, w.org+"-one", both)
		listed(ctx, w.org+"-two", both)
		Expect(by(ctx, both.Name)).To(Equal(v1alpha1.Initiator{Name: both.Name}))
	})

	It("has a name that fits", func(ctx SpecContext) {
		Expect(by(ctx, strings.Repeat("ü", 300)).Name).To(Equal(strings.Repeat("ü", 126)))
	})

	It("is nobody where Berth itself wrote the spec", func(ctx SpecContext) {
		Expect(by(ctx, "system:serviceaccount:berth-system:berth-apiserver")).To(Equal(system))
	})

	It("is nobody where the cluster does not keep the annotation from being forged", func(ctx SpecContext) {
		w.decides.Requesters.Own = ""
		Expect(by(ctx, "oidc:ada")).To(Equal(system))
	})

	It("is refused by a quota as the manager's wish is: the number is used again", func(ctx SpecContext) {
		listed(ctx, w.org+"-ada", v1alpha1.Subject{Kind: "User", Name: "oidc:ada-" + w.org})
		w.granted(ctx, v1alpha1.Quota{Running: ptr.To(int64(0))})
		ws := w.workspace(ctx, "api")
		signs(ctx, ws, "oidc:ada-"+w.org)
		w.settle(ctx, ws)
		Expect(w.builds(ctx, ws)).To(BeEmpty())
	})
})
