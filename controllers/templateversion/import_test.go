// SPDX-License-Identifier: Apache-2.0

package templateversion_test

import (
	"context"
	"encoding/json"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/berth-dev/berth/api/v1alpha1"
	. "github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
)

const archiveID = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"

// uploaded is a version that the API server made of an archive.
func uploaded(change ...func(*v1alpha1.TemplateVersionSpec)) func(*v1alpha1.TemplateVersion) {
	return func(v *v1alpha1.TemplateVersion) {
		v.Spec.TemplateRef = nil
		v.Spec.Source = &v1alpha1.VersionSource{File: archiveID, Hash: "00"}
		for _, f := range change {
			f(&v.Spec)
		}
	}
}

// secretVariable declares a sensitive variable whose value stands in the Secret.
func secretVariable(secret string) func(*v1alpha1.TemplateVersionSpec) {
	return func(s *v1alpha1.TemplateVersionSpec) {
		s.Content.Variables = []v1alpha1.Variable{{Name: "token", Type: v1alpha1.TypeString, Sensitive: true,
			ValueFrom: &v1alpha1.VariableSource{SecretKeyRef: v1alpha1.KeyReference{Name: v1alpha1.ReferenceName(secret), Key: "token"}}}}
		s.Content.Env = []v1alpha1.EnvVar{{Name: "TOKEN", ValueFrom: &v1alpha1.EnvSource{
			SecretKeyRef: &v1alpha1.KeyReference{Name: "${variables.token.name}", Key: "${variables.token.key}"}}}}
	}
}

var _ = Describe("an uploaded TemplateVersion", func() {
	var org string
	BeforeEach(func(ctx SpecContext) {
		var err error
		org, err = env.Organization(ctx, "org-")
		Expect(err).NotTo(HaveOccurred())
	})
	create := func(ctx context.Context, change func(*v1alpha1.TemplateVersion)) *v1alpha1.TemplateVersion {
		GinkgoHelper()
		v := given.TemplateVersion(org, "pushed", "", change)
		Expect(env.Client.Create(ctx, v)).To(Succeed())
		return v
	}
	stages := func(v *v1alpha1.TemplateVersion) []string {
		var told []string
		for i, l := range v.Status.Log {
			Expect(l.ID).To(BeEquivalentTo(i + 1))
			told = append(told, l.Stage+" "+l.Level)
		}
		return told
	}

	It("tells in its log what was done, and what a workspace would consist of", func(ctx SpecContext) {
		d, v := sit(), create(ctx, uploaded(func(s *v1alpha1.TemplateVersionSpec) {
			s.Source.Notes = []string{"these fields were left out: spec.access"}
		}))
		d.settle(ctx, v)
		Expect(v).To(BeReady())
		Expect(stages(v)).To(Equal([]string{"Parsing template info", "Parsing template warn", "Checking expressions info", "Rendering info", "Dry run against the cluster info"}))
		Expect(v.Status.Log[0].Output).To(Equal("archive " + archiveID + " was read"))
		Expect(v.Status.Log[1].Output).To(Equal("these fields were left out: spec.access"))
		Expect(v.Status.Resources).To(ConsistOf(HaveField("Kind", "Pod"), HaveField("Name", "home")))
	})

	It("is kept for a day, and for good once a template has taken it up", func(ctx SpecContext) {
		d, v := sit(), create(ctx, uploaded())
		taken := given.TemplateVersion(org, "taken", "go", uploaded())
		taken.Spec.TemplateRef = &v1alpha1.NameReference{Name: "go"}
		Expect(env.Client.Create(ctx, taken)).To(Succeed())
		applied := given.TemplateVersion(org, "applied", "", func(v *v1alpha1.TemplateVersion) { v.Spec.TemplateRef = nil })
		Expect(env.Client.Create(ctx, applied)).To(Succeed())
		d.settle(ctx, v)
		d.Reconciler.Clock = clocktesting.NewFakePassiveClock(v.CreationTimestamp.Add(23 * time.Hour))
		Expect(d.Reconciler.Reconcile(ctx, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(v)})).To(HaveField("RequeueAfter", time.Hour))

		By("a template takes it up at the last moment")
		d.Reconciler.Clock = clocktesting.NewFakePassiveClock(v.CreationTimestamp.Add(25 * time.Hour))
		stale := d.Reconciler.Client
		d.Reconciler.Client = interceptor.NewClient(d.Journal, interceptor.Funcs{
			Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
				live := v.DeepCopy()
				Expect(c.Get(ctx, client.ObjectKeyFromObject(v), live)).To(Succeed())
				live.Annotations = map[string]string{"is": "changed"}
				Expect(c.Update(ctx, live)).To(Succeed())
				return c.Delete(ctx, o, opts...)
			},
		})
		_, err := d.Reconciler.Reconcile(ctx, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(v)})
		Expect(apierrors.IsConflict(err)).To(BeTrue(), "%v", err)
		d.Reconciler.Client = stale

		By("or none does")
		for _, o := range []*v1alpha1.TemplateVersion{v, taken, applied} {
			_, err := d.Reconciler.Reconcile(ctx, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(o)})
			Expect(err).NotTo(HaveOccurred())
		}
		Expect(apierrors.IsNotFound(env.Client.Get(ctx, client.ObjectKeyFromObject(v), v))).To(BeTrue())
		for _, o := range []*v1alpha1.TemplateVersion{taken, applied} {
			Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(o), o)).To(Succeed())
		}
	})

	It("fails with what is wrong with its archive", func(ctx SpecContext) {
		d, v := sit(), create(ctx, uploaded(func(s *v1alpha1.TemplateVersionSpec) {
			s.Content, s.Source.Error = v1alpha1.TemplateContent{}, "template.yaml:2: paramters: there is no such field"
		}))
		d.settle(ctx, v)
		Expect(v).To(BeStalled(v1alpha1.ReasonSourceInvalid))
		Expect(v.Status.Job).To(HaveValue(And(HaveField("Phase", v1alpha1.JobFailed), HaveField("ErrorCode", ""),
			HaveField("Error", "template.yaml:2: paramters: there is no such field"))))
		Expect(stages(v)).To(Equal([]string{"Parsing template error"}))
		Expect(d.asked).To(BeZero())
	})

	It("fails with a code that clients know where variables have no value", func(ctx SpecContext) {
		fallback := v1alpha1.ValueOf("x")
		d, v := sit(), create(ctx, uploaded(func(s *v1alpha1.TemplateVersionSpec) {
			s.Content.Variables = []v1alpha1.Variable{{Name: "region", Type: v1alpha1.TypeString}, {Name: "zone", Type: v1alpha1.TypeString, Default: &fallback},
				{Name: "token", Type: v1alpha1.TypeString, Sensitive: true}}
		}))
		d.settle(ctx, v)
		Expect(v).To(BeStalled(v1alpha1.ReasonVariableMissing))
		Expect(v.Status.Job).To(HaveValue(And(HaveField("Phase", v1alpha1.JobFailed), HaveField("ErrorCode", "REQUIRED_TEMPLATE_VARIABLES"),
			HaveField("Error", ContainSubstring("required template variables need values: region, token")))))
	})

	It("ends early when somebody asks for it, and stays so", func(ctx SpecContext) {
		d, v := sit(), create(ctx, uploaded(func(s *v1alpha1.TemplateVersionSpec) {
			s.Cancel = &v1alpha1.BuildCancel{RequestedAt: "2026-01-01T00:00:00Z", By: "ada"}
		}))
		d.settle(ctx, v)
		Expect(v).To(BeStalled(v1alpha1.ReasonCanceled))
		Expect(v.Status.Job).To(HaveValue(And(HaveField("Phase", v1alpha1.JobCanceled), HaveField("CompletedAt", Not(BeNil())), HaveField("CanceledAt", Not(BeNil())))))
		Expect(d.asked).To(BeZero())
		Expect(Relabel(ctx, env.Client, org, enforce, "restricted")).To(Succeed())
		d.settle(ctx, v)
		Expect(v.Status.Job.Phase).To(Equal(v1alpha1.JobCanceled))
	})

	It("is not undone by a wish that came too late", func(ctx SpecContext) {
		d, v := sit(), create(ctx, uploaded())
		d.settle(ctx, v)
		v.Spec.Cancel = &v1alpha1.BuildCancel{RequestedAt: "2026-01-01T00:00:00Z"}
		Expect(env.Client.Update(ctx, v)).To(Succeed())
		Expect(Relabel(ctx, env.Client, org, enforce, "baseline")).To(Succeed())
		d.settle(ctx, v)
		Expect(v).To(BeReady())
		Expect(v.Status.Job.Phase).To(Equal(v1alpha1.JobSucceeded))
	})

	It("waits for the values of its sensitive variables", func(ctx SpecContext) {
		d, v := sit(), create(ctx, uploaded(secretVariable("berth-variables-x")))
		d.settle(ctx, v)
		Expect(v).To(HaveCondition(v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonVersionChecking))
		Expect(v.Status.Job.Phase).To(Equal(v1alpha1.JobRunning))
		Expect(env.Client.Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: org, Name: "berth-variables-x"}})).To(Succeed())
		d.settle(ctx, v)
		Expect(v).To(BeReady())
	})

	It("fails where they were never stored, so that whoever pushed it pushes again", func(ctx SpecContext) {
		d, v := sit(), create(ctx, uploaded(secretVariable("berth-variables-x")))
		d.Reconciler.Clock = clocktesting.NewFakePassiveClock(time.Now().Add(2 * time.Minute))
		d.settle(ctx, v)
		Expect(v).To(BeStalled(v1alpha1.ReasonVariableMissing))
		Expect(v.Status.Job.ErrorCode).To(Equal("REQUIRED_TEMPLATE_VARIABLES"))
	})

	It("V 51: shows no value of a Secret, whether it is right or wrong", func(ctx SpecContext) {
		const canary = "canary-5f2d"
		Expect(env.Client.Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: org, Name: "berth-variables-x"},
			StringData: map[string]string{"token": canary}})).To(Succeed())
		for name, change := range map[string]func(*v1alpha1.TemplateVersionSpec){
			"right": func(*v1alpha1.TemplateVersionSpec) {},
			"wrong": func(s *v1alpha1.TemplateVersionSpec) { s.Content.Image = "${variables.token}" },
			"refused by the cluster": func(s *v1alpha1.TemplateVersionSpec) {
				s.Content.Sidecars = []v1alpha1.Sidecar{{Name: "db", Image: "db", Env: s.Content.Env, Resources: &v1alpha1.ContentResources{
					Requests: map[string]v1alpha1.Value{"cpu": v1alpha1.ValueOf(3)}, Limits: map[string]v1alpha1.Value{"cpu": v1alpha1.ValueOf(2)}}}}
			},
		} {
			d := sit()
			v := given.TemplateVersion(org, "pushed-"+string(name[0])+string(name[len(name)-1]), "", uploaded(secretVariable("berth-variables-x"), change))
			Expect(env.Client.Create(ctx, v)).To(Succeed())
			d.settle(ctx, v)
			Expect(v.Status.Job.Phase.Ended()).To(BeTrue(), name)
			Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(v), v)).To(Succeed())
			text, err := json.Marshal(v)
			Expect(err).NotTo(HaveOccurred())
			Expect(string(text)).NotTo(ContainSubstring(canary), name)
		}
	})
})
