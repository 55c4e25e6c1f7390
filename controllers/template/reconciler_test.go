// SPDX-License-Identifier: Apache-2.0

package template_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/template"
	"github.com/berth-dev/berth/internal/render"
	. "github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
)

// soon is how long the cluster may take over what it does by itself.
const soon = 20 * time.Second

// desk is what a spec works at: a template of an organization of its own.
type desk struct {
	*Journal
	*template.Reconciler
	said *Events
	org  string
}

func sit(ctx context.Context) *desk {
	GinkgoHelper()
	org, err := env.Organization(ctx, "org-")
	Expect(err).NotTo(HaveOccurred())
	j, said := NewJournal(env.Client), &Events{}
	return &desk{Journal: j, said: said, org: org, Reconciler: &template.Reconciler{
		Client: j, Live: env.Client, Events: said, Clock: clock.RealClock{},
	}}
}

func (d *desk) settle(ctx context.Context, t *v1alpha1.Template) {
	GinkgoHelper()
	Expect(d.Journal.Settle(ctx, d.Reconciler, t)).To(Succeed())
}

func create(ctx context.Context, objects ...client.Object) {
	GinkgoHelper()
	for _, o := range objects {
		Expect(env.Client.Create(ctx, o)).To(Succeed())
	}
}

// change updates a template's spec, as a person does.
func (d *desk) change(ctx context.Context, t *v1alpha1.Template, how func(*v1alpha1.TemplateSpec)) {
	GinkgoHelper()
	how(&t.Spec)
	Expect(env.Client.Update(ctx, t)).To(Succeed())
	d.settle(ctx, t)
}

// versions are those of a template, by name.
func (d *desk) versions(ctx context.Context, t *v1alpha1.Template) map[string]*v1alpha1.TemplateVersion {
	GinkgoHelper()
	var list v1alpha1.TemplateVersionList
	Expect(env.Client.List(ctx, &list, client.InNamespace(t.Namespace))).To(Succeed())
	found := map[string]*v1alpha1.TemplateVersion{}
	for i := range list.Items {
		if v := &list.Items[i]; string(v.Spec.TemplateRef.Name) == t.Name {
			found[v.Name] = v
		}
	}
	return found
}

// checked says of a version what package templateversion would have found.
func (d *desk) checked(ctx context.Context, v *v1alpha1.TemplateVersion, wrong string) {
	GinkgoHelper()
	v.Status.ObservedGeneration = v.Generation
	status, reason := metav1.ConditionTrue, v1alpha1.ReasonChecked
	meta.RemoveStatusCondition(&v.Status.Conditions, v1alpha1.ConditionStalled)
	if wrong != "" {
		status, reason = metav1.ConditionFalse, v1alpha1.ReasonExpressionInvalid
		meta.SetStatusCondition(&v.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionStalled, Status: metav1.ConditionTrue, Reason: reason, Message: wrong})
	}
	meta.SetStatusCondition(&v.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionReady, Status: status, Reason: reason, Message: wrong})
	Expect(env.Client.Status().Update(ctx, v)).To(Succeed())
}

// latest is the version of the template's present content.
func (d *desk) latest(ctx context.Context, t *v1alpha1.Template) *v1alpha1.TemplateVersion {
	GinkgoHelper()
	hash, err := render.Hash(t.Spec.Content)
	Expect(err).NotTo(HaveOccurred())
	v := d.versions(ctx, t)[t.Name+"-"+hash[:6]]
	Expect(v).NotTo(BeNil(), "no version of the present content")
	return v
}

func image(name string) func(*v1alpha1.TemplateSpec) {
	return func(s *v1alpha1.TemplateSpec) {
		s.Content = given.Content(func(c *v1alpha1.TemplateContent) { c.Image = name })
	}
}

func rollout(r v1alpha1.Rollout) func(*v1alpha1.TemplateSpec) {
	return func(s *v1alpha1.TemplateSpec) { s.Rollout = &r }
}

// promoted is a template whose first version was promoted.
func (d *desk) promoted(ctx context.Context, name string, change ...func(*v1alpha1.Template)) *v1alpha1.Template {
	GinkgoHelper()
	t := given.Template(d.org, name, change...)
	create(ctx, t)
	d.settle(ctx, t)
	d.checked(ctx, d.latest(ctx, t), "")
	d.settle(ctx, t)
	Expect(t).To(BeReady())
	return t
}

var _ = Describe("a Template", func() {
	var d *desk
	BeforeEach(func(ctx SpecContext) { d = sit(ctx) })

	It("stamps a version from its content and promotes it when it was checked", func(ctx SpecContext) {
		t := given.Template(d.org, "plain", func(t *v1alpha1.Template) { t.Labels = map[string]string{"kustomize.toolkit.fluxcd.io/name": "x"} })
		create(ctx, t)
		d.settle(ctx, t)
		Expect(t).To(HaveCondition(v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonVersionChecking))
		Expect(t.Status.ActiveVersion).To(BeNil())

		v := d.latest(ctx, t)
		Expect(v.OwnerReferences).To(BeEmpty())
		Expect(v.Labels).To(BeEmpty(), "a GitOps tool prunes what carries its labels")
		Expect(v.Spec.Content.Image).To(Equal(t.Spec.Content.Image))
		d.checked(ctx, v, "")
		d.settle(ctx, t)
		Expect(t).To(BeReady())
		Expect(t.Status.ActiveVersion).To(HaveValue(HaveField("UID", v.UID)))
		Expect(t.Status.LatestVersion).To(HaveValue(HaveField("UID", v.UID)))
		Expect(t.Status.ActiveHash).To(Equal(v.Name[len("plain-"):]))
		Expect(t.Status.Rollout).To(Equal("complete"))
		Expect(t.Status.Usage).To(Equal("0/0"))
		Expect(t.Spec.ID).To(BeEquivalentTo(t.UID))
	})

	It("copies just what the author wrote, also what would be so anyway", func(ctx SpecContext) {
		u := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"content": map[string]any{
			"podTemplate": map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"name": "main", "image": "a", "env": []any{}}}}},
			"parameters":  []any{map[string]any{"name": "cpu", "type": "integer", "default": 2, "mutable": false, "required": false}},
		}}}}
		u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("Template"))
		u.SetNamespace(d.org)
		u.SetName("exact")
		create(ctx, u)
		t := given.Template(d.org, "exact")
		d.settle(ctx, t)
		v := &unstructured.Unstructured{}
		v.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("TemplateVersion"))
		Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(d.latest(ctx, t)), v)).To(Succeed())
		want, _, _ := unstructured.NestedMap(u.Object, "spec", "content")
		got, _, _ := unstructured.NestedMap(v.Object, "spec", "content")
		Expect(got).To(Equal(want))
	})

	It("has one version of one content, also when the content comes back", func(ctx SpecContext) {
		t := d.promoted(ctx, "plain")
		first := t.Status.ActiveVersion.Name
		d.change(ctx, t, image("registry.example/other:1"))
		d.checked(ctx, d.latest(ctx, t), "")
		d.settle(ctx, t)
		Expect(t.Status.ActiveVersion.Name).NotTo(Equal(first))
		d.change(ctx, t, func(s *v1alpha1.TemplateSpec) { s.Content = given.Content() })
		Expect(t.Status.ActiveVersion.Name).To(Equal(first), "Immediate goes back at once: it was checked")
		Expect(d.versions(ctx, t)).To(HaveLen(2))
	})

	It("takes more of the hash where the name is another content's", func(ctx SpecContext) {
		hash, err := render.Hash(given.Content())
		Expect(err).NotTo(HaveOccurred())
		create(ctx, given.TemplateVersion(d.org, "plain-"+hash[:6], "other", func(v *v1alpha1.TemplateVersion) { v.Spec.Content.Image = "x" }))
		t := given.Template(d.org, "plain")
		create(ctx, t)
		d.settle(ctx, t)
		v := d.versions(ctx, t)["plain-"+hash[:7]]
		Expect(v).NotTo(BeNil())
		d.checked(ctx, v, "")
		d.settle(ctx, t)
		Expect(t.Status.ActiveHash).To(Equal(hash[:7]))
	})

	It("keeps the active version beside a wrong one, and says what is wrong with it", func(ctx SpecContext) {
		t := d.promoted(ctx, "plain")
		active := t.Status.ActiveVersion
		d.change(ctx, t, image("${parameters.gone}"))
		wrong := d.latest(ctx, t)
		d.checked(ctx, wrong, `spec.content.image: no parameter "gone"`)
		d.settle(ctx, t)
		Expect(t).To(BeStalled(v1alpha1.ReasonVersionInvalid))
		Expect(Message(t, v1alpha1.ConditionReady)).To(Equal("version " + wrong.Name + `: spec.content.image: no parameter "gone"`))
		Expect(t.Status.ActiveVersion).To(Equal(active))
		Expect(t.Status.Rollout).To(Equal("kept at " + t.Status.ActiveHash))
		Expect(d.said.Said()).To(ContainElement(HavePrefix("Warning VersionInvalid plain: ")))

		By("and goes on with the next right one")
		d.change(ctx, t, image("registry.example/fixed:1"))
		d.checked(ctx, d.latest(ctx, t), "")
		d.settle(ctx, t)
		Expect(t).To(BeReady())
	})

	It("never promotes a first version that is wrong", func(ctx SpecContext) {
		t := given.Template(d.org, "plain", func(t *v1alpha1.Template) { t.Spec.Content.Image = "${nothing}" })
		create(ctx, t)
		d.settle(ctx, t)
		d.checked(ctx, d.latest(ctx, t), "wrong")
		d.settle(ctx, t)
		Expect(t).To(BeStalled(v1alpha1.ReasonVersionInvalid))
		Expect(t.Status.ActiveVersion).To(BeNil())
		Expect(t.Status.Rollout).To(Equal("no version yet"))
	})

	DescribeTable("promotes the first version always, and a further one when rollout.pin names it",
		func(ctx SpecContext, r v1alpha1.Rollout) {
			t := d.promoted(ctx, "plain", func(t *v1alpha1.Template) { rollout(r)(&t.Spec) })
			first := t.Status.ActiveVersion
			d.change(ctx, t, image("registry.example/next:1"))
			next := d.latest(ctx, t)
			d.checked(ctx, next, "")
			d.settle(ctx, t)
			Expect(t).To(HaveCondition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonVersionNotPromoted))
			Expect(t.Status.ActiveVersion).To(Equal(first))
			Expect(Message(t, v1alpha1.ConditionReady)).To(ContainSubstring(next.Name))

			d.change(ctx, t, func(s *v1alpha1.TemplateSpec) { s.Rollout.Pin = v1alpha1.ObjectName(next.Name) })
			Expect(t.Status.ActiveVersion.UID).To(Equal(next.UID))
			Expect(t.Status.Rollout).To(HavePrefix("pinned at "))
		},
		Entry("Manual", v1alpha1.Rollout{Strategy: v1alpha1.RolloutManual}),
		Entry("paused", v1alpha1.Rollout{Paused: true}),
	)

	It("is Stalled PinMissing for a pin that is not there, wrong or archived, and stays where it was", func(ctx SpecContext) {
		t := d.promoted(ctx, "plain")
		active := t.Status.ActiveVersion
		d.change(ctx, t, rollout(v1alpha1.Rollout{Pin: "plain-abcdef"}))
		Expect(t).To(BeStalled(v1alpha1.ReasonPinMissing))
		Expect(Message(t, v1alpha1.ConditionReady)).To(ContainSubstring(string(active.Name)), "it names what there is")
		archived := given.TemplateVersion(d.org, "plain-old", "plain", func(v *v1alpha1.TemplateVersion) { v.Spec.Archived = true; v.Spec.Content.Image = "old" })
		create(ctx, archived)
		d.checked(ctx, archived, "")
		d.change(ctx, t, rollout(v1alpha1.Rollout{Pin: "plain-old"}))
		Expect(t).To(BeStalled(v1alpha1.ReasonPinMissing))
		Expect(t.Status.ActiveVersion).To(Equal(active))
		d.change(ctx, t, rollout(v1alpha1.Rollout{Pin: active.Name}))
		Expect(t).To(BeReady())
	})

	It("stamps its version anew when somebody deleted it", func(ctx SpecContext) {
		t := d.promoted(ctx, "plain")
		Expect(env.Client.Delete(ctx, d.latest(ctx, t))).To(Succeed())
		d.settle(ctx, t)
		d.checked(ctx, d.latest(ctx, t), "")
		d.settle(ctx, t)
		Expect(t).To(BeReady())
		Expect(t.Status.ActiveVersion.UID).To(Equal(d.latest(ctx, t).UID))
	})

	It("without content takes the versions that were uploaded for it", func(ctx SpecContext) {
		t := given.Template(d.org, "uploaded", func(t *v1alpha1.Template) { t.Spec.Content = nil })
		create(ctx, t)
		d.settle(ctx, t)
		Expect(t).To(HaveCondition(v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonProgressing))
		v := given.TemplateVersion(d.org, "uploaded-1", "uploaded")
		create(ctx, v)
		d.checked(ctx, v, "")
		d.settle(ctx, t)
		Expect(t).To(BeReady())
		Expect(t.Status.ActiveVersion.UID).To(Equal(v.UID))
	})

	It("counts the workspaces that use it, in all namespaces of the organization and in no other", func(ctx SpecContext) {
		t := d.promoted(ctx, "plain")
		further := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "further-", Labels: map[string]string{v1alpha1.LabelOrganization: d.org}}}
		create(ctx, further)
		stranger := sit(ctx)
		here, there := given.Workspace(d.org, "a", "ada", "plain"), given.Workspace(further.Name, "b", "ada", "plain")
		create(ctx, here, there, given.Workspace(stranger.org, "c", "ada", "plain"), given.Workspace(d.org, "d", "ada", "other"))
		b := given.Build(here, 1, v1alpha1.TransitionStart, func(b *v1alpha1.WorkspaceBuild) { b.Spec.VersionRef = t.Status.ActiveVersion })
		create(ctx, b)
		here.Status.Build = &v1alpha1.AcceptedBuild{UIDReference: v1alpha1.UIDReference{Name: v1alpha1.ObjectName(b.Name), UID: b.UID}, Number: 1}
		Expect(env.Client.Status().Update(ctx, here)).To(Succeed())
		d.settle(ctx, t)
		Expect(t.Status.Usage).To(Equal("1/2"))
		Expect(t.Status.Workspaces).To(BeEquivalentTo(2))

		By("and is not let go while they are there")
		Expect(env.Client.Delete(ctx, t)).To(Succeed())
		d.settle(ctx, t)
		Expect(t).To(HaveCondition(v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonInUse))
		Expect(Message(t, v1alpha1.ConditionReady)).To(ContainSubstring("ada/a, ada/b"))
		for _, w := range []*v1alpha1.Workspace{here, there} {
			Expect(env.Client.Delete(ctx, w)).To(Succeed())
		}
		d.settle(ctx, t)
		Expect(d.versions(ctx, t)).To(BeEmpty(), "its versions go with it")
		Expect(client.IgnoreNotFound(env.Client.Get(ctx, client.ObjectKeyFromObject(t), t))).To(Succeed())
	})

	It("V43 counts the workspaces of organizations that it is or was open to, and none that only names it", func(ctx SpecContext) {
		t := d.promoted(ctx, "shared")
		guest, stranger := sit(ctx), sit(ctx)
		shared := func(namespace, name string) *v1alpha1.Workspace {
			return given.Workspace(namespace, name, "ada", "shared", func(w *v1alpha1.Workspace) { w.Spec.TemplateRef.Organization = v1alpha1.ObjectName(d.org) })
		}
		a, namesakes := shared(guest.org, "a"), given.Workspace(guest.org, "b", "ada", "shared")
		create(ctx, a, namesakes, shared(stranger.org, "c"))
		d.settle(ctx, t)
		Expect(t.Status.Workspaces).To(BeZero())

		d.change(ctx, t, func(s *v1alpha1.TemplateSpec) {
			s.Access = []v1alpha1.AccessEntry{{Kind: v1alpha1.AccessKindOrganization, Name: v1alpha1.ObjectName(guest.org), Role: v1alpha1.AccessRoleUse}}
		})
		b := given.Build(a, 1, v1alpha1.TransitionStart, func(b *v1alpha1.WorkspaceBuild) { b.Spec.VersionRef = t.Status.ActiveVersion })
		create(ctx, b)
		a.Status.Build = &v1alpha1.AcceptedBuild{UIDReference: v1alpha1.UIDReference{Name: v1alpha1.ObjectName(b.Name), UID: b.UID}, Number: 1}
		Expect(env.Client.Status().Update(ctx, a)).To(Succeed())
		d.settle(ctx, t)
		Expect(t.Status.Usage).To(Equal("1/1"))

		By("taking it back, which leaves what was made of it")
		d.change(ctx, t, func(s *v1alpha1.TemplateSpec) { s.Access = nil })
		Expect(env.Client.Delete(ctx, t)).To(Succeed())
		d.settle(ctx, t)
		Expect(t).To(HaveCondition(v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonInUse))
		Expect(t.Status.UsedBy).To(Equal("ada/a"))
		Expect(env.Client.Delete(ctx, a)).To(Succeed())
		d.settle(ctx, t)
		Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(t), t)).NotTo(Succeed())
	})

	It("in a namespace that is being deleted waits for nobody", func(ctx SpecContext) {
		t := d.promoted(ctx, "plain")
		create(ctx, given.Workspace(d.org, "a", "ada", "plain"))
		n := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: d.org}}
		Expect(env.Client.Delete(ctx, n)).To(Succeed())
		Expect(env.Client.Delete(ctx, t)).To(Succeed())
		d.settle(ctx, t)
		Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(t), t)).NotTo(Succeed())
	})

	It("removes versions that nothing names, and keeps a few", func(ctx SpecContext) {
		t := d.promoted(ctx, "plain")
		ws := given.Workspace(d.org, "a", "ada", "plain", func(w *v1alpha1.Workspace) { w.Spec.VersionRef = &v1alpha1.NameReference{Name: "plain-held"} })
		create(ctx, ws)
		extra := func(name string) *v1alpha1.TemplateVersion {
			v := given.TemplateVersion(d.org, name, "plain", func(v *v1alpha1.TemplateVersion) { v.Spec.Content.Image = name })
			create(ctx, v)
			return v
		}
		extra("plain-held")
		built := extra("plain-built")
		create(ctx, given.Build(ws, 1, v1alpha1.TransitionStart, func(b *v1alpha1.WorkspaceBuild) {
			b.Spec.VersionRef = &v1alpha1.UIDReference{Name: "plain-built", UID: built.UID}
		}))
		for i := range 8 {
			extra(fmt.Sprintf("plain-spare-%d", i))
		}
		d.settle(ctx, t)
		left := d.versions(ctx, t)
		Expect(left).To(HaveLen(1 + 2 + 5))
		Expect(left).To(And(HaveKey("plain-held"), HaveKey("plain-built"), HaveKey(string(t.Status.ActiveVersion.Name))))
	})

	It("says what it stores and does not act on", func(ctx SpecContext) {
		t := d.promoted(ctx, "plain", func(t *v1alpha1.Template) {
			t.Spec.Lifecycle = &v1alpha1.Lifecycle{ActivityBump: "2h"}
		})
		Expect(t).To(HaveCondition(v1alpha1.ConditionPolicyMet, metav1.ConditionFalse, v1alpha1.ReasonNotEnforced))
		Expect(Message(t, v1alpha1.ConditionPolicyMet)).To(ContainSubstring("spec.lifecycle.activityBump"))
	})

	It("V 43: is never acted on where there is no organization", func(ctx SpecContext) {
		t := given.Template("default", d.org)
		create(ctx, t)
		d.settle(ctx, t)
		Expect(t).To(BeStalled(v1alpha1.ReasonNotAnOrganization))
		Expect(d.versions(ctx, t)).To(BeEmpty())
	})
})
