// SPDX-License-Identifier: Apache-2.0

package templates_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/template"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
)

// world is one organization; each spec has its own. The admin administers it, ada is a member.
type world struct {
	organization, admin, ada string
	*cluster.Journal
}

func newWorld(ctx context.Context) *world {
	GinkgoHelper()
	organization, err := env.Organization(ctx, "org-")
	Expect(err).NotTo(HaveOccurred())
	tag := rand.String(6)
	w := &world{organization: organization, admin: "admin-" + tag, ada: "ada-" + tag, Journal: cluster.NewJournal(env.Client)}
	for name, roles := range map[string][]v1alpha1.OrganizationRole{w.admin: {v1alpha1.OrganizationRoleAdmin}, w.ada: nil} {
		w.create(ctx, given.User(name, func(u *v1alpha1.User) {
			u.Spec.Memberships = []v1alpha1.Membership{{Organization: v1alpha1.ObjectName(organization), Roles: roles}}
		}))
	}
	return w
}

// create stores an object and waits until the first replica has it.
func (w *world) create(ctx context.Context, o client.Object) {
	GinkgoHelper()
	Expect(env.Client.Create(ctx, o)).To(Succeed())
	seen(ctx, o)
}

// seen waits until the first replica has an object as it is now.
func seen(ctx context.Context, o client.Object) {
	GinkgoHelper()
	cached, ok := o.DeepCopyObject().(client.Object)
	Expect(ok).To(BeTrue())
	Eventually(func(g Gomega) {
		g.Expect(objects.Client().Get(ctx, client.ObjectKeyFromObject(o), cached)).To(Succeed())
		g.Expect(cached.GetResourceVersion()).To(Equal(o.GetResourceVersion()))
	}).WithContext(ctx).WithTimeout(10 * time.Second).Should(Succeed())
}

// uploaded is a version that no template has yet, with a check in the phase.
func (w *world) uploaded(ctx context.Context, name string, phase v1alpha1.JobPhase, change ...func(*v1alpha1.TemplateVersion)) *v1alpha1.TemplateVersion {
	GinkgoHelper()
	v := given.TemplateVersion(w.organization, name, "", append([]func(*v1alpha1.TemplateVersion){func(v *v1alpha1.TemplateVersion) { v.Spec.TemplateRef = nil }}, change...)...)
	w.create(ctx, v)
	w.check(ctx, v, phase)
	return v
}

// check does to a version what the manager does.
func (w *world) check(ctx context.Context, v *v1alpha1.TemplateVersion, phase v1alpha1.JobPhase) {
	GinkgoHelper()
	now := metav1.Now()
	v.Status.ObservedGeneration = v.Generation
	v.Status.Job = &v1alpha1.Job{Phase: phase, StartedAt: &now}
	if phase.Ended() {
		v.Status.Job.CompletedAt = &now
	}
	ready := metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonProgressing}
	if phase == v1alpha1.JobSucceeded {
		ready.Status, ready.Reason = metav1.ConditionTrue, v1alpha1.ReasonChecked
	}
	meta.SetStatusCondition(&v.Status.Conditions, ready)
	Expect(env.Client.Status().Update(ctx, v)).To(Succeed())
	seen(ctx, v)
}

// version is another version of a template.
func (w *world) version(ctx context.Context, t *v1alpha1.Template, name string, phase v1alpha1.JobPhase, change ...func(*v1alpha1.TemplateVersion)) *v1alpha1.TemplateVersion {
	GinkgoHelper()
	v := given.TemplateVersion(w.organization, name, t.Name, change...)
	w.create(ctx, v)
	w.check(ctx, v, phase)
	return v
}

// made is a template that the API made of a version of its own, and its object.
func (w *world) made(ctx context.Context, name string, change ...func(*codersdk.CreateTemplateRequest)) (codersdk.Template, *v1alpha1.Template) {
	GinkgoHelper()
	in := codersdk.CreateTemplateRequest{Name: name, VersionID: ids.Of(w.uploaded(ctx, name+"-one", v1alpha1.JobSucceeded))}
	for _, f := range change {
		f(&in)
	}
	made := as[codersdk.Template](ctx, 201, w.admin, "POST", w.path(), in)
	return made, w.live(ctx, name)
}

// live is a template as the cluster has it.
func (w *world) live(ctx context.Context, name string) *v1alpha1.Template {
	GinkgoHelper()
	t := &v1alpha1.Template{}
	Expect(env.Client.Get(ctx, client.ObjectKey{Namespace: w.organization, Name: name}, t)).To(Succeed())
	return t
}

// path of the organization's templates.
func (w *world) path() string { return "organizations/" + w.organization + "/templates" }

// settle runs the manager's controller on a template until it asks for nothing more, its checks of versions included.
func (w *world) settle(ctx context.Context, t *v1alpha1.Template) {
	GinkgoHelper()
	var all v1alpha1.TemplateVersionList
	Expect(env.Client.List(ctx, &all, client.InNamespace(w.organization))).To(Succeed())
	for i := range all.Items {
		if v := &all.Items[i]; v.Status.ObservedGeneration != v.Generation && v.Status.Job != nil {
			w.check(ctx, v, v.Status.Job.Phase)
		}
	}
	Expect(w.Journal.Settle(ctx, w.manager(), t)).To(Succeed())
	if err := env.Client.Get(ctx, client.ObjectKeyFromObject(t), t); err == nil {
		seen(ctx, t)
	}
}

// manager is the manager's controller of templates.
func (w *world) manager() *template.Reconciler {
	return &template.Reconciler{Client: w.Journal, Live: env.Client, Events: &cluster.Events{}, Clock: clock.RealClock{}}
}

// workspace is ada's, of a template.
func (w *world) workspace(ctx context.Context, t *v1alpha1.Template, name string, change ...func(*v1alpha1.Workspace)) *v1alpha1.Workspace {
	GinkgoHelper()
	ws := given.Workspace(w.organization, name, w.ada, t.Name, change...)
	w.create(ctx, ws)
	return ws
}
