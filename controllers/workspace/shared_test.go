// SPDX-License-Identifier: Apache-2.0

package workspace_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/render"
	. "github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
)

// opens has a template of this world's be open to other organizations, and to nobody beside them.
func (w *world) opens(ctx context.Context, to ...string) {
	GinkgoHelper()
	read(ctx, w.template)
	w.template.Spec.Access = nil
	for _, name := range to {
		w.template.Spec.Access = append(w.template.Spec.Access, v1alpha1.AccessEntry{
			Kind: v1alpha1.AccessKindOrganization, Name: v1alpha1.ObjectName(name), Role: v1alpha1.AccessRoleUse,
		})
	}
	Expect(env.Client.Update(ctx, w.template)).To(Succeed())
}

var _ = Describe("A workspace of another organization's template", func() {
	of := func(other *world) func(*v1alpha1.Workspace) {
		return func(ws *v1alpha1.Workspace) {
			ws.Spec.TemplateRef = v1alpha1.TemplateReference{
				Name: v1alpha1.ObjectName(other.template.Name), Organization: v1alpha1.ObjectName(other.org),
			}
		}
	}

	It("V43 starts in its own namespace while the template is open to its organization, goes on when that is taken back, and is not started again", func(ctx SpecContext) {
		platform, w := found(ctx, env.Client), found(ctx, env.Client)
		platform.template = platform.newTemplate(ctx, "shared", func(t *v1alpha1.Template) {
			t.Spec.Content = given.Content(func(c *v1alpha1.TemplateContent) { c.Image = "registry.example/shared:1" })
		})
		w.newTemplate(ctx, "shared") // a name says nothing
		ws := w.workspace(ctx, "api", of(platform))
		w.settle(ctx, ws)
		Expect(ws).To(BeStalled(v1alpha1.ReasonTemplateNotOpen))
		Expect(Message(ws, v1alpha1.ConditionReady)).To(And(
			ContainSubstring(fmt.Sprintf(`spec.templateRef.organization: organization %s has no Template "shared" that is open to %s`, platform.org, w.org)),
			ContainSubstring(fmt.Sprintf("{kind: Organization, name: %s, role: Use}", w.org)),
		))
		Expect(w.ledger(ctx, ws)).To(BeEmpty())

		By("opening it to others, and to everybody at home")
		platform.opens(ctx, platform.org, "another")
		w.settle(ctx, ws)
		Expect(ws).To(BeStalled(v1alpha1.ReasonTemplateNotOpen))

		By("opening it")
		platform.opens(ctx, w.org)
		pod := w.run(ctx, ws)
		Expect(ws).To(BeReady())
		Expect(ws.Status.Phase).To(Equal(v1alpha1.PhaseRunning))
		Expect(pod.Namespace).To(Equal(w.org))
		Expect(pod.Spec.Containers[0].Image).To(Equal("registry.example/shared:1"))
		Expect(versionOf(ws)).To(Equal(platform.template.Status.ActiveVersion))
		before := len(w.Writes())
		w.settle(ctx, ws)
		Expect(w.Writes()).To(HaveLen(before), "nothing has changed")

		By("taking it back")
		platform.opens(ctx)
		w.settle(ctx, ws)
		Expect(ws).To(BeReady())
		Expect(ws).To(HaveCondition(v1alpha1.ConditionUpdatePending, metav1.ConditionTrue, v1alpha1.ReasonUpdateBlocked))
		Expect(w.pod(ctx, ws).UID).To(Equal(pod.UID))

		By("a lost pod of what runs, which is the same build's")
		Expect(env.Client.Delete(ctx, pod, client.GracePeriodSeconds(0))).To(Succeed())
		w.run(ctx, ws)
		Expect(w.ledger(ctx, ws)).To(Equal([]string{"1 Start Succeeded"}))

		By("a stop, and a start that is refused")
		w.asks(ctx, ws, v1alpha1.RequestStop)
		w.stopped(ctx, ws)
		w.asks(ctx, ws, v1alpha1.RequestStart)
		w.settle(ctx, ws)
		Expect(ws).To(BeStalled(v1alpha1.ReasonTemplateNotOpen))
		Expect(w.ledger(ctx, ws)).To(Equal([]string{"1 Start Succeeded", "2 Stop Succeeded"}))

		By("opening it again")
		platform.opens(ctx, w.org)
		w.settle(ctx, ws)
		Expect(w.ledger(ctx, ws)).To(Equal([]string{"1 Start Succeeded", "2 Stop Succeeded", "3 Start Running"}))
	})

	It("V43 is refused alike whether the template is closed, missing, or its organization is, and a name of its own organization is refused", func(ctx SpecContext) {
		platform, w := found(ctx, env.Client), found(ctx, env.Client)
		words := map[string]bool{}
		for name, ref := range map[string]v1alpha1.TemplateReference{
			"closed":  {Name: "go", Organization: v1alpha1.ObjectName(platform.org)},
			"missing": {Name: "gone", Organization: v1alpha1.ObjectName(platform.org)},
			"nowhere": {Name: "go", Organization: "nowhere"},
		} {
			ws := w.workspace(ctx, name, func(ws *v1alpha1.Workspace) { ws.Spec.TemplateRef = ref })
			w.settle(ctx, ws)
			Expect(ws).To(BeStalled(v1alpha1.ReasonTemplateNotOpen))
			expected := fmt.Sprintf("organization %s has no Template %q that is open to %s", ref.Organization, ref.Name, w.org)
			Expect(Message(ws, v1alpha1.ConditionReady)).To(ContainSubstring(expected))
			words[Message(ws, v1alpha1.ConditionReady)[len("spec.templateRef.organization: ")+len(expected):]] = true
		}
		Expect(words).To(HaveLen(1))
		ws := w.workspace(ctx, "own", func(ws *v1alpha1.Workspace) { ws.Spec.TemplateRef.Organization = v1alpha1.ObjectName(w.org) })
		w.settle(ctx, ws)
		Expect(ws).To(BeStalled(v1alpha1.ReasonTemplateMissing))
		Expect(Message(ws, v1alpha1.ConditionReady)).To(ContainSubstring("leave the field out"))
	})

	It("V43 mounts no Secret of the template's organization, however open, and says that a copy is needed", func(ctx SpecContext) {
		platform, w := found(ctx, env.Client), found(ctx, env.Client)
		platform.template = platform.newTemplate(ctx, "token", func(t *v1alpha1.Template) {
			t.Spec.Content = given.Content(func(c *v1alpha1.TemplateContent) {
				c.Env = []v1alpha1.EnvVar{{Name: "TOKEN", ValueFrom: &v1alpha1.EnvSource{SecretKeyRef: &v1alpha1.KeyReference{Name: "team", Key: "token"}}}}
			})
		})
		platform.opens(ctx, w.org)
		secret := func(namespace string) *corev1.Secret {
			return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
				Namespace: namespace, Name: "team", Labels: map[string]string{render.LabelMountable: "true"},
			}}
		}
		create(ctx, secret(platform.org))
		ws := w.workspace(ctx, "api", of(platform))
		w.settle(ctx, ws)
		Expect(Message(ws, v1alpha1.ConditionReady)).To(And(
			ContainSubstring("there is no Secret team in namespace "+w.org),
			ContainSubstring(fmt.Sprintf("template token is organization %s's", platform.org)),
		))
		Expect(w.pods(ctx, ws)).To(BeEmpty())
		create(ctx, secret(w.org))
		w.passes(time.Minute)
		w.run(ctx, ws)
		Expect(ws).To(BeReady())
	})

	It("counts for its own organization alone where the template caps its workspaces", func(ctx SpecContext) {
		platform, w := found(ctx, env.Client), found(ctx, env.Client)
		one := int64(1)
		platform.template = platform.newTemplate(ctx, "few", func(t *v1alpha1.Template) {
			t.Spec.Limits = &v1alpha1.TemplateLimits{Caps: v1alpha1.Caps{Running: &one}}
		})
		platform.opens(ctx, w.org)
		w.newTemplate(ctx, "few")
		platform.run(ctx, platform.workspace(ctx, "theirs"))
		own := w.workspace(ctx, "own", func(ws *v1alpha1.Workspace) { ws.Spec.TemplateRef.Name = "few" })
		w.run(ctx, own)
		first := w.workspace(ctx, "first", of(platform))
		w.run(ctx, first)
		Expect(first).To(BeReady())
		second := w.workspace(ctx, "second", of(platform))
		w.settle(ctx, second)
		Expect(second).To(BeStalled(v1alpha1.ReasonQuotaExceeded))
		Expect(Message(second, v1alpha1.ConditionReady)).To(ContainSubstring(fmt.Sprintf("Template %s/few would have 2 of 1 workspaces running", platform.org)))
	})
})
