// SPDX-License-Identifier: Apache-2.0

package templateversion_test

import (
	"context"
	"errors"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/controllers/templateversion"
	"github.com/berth-dev/berth/internal/render"
	. "github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
)

const enforce = "pod-security.kubernetes.io/enforce"

// desk is what a spec works at; asked counts the dry runs, and refuse, when set, answers them.
type desk struct {
	*Journal
	*templateversion.Reconciler
	asked  int
	refuse error
}

func sit() *desk {
	d := &desk{}
	d.Journal = NewJournal(interceptor.NewClient(env.Client, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			Expect((&client.CreateOptions{}).ApplyOptions(opts).DryRun).NotTo(BeEmpty(), "it makes nothing")
			if d.asked++; d.refuse != nil {
				return d.refuse
			}
			return c.Create(ctx, o, opts...)
		},
	}))
	d.Reconciler = &templateversion.Reconciler{
		Client: d.Journal, Live: d.Journal, As: phase.Impersonating(env.Config, env.Scheme, env.Client.RESTMapper()),
		Platform: render.Platform{AgentImage: "registry.example/berth:1"}, Worker: "manager-0",
		Events: &Events{}, Clock: clock.RealClock{},
	}
	return d
}

func (d *desk) settle(ctx context.Context, v *v1alpha1.TemplateVersion) {
	GinkgoHelper()
	Expect(d.Journal.Settle(ctx, d.Reconciler, v)).To(Succeed())
}

func content(change func(*v1alpha1.TemplateContent)) func(*v1alpha1.TemplateVersion) {
	return func(v *v1alpha1.TemplateVersion) { v.Spec.Content = *given.Content(change) }
}

func podTemplate(text string) func(*v1alpha1.TemplateVersion) {
	return content(func(c *v1alpha1.TemplateContent) {
		c.Image, c.PodTemplate = "", &runtime.RawExtension{Raw: []byte(text)}
	})
}

var _ = Describe("a TemplateVersion", func() {
	var org string
	BeforeEach(func(ctx SpecContext) {
		var err error
		org, err = env.Organization(ctx, "org-")
		Expect(err).NotTo(HaveOccurred())
		Expect(Relabel(ctx, env.Client, org, enforce, "restricted")).To(Succeed())
	})
	create := func(ctx context.Context, change ...func(*v1alpha1.TemplateVersion)) *v1alpha1.TemplateVersion {
		GinkgoHelper()
		v := given.TemplateVersion(org, "plain-1", "plain", change...)
		Expect(env.Client.Create(ctx, v)).To(Succeed())
		return v
	}

	It("is checked once: compiled, rendered, and asked of the cluster", func(ctx SpecContext) {
		d, v := sit(), create(ctx)
		d.settle(ctx, v)
		Expect(v).To(HaveCondition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonChecked))
		hash, err := render.Hash(&v.Spec.Content)
		Expect(err).NotTo(HaveOccurred())
		Expect(v.Status.ContentHash).To(Equal(hash))
		Expect(v.Status.PodSecurity).To(Equal("restricted"))
		Expect(v.Status.Job).To(HaveValue(And(HaveField("Phase", v1alpha1.JobSucceeded), HaveField("Worker", "manager-0"), HaveField("Error", ""))))
		Expect(v.Spec.ID).To(BeEquivalentTo(v.UID))
		Expect(d.asked).To(Equal(1))

		By("and not again when something else about it changes")
		v.Spec.Message = "first"
		Expect(env.Client.Update(ctx, v)).To(Succeed())
		d.settle(ctx, v)
		Expect(v).To(BeReady())
		Expect(d.asked).To(Equal(1))
	})

	DescribeTable("is Stalled with the exact field that is wrong",
		func(ctx SpecContext, change func(*v1alpha1.TemplateVersion), reason, message string) {
			d, v := sit(), create(ctx, change)
			d.settle(ctx, v)
			Expect(v).To(BeStalled(reason))
			Expect(Message(v, v1alpha1.ConditionReady)).To(ContainSubstring(message))
			Expect(v.Status.Job).To(HaveValue(And(HaveField("Phase", v1alpha1.JobFailed), HaveField("Error", ContainSubstring(message)))))
			asked := d.asked
			d.settle(ctx, v)
			Expect(d.asked).To(Equal(asked), "it is not asked again")
		},
		Entry("a misspelt parameter", content(func(c *v1alpha1.TemplateContent) {
			c.Parameters = []v1alpha1.Parameter{given.Parameter("cpu", v1alpha1.TypeInteger, 2)}
			c.Resources = &v1alpha1.ContentResources{Requests: map[string]v1alpha1.Value{"cpu": v1alpha1.ValueOf("${parameters.cpus}")}}
		}), v1alpha1.ReasonExpressionInvalid, `spec.content.resources.requests.cpu: no parameter "cpus" in "${parameters.cpus}"; did you mean "cpu"?`),
		Entry("a field that a pod does not have", podTemplate(`{"spec":{"containers":[{"name":"main","image":"a","comand":["x"]}]}}`),
			v1alpha1.ReasonPodInvalid, "spec.content.podTemplate.spec.containers[0].comand"),
		Entry("what only the cluster sees, by the place where it was written",
			podTemplate(`{"spec":{"containers":[{"name":"main","image":"a"},{"name":"second","image":"b","ports":[{"containerPort":70000}]}]}}`),
			v1alpha1.ReasonPodInvalid, "spec.content.podTemplate.spec.containers[1].ports[0].containerPort: "),
		Entry("what only the cluster sees of a sidecar", content(func(c *v1alpha1.TemplateContent) {
			c.Sidecars = []v1alpha1.Sidecar{{Name: "db", Image: "db", Resources: &v1alpha1.ContentResources{
				Requests: map[string]v1alpha1.Value{"cpu": v1alpha1.ValueOf(3)}, Limits: map[string]v1alpha1.Value{"cpu": v1alpha1.ValueOf(2)}}}}
		}), v1alpha1.ReasonPodInvalid, "spec.content.sidecars[0].resources.requests"),
		Entry("what only the cluster sees of the short form", content(func(c *v1alpha1.TemplateContent) {
			c.Resources = &v1alpha1.ContentResources{Requests: map[string]v1alpha1.Value{"cpu": v1alpha1.ValueOf(3)},
				Limits: map[string]v1alpha1.Value{"cpu": v1alpha1.ValueOf(2)}}
		}), v1alpha1.ReasonPodInvalid, "spec.content.resources.requests"),
		Entry("V 41: a way to the node", podTemplate(`{"spec":{"hostNetwork":true,"containers":[{"name":"main","image":"a"}]}}`),
			v1alpha1.ReasonNotAllowed, "spec.content.podTemplate.spec.hostNetwork"),
		Entry("a user that the Pod Security level forbids",
			podTemplate(`{"spec":{"containers":[{"name":"main","image":"a","securityContext":{"runAsUser":0,"runAsNonRoot":false}}]}}`),
			v1alpha1.ReasonNotAllowed, "spec.content.podTemplate: the organization's Pod Security level does not allow it: "),
		Entry("a declaration that contradicts itself", content(func(c *v1alpha1.TemplateContent) {
			c.Parameters = []v1alpha1.Parameter{given.Parameter("cpu", v1alpha1.TypeInteger, "two")}
		}), v1alpha1.ReasonParameterInvalid, "spec.content.parameters[0].default"),
	)

	It("is tried with its extra objects, with the rights of the organization's account", func(ctx SpecContext) {
		policy := func(port string) func(*v1alpha1.TemplateVersion) {
			return content(func(c *v1alpha1.TemplateContent) {
				c.ExtraObjects = []v1alpha1.ExtraObject{{ID: "web", Object: runtime.RawExtension{Raw: []byte(
					`{"apiVersion":"v1","kind":"Service","metadata":{"name":"${workspace.objectName}"},"spec":{"ports":[{"port":` + port + `}]}}`)}}}
			})
		}
		d, v := sit(), create(ctx, policy("70000"))
		d.settle(ctx, v)
		Expect(v).To(BeReady())
		Expect(Message(v, v1alpha1.ConditionReady)).To(And(
			ContainSubstring("extra object web could not be tried"), ContainSubstring("system:serviceaccount:"+org+":berth-workspace")))

		By("an account that may")
		Expect(env.Client.Create(ctx, &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: org, Name: "services"},
			Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"services"}, Verbs: []string{"create"}}}})).To(Succeed())
		Expect(env.Client.Create(ctx, &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: org, Name: "services"},
			RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "services"},
			Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: org, Name: v1alpha1.DefaultServiceAccount}}})).To(Succeed())
		n := 0
		Eventually(func(g Gomega) { // the authorizer reads roles from a cache of its own, and a version is tried once
			n++
			next := given.TemplateVersion(org, fmt.Sprintf("plain-x%d", n), "plain", policy("70000"))
			g.Expect(env.Client.Create(ctx, next)).To(Succeed())
			d.settle(ctx, next)
			g.Expect(next).To(BeStalled(v1alpha1.ReasonPodInvalid))
			g.Expect(Message(next, v1alpha1.ConditionReady)).To(ContainSubstring("spec.content.extraObjects[0].object.spec.ports[0].port"))
		}).WithContext(ctx).Should(Succeed())
	})

	It("is checked again when the organization's level is another", func(ctx SpecContext) {
		d := sit()
		v := create(ctx, podTemplate(`{"spec":{"containers":[{"name":"main","image":"a","securityContext":{"runAsUser":0,"runAsNonRoot":false}}]}}`))
		d.settle(ctx, v)
		Expect(v).To(BeStalled(v1alpha1.ReasonNotAllowed))
		Expect(Relabel(ctx, env.Client, org, enforce, "privileged")).To(Succeed())
		d.settle(ctx, v)
		Expect(v).To(BeReady())
		Expect(v.Status.PodSecurity).To(Equal("privileged"))
		Expect(Relabel(ctx, env.Client, org, enforce, "restricted")).To(Succeed())
		d.settle(ctx, v)
		Expect(v).To(BeStalled(v1alpha1.ReasonNotAllowed))
	})

	It("is no worse for what made-up values break: that is a warning", func(ctx SpecContext) {
		d, v := sit(), create(ctx, content(func(c *v1alpha1.TemplateContent) {
			c.Parameters = []v1alpha1.Parameter{{Name: "memory", Type: v1alpha1.TypeString, Required: true}}
			c.Resources = &v1alpha1.ContentResources{Requests: map[string]v1alpha1.Value{"memory": v1alpha1.ValueOf("${parameters.memory}")}}
		}))
		d.settle(ctx, v)
		Expect(v).To(BeReady())
		Expect(Message(v, v1alpha1.ConditionReady)).To(ContainSubstring("with made-up values for memory it would be refused"))
	})

	DescribeTable("is not judged by a cluster that is in trouble: it is asked again", func(ctx SpecContext, refuse error) {
		d, v := sit(), create(ctx)
		d.refuse = refuse
		Eventually(func() error { return d.Journal.Settle(ctx, d.Reconciler, v) }).Should(MatchError(ContainSubstring(refuse.Error())))
		Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(v), v)).To(Succeed())
		Expect(v).To(HaveCondition(v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonRetrying))
		Expect(v.Status.Job.Phase).To(Equal(v1alpha1.JobRunning))
		d.refuse = nil
		d.settle(ctx, v)
		Expect(v).To(BeReady())
	},
		Entry("it can't answer", apierrors.NewInternalError(errors.New("etcd is away"))),
		Entry("it is too busy", apierrors.NewTooManyRequests("slow down", 1)),
		Entry("an admission of somebody's refuses", apierrors.NewForbidden(v1alpha1.GroupVersion.WithResource("pods").GroupResource(), "x", errors.New("not on Fridays"))),
	)

	DescribeTable("is not refused for what says nothing about it", func(ctx SpecContext, refuse error) {
		d, v := sit(), create(ctx)
		d.refuse = refuse
		d.settle(ctx, v)
		Expect(v).To(BeReady())
	},
		Entry("a quota that is full today", apierrors.NewForbidden(v1alpha1.GroupVersion.WithResource("pods").GroupResource(), "x", errors.New("exceeded quota: compute"))),
		Entry("a webhook that takes no dry runs", apierrors.NewBadRequest(`admission webhook "x" does not support dry run`)),
	)

	It("V 43: is never checked where there is no organization", func(ctx SpecContext) {
		d, v := sit(), given.TemplateVersion("default", "plain-"+org, "plain")
		Expect(env.Client.Create(ctx, v)).To(Succeed())
		d.settle(ctx, v)
		Expect(v).To(BeStalled(v1alpha1.ReasonNotAnOrganization))
		Expect(Message(v, v1alpha1.ConditionStalled)).To(ContainSubstring("kind: Organization\nmetadata: {name: default}"))
		Expect(d.asked).To(BeZero())
		Expect(v.Status.Job).To(BeNil())
	})

	It("never changes its content", func(ctx SpecContext) {
		v := create(ctx)
		v.Spec.Content.Image = "registry.example/other:1"
		Expect(env.Client.Update(ctx, v)).To(MatchError(ContainSubstring(
			"TemplateVersion.spec.content never changes; edit spec.content of the Template and a new version follows")))
	})

	It("shows whether it is active and how its starts went", func(ctx SpecContext) {
		d, v := sit(), create(ctx)
		t := given.Template(org, "plain")
		Expect(env.Client.Create(ctx, t)).To(Succeed())
		t.Status.ActiveVersion = &v1alpha1.UIDReference{Name: v1alpha1.ObjectName(v.Name), UID: v.UID}
		Expect(env.Client.Status().Update(ctx, t)).To(Succeed())
		ws := given.Workspace(org, "dev", "ada", "plain")
		Expect(env.Client.Create(ctx, ws)).To(Succeed())
		for i, p := range []v1alpha1.JobPhase{v1alpha1.JobSucceeded, v1alpha1.JobFailed, v1alpha1.JobRunning} {
			b := given.Build(ws, int64(i+1), v1alpha1.TransitionStart, func(b *v1alpha1.WorkspaceBuild) {
				b.Spec.VersionRef = &v1alpha1.UIDReference{Name: v1alpha1.ObjectName(v.Name), UID: v.UID}
			})
			Expect(env.Client.Create(ctx, b)).To(Succeed(), fmt.Sprint(i))
			b.Status.Job = &v1alpha1.Job{Phase: p}
			Expect(env.Client.Status().Update(ctx, b)).To(Succeed())
		}
		d.settle(ctx, v)
		Expect(v.Status.Active).To(BeTrue())
		Expect(v.Status.Builds).To(Equal("1/2"))
	})

	It("says what it stores and does not act on", func(ctx SpecContext) {
		d, v := sit(), create(ctx, content(func(c *v1alpha1.TemplateContent) {
			c.Tags = map[string]v1alpha1.TagValue{"runner": "large"}
		}))
		d.settle(ctx, v)
		Expect(v).To(And(BeReady(), HaveCondition(v1alpha1.ConditionPolicyMet, metav1.ConditionFalse, v1alpha1.ReasonNotEnforced)))
		Expect(Message(v, v1alpha1.ConditionPolicyMet)).To(HaveSuffix(": spec.content.tags"))
	})
})
