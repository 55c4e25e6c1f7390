// SPDX-License-Identifier: Apache-2.0

package dryrun_test

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/rand"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/dryrun"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/render"
	. "github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
)

// desk is what a spec works at: an organization with a person, and a reconciler of which nothing is made.
type desk struct {
	*Journal
	*dryrun.Reconciler
	clock  *clocktesting.FakePassiveClock
	org    string
	owner  *v1alpha1.User
	refuse error
}

func sit(ctx context.Context) *desk {
	GinkgoHelper()
	d := &desk{clock: clocktesting.NewFakePassiveClock(time.Now())}
	var err error
	d.org, err = env.Organization(ctx, "org-")
	Expect(err).NotTo(HaveOccurred())
	d.owner = given.User("ada-" + rand.String(5))
	Expect(env.Client.Create(ctx, d.owner)).To(Succeed())
	d.Journal = NewJournal(interceptor.NewClient(env.Client, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			Expect((&client.CreateOptions{}).ApplyOptions(opts).DryRun).NotTo(BeEmpty(), "it makes nothing")
			if d.refuse != nil {
				return d.refuse
			}
			return c.Create(ctx, o, opts...)
		},
	}))
	d.Reconciler = &dryrun.Reconciler{
		Client: d.Journal, Live: d.Journal, As: phase.Impersonating(env.Config, env.Scheme, env.Client.RESTMapper()),
		Platform: render.Platform{AgentImage: "registry.example/berth:1"}, Worker: "manager-0", Clock: d.clock,
	}
	return d
}

// version is one that the check has found right.
func (d *desk) version(ctx context.Context, change ...func(*v1alpha1.TemplateContent)) *v1alpha1.TemplateVersion {
	GinkgoHelper()
	v := given.TemplateVersion(d.org, "go-dev-"+rand.String(5), "go-dev", func(v *v1alpha1.TemplateVersion) { v.Spec.Content = *given.Content(change...) })
	Expect(env.Client.Create(ctx, v)).To(Succeed())
	v.Status.ObservedGeneration = v.Generation
	v.Status.Conditions = phase.Conclude(nil, v.Generation, nil, phase.Ready{Reason: v1alpha1.ReasonChecked}, time.Now())
	Expect(env.Client.Status().Update(ctx, v)).To(Succeed())
	return v
}

// try makes a dry run of a version and works on it until it rests.
func (d *desk) try(ctx context.Context, v *v1alpha1.TemplateVersion, change ...func(*v1alpha1.DryRunSpec)) *v1alpha1.DryRun {
	GinkgoHelper()
	run := &v1alpha1.DryRun{ObjectMeta: metav1.ObjectMeta{Namespace: d.org, GenerateName: "dry-run-"}, Spec: v1alpha1.DryRunSpec{
		VersionRef: v1alpha1.UIDReference{Name: v1alpha1.ObjectName(v.Name), UID: v.UID}, Owner: v1alpha1.WorkspaceOwner{User: v1alpha1.ObjectName(d.owner.Name)},
	}}
	for _, f := range change {
		f(&run.Spec)
	}
	Expect(env.Client.Create(ctx, run)).To(Succeed())
	Expect(d.Journal.Settle(ctx, d.Reconciler, run)).To(Succeed())
	return run
}

func cpu(c *v1alpha1.TemplateContent) {
	c.Parameters = []v1alpha1.Parameter{given.Parameter("cpu", v1alpha1.TypeInteger, 2)}
	c.Resources = &v1alpha1.ContentResources{Requests: map[string]v1alpha1.Value{"cpu": v1alpha1.ValueOf("${parameters.cpu}")}}
	cost := v1alpha1.ValueOf("${parameters.cpu * 3}")
	c.DailyCost = &cost
}

// web has the workspace bring a Service.
func web(c *v1alpha1.TemplateContent) {
	c.ExtraObjects = []v1alpha1.ExtraObject{{ID: "web", Object: runtime.RawExtension{Raw: []byte(
		`{"apiVersion":"v1","kind":"Service","metadata":{"name":"${workspace.objectName}-web"},"spec":{"ports":[{"port":80}]}}`)}}}
}

func choose(n int) func(*v1alpha1.DryRunSpec) {
	return func(s *v1alpha1.DryRunSpec) {
		s.Parameters = &v1alpha1.BuildParameters{Values: map[string]v1alpha1.Value{"cpu": v1alpha1.ValueOf(n)}}
	}
}

var _ = Describe("a DryRun", func() {
	It("succeeds where a workspace could start, makes nothing, and shows what it would", func(ctx SpecContext) {
		d := sit(ctx)
		run := d.try(ctx, d.version(ctx, cpu), choose(4))
		Expect(run).To(HaveCondition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonWouldStart))
		Expect(run.Status.Job).To(HaveValue(And(HaveField("Phase", v1alpha1.JobSucceeded), HaveField("Worker", "manager-0"), HaveField("Error", ""))))
		Expect(run.Status.Resources).To(ContainElements(And(HaveField("Kind", "Pod"), HaveField("DailyCost", BeEquivalentTo(12))), HaveField("Name", "home")))
		var outputs []string
		for _, l := range run.Status.Log {
			outputs = append(outputs, l.Output)
		}
		Expect(outputs).To(Equal([]string{
			outputs[0], "the cluster would take the pod", "the cluster would take the volume claim home", "a workspace could start",
		}))
		Expect(outputs[0]).To(ContainSubstring("at 12 credits a day"))
		var pods corev1.PodList
		Expect(env.Client.List(ctx, &pods, client.InNamespace(d.org))).To(Succeed())
		Expect(pods.Items).To(BeEmpty())
	})

	It("fails with the sum where the namespace's quota is too small, which is no fault of the version", func(ctx SpecContext) {
		d := sit(ctx)
		Expect(env.Client.Create(ctx, &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: d.org, Name: "compute"},
			Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"requests.cpu": resource.MustParse("3")}}})).To(Succeed())
		// no controller of quotas runs here: what is used is written by hand
		quota := &corev1.ResourceQuota{}
		Expect(env.Client.Get(ctx, client.ObjectKey{Namespace: d.org, Name: "compute"}, quota)).To(Succeed())
		quota.Status = corev1.ResourceQuotaStatus{Hard: quota.Spec.Hard, Used: corev1.ResourceList{"requests.cpu": resource.MustParse("0")}}
		Expect(env.Client.Status().Update(ctx, quota)).To(Succeed())
		v := d.version(ctx, cpu)
		Eventually(func(g Gomega) {
			run := d.try(ctx, v, choose(4))
			g.Expect(run).To(BeStalled(v1alpha1.ReasonRefused))
			g.Expect(run.Status.Job.Error).To(ContainSubstring("exceeded quota: compute"))
			g.Expect(run.Status.Resources).NotTo(BeEmpty())
		}).WithContext(ctx).WithTimeout(20 * time.Second).Should(Succeed())
	})

	DescribeTable("fails, and says why",
		func(ctx SpecContext, content func(*v1alpha1.TemplateContent), spec func(*v1alpha1.DryRunSpec), reason, message string) {
			d := sit(ctx)
			Expect(Relabel(ctx, env.Client, d.org, "pod-security.kubernetes.io/enforce", "restricted")).To(Succeed())
			run := d.try(ctx, d.version(ctx, content), spec)
			Expect(run).To(BeStalled(reason))
			Expect(run.Status.Job).To(HaveValue(And(HaveField("Phase", v1alpha1.JobFailed), HaveField("Error", ContainSubstring(message)))))
			last := run.Status.Log[len(run.Status.Log)-1]
			Expect(last.Level).To(Equal(v1alpha1.LogError))
			Expect(last.Output).To(ContainSubstring(message))
		},
		Entry("a parameter that there is none of", cpu, func(s *v1alpha1.DryRunSpec) {
			s.Parameters = &v1alpha1.BuildParameters{Values: map[string]v1alpha1.Value{"cpus": v1alpha1.ValueOf(1)}}
		}, v1alpha1.ReasonParameterRefused, `the template has no parameter "cpus"`),
		Entry("what the parameters make of the pod", func(c *v1alpha1.TemplateContent) {
			cpu(c)
			c.Resources.Limits = map[string]v1alpha1.Value{"cpu": v1alpha1.ValueOf(2)}
		}, choose(3), v1alpha1.ReasonPodInvalid, "spec.content.resources.requests"),
		Entry("a Secret that is not there", func(c *v1alpha1.TemplateContent) {
			c.Env = []v1alpha1.EnvVar{{Name: "TOKEN", ValueFrom: &v1alpha1.EnvSource{SecretKeyRef: &v1alpha1.KeyReference{Name: "gone", Key: "k"}}}}
		}, func(*v1alpha1.DryRunSpec) {}, v1alpha1.ReasonRefused, "there is no Secret gone"),
		Entry("what the Pod Security level forbids", func(c *v1alpha1.TemplateContent) {
			c.Image, c.PodTemplate = "", &runtime.RawExtension{Raw: []byte(
				`{"spec":{"containers":[{"name":"main","image":"a","securityContext":{"runAsUser":0,"runAsNonRoot":false}}]}}`)}
		}, func(*v1alpha1.DryRunSpec) {}, v1alpha1.ReasonNotAllowed, "runAsUser=0"),
		Entry("an extra object that the organization's account may not make", web, func(*v1alpha1.DryRunSpec) {},
			v1alpha1.ReasonRefused, "the cluster refuses the extra object web: services is forbidden"),
		Entry("an owner that is nobody", cpu, func(s *v1alpha1.DryRunSpec) { s.Owner.User = "nobody" }, v1alpha1.ReasonOwnerMissing, `no User "nobody"`),
	)

	It("asks for extra objects with the rights of the organization's account", func(ctx SpecContext) {
		d := sit(ctx)
		Expect(env.Client.Create(ctx, &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: d.org, Name: "web"},
			Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"services"}, Verbs: []string{"create"}}}})).To(Succeed())
		Expect(env.Client.Create(ctx, &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: d.org, Name: "web"},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: d.org, Name: v1alpha1.DefaultServiceAccount}},
			RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "web"}})).To(Succeed())
		v := d.version(ctx, web)
		Eventually(func(g Gomega) { // the kube-apiserver hears of rights a moment later
			run := d.try(ctx, v)
			g.Expect(run).To(HaveCondition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonWouldStart))
			g.Expect(run.Status.Log).To(ContainElement(HaveField("Output", "the cluster would take the extra object web")))
		}).WithContext(ctx).WithTimeout(20 * time.Second).Should(Succeed())
		var services corev1.ServiceList
		Expect(env.Client.List(ctx, &services, client.InNamespace(d.org))).To(Succeed())
		Expect(services.Items).To(BeEmpty())
	})

	It("fails with what admission says", func(ctx SpecContext) {
		d := sit(ctx)
		Expect(env.Client.Create(ctx, &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Namespace: d.org, Name: "most"}, Spec: corev1.LimitRangeSpec{
			Limits: []corev1.LimitRangeItem{{Type: corev1.LimitTypeContainer, Max: corev1.ResourceList{"cpu": resource.MustParse("3")}}}}})).To(Succeed())
		v := d.version(ctx, cpu, func(c *v1alpha1.TemplateContent) { c.Resources.Limits = c.Resources.Requests })
		Eventually(func(g Gomega) { // it reads limits from a cache
			run := d.try(ctx, v, choose(4))
			g.Expect(run).To(BeStalled(v1alpha1.ReasonRefused))
			g.Expect(run.Status.Job.Error).To(ContainSubstring("maximum cpu usage per Container is 3"))
		}).WithContext(ctx).WithTimeout(20 * time.Second).Should(Succeed())
	})

	It("waits a moment for a version that is not known to be right, and no longer", func(ctx SpecContext) {
		d := sit(ctx)
		v := given.TemplateVersion(d.org, "unchecked", "go-dev")
		Expect(env.Client.Create(ctx, v)).To(Succeed())
		run := d.try(ctx, v)
		Expect(run.Status.Job.Phase).To(Equal(v1alpha1.JobRunning))
		d.clock.SetTime(time.Now().Add(time.Minute))
		Expect(d.Journal.Settle(ctx, d.Reconciler, run)).To(Succeed())
		Expect(run).To(BeStalled(v1alpha1.ReasonVersionMissing))
	})

	It("asks a cluster that does not answer again, and gives up in the end", func(ctx SpecContext) {
		d := sit(ctx)
		v := d.version(ctx)
		d.refuse = apierrors.NewInternalError(errors.New("etcd is away"))
		run := &v1alpha1.DryRun{ObjectMeta: metav1.ObjectMeta{Namespace: d.org, Name: "dry-run-x"}, Spec: v1alpha1.DryRunSpec{
			VersionRef: v1alpha1.UIDReference{Name: v1alpha1.ObjectName(v.Name), UID: v.UID}, Owner: v1alpha1.WorkspaceOwner{User: v1alpha1.ObjectName(d.owner.Name)},
		}}
		Expect(env.Client.Create(ctx, run)).To(Succeed())
		Expect(d.Journal.Settle(ctx, d.Reconciler, run)).To(MatchError(ContainSubstring("etcd is away")))
		Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(run), run)).To(Succeed())
		Expect(run.Status.Job.Phase).To(Equal(v1alpha1.JobRunning))
		d.clock.SetTime(time.Now().Add(3 * time.Minute))
		Expect(d.Journal.Settle(ctx, d.Reconciler, run)).To(Succeed())
		Expect(run.Status.Job).To(HaveValue(And(HaveField("Phase", v1alpha1.JobFailed), HaveField("Error", "gave up: the cluster did not answer for 2m0s"))))
	})

	It("ends early when it is asked to", func(ctx SpecContext) {
		d := sit(ctx)
		run := d.try(ctx, d.version(ctx), func(s *v1alpha1.DryRunSpec) { s.Cancel = &v1alpha1.BuildCancel{RequestedAt: "2026-01-01T00:00:00Z"} })
		Expect(run).To(BeStalled(v1alpha1.ReasonCanceled))
		Expect(run.Status.Job.Phase).To(Equal(v1alpha1.JobCanceled))
	})

	It("is removed an hour after it ended", func(ctx SpecContext) {
		d := sit(ctx)
		run := d.try(ctx, d.version(ctx))
		request := ctrl.Request{NamespacedName: client.ObjectKeyFromObject(run)}
		result, err := d.Reconciler.Reconcile(ctx, request)
		Expect(err).NotTo(HaveOccurred())
		Expect(result.RequeueAfter).To(BeNumerically("~", time.Hour, 2*time.Second))
		d.clock.SetTime(time.Now().Add(61 * time.Minute))
		_, err = d.Reconciler.Reconcile(ctx, request)
		Expect(err).NotTo(HaveOccurred())
		Expect(apierrors.IsNotFound(env.Client.Get(ctx, client.ObjectKeyFromObject(run), run))).To(BeTrue())
	})

	It("V 51: shows no value of a Secret that the template names", func(ctx SpecContext) {
		const canary = "canary-77aa"
		d := sit(ctx)
		Expect(env.Client.Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: d.org, Name: "token", Labels: map[string]string{render.LabelMountable: "true"}},
			StringData: map[string]string{"k": canary}})).To(Succeed())
		named := func(c *v1alpha1.TemplateContent) {
			c.Variables = []v1alpha1.Variable{{Name: "token", Type: v1alpha1.TypeString, Sensitive: true,
				ValueFrom: &v1alpha1.VariableSource{SecretKeyRef: v1alpha1.KeyReference{Name: "token", Key: "k"}}}}
			c.Env = []v1alpha1.EnvVar{{Name: "TOKEN", ValueFrom: &v1alpha1.EnvSource{SecretKeyRef: &v1alpha1.KeyReference{Name: "${variables.token.name}", Key: "${variables.token.key}"}}}}
		}
		for _, limits := range []map[string]v1alpha1.Value{nil, {"cpu": v1alpha1.ValueOf(1)}} {
			run := d.try(ctx, d.version(ctx, cpu, named, func(c *v1alpha1.TemplateContent) { c.Resources.Limits = limits }), choose(2))
			Expect(run.Status.Job.Phase == v1alpha1.JobFailed).To(Equal(limits != nil), run.Status.Job.Error)
			text, err := json.Marshal(run)
			Expect(err).NotTo(HaveOccurred())
			Expect(string(text)).NotTo(ContainSubstring(canary))
		}
	})
})
