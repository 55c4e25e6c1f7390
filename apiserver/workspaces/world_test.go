// SPDX-License-Identifier: Apache-2.0

package workspaces_test

import (
	"context"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/rand"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/testing/given"
)

// world is one organization with its people and its catalogue, as a manager would leave them. Each spec has its own.
type world struct {
	organization string
	// ada and grace are members; owner is the deployment's, admin the organization's administrator; eve belongs to none.
	ada, grace, owner, admin, eve string
	// goDev has parameters and is for everyone, secret for grace alone, broken has no version.
	goDev, secret, broken *v1alpha1.Template
	version               *v1alpha1.TemplateVersion
	member                v1alpha1.Membership
}

func newWorld(ctx context.Context) *world {
	GinkgoHelper()
	w := &world{}
	var err error
	w.organization, err = env.Organization(ctx, "org-")
	Expect(err).NotTo(HaveOccurred())
	tag := rand.String(5)
	w.ada, w.grace, w.owner, w.admin, w.eve = "ada-"+tag, "grace-"+tag, "owner-"+tag, "admin-"+tag, "eve-"+tag
	w.member = v1alpha1.Membership{Organization: v1alpha1.ObjectName(w.organization)}
	for name, change := range map[string]func(*v1alpha1.User){
		w.ada:   func(u *v1alpha1.User) { u.Spec.Memberships = []v1alpha1.Membership{w.member} },
		w.grace: func(u *v1alpha1.User) { u.Spec.Memberships = []v1alpha1.Membership{w.member} },
		w.owner: func(u *v1alpha1.User) { u.Spec.Roles = []v1alpha1.SiteRole{v1alpha1.SiteRoleOwner} },
		w.admin: func(u *v1alpha1.User) {
			m := w.member
			m.Roles = []v1alpha1.OrganizationRole{v1alpha1.OrganizationRoleAdmin}
			u.Spec.Memberships = []v1alpha1.Membership{m}
		},
		w.eve: func(*v1alpha1.User) {},
	} {
		create(ctx, given.User(name, change))
	}
	everyone := []v1alpha1.AccessEntry{{Kind: v1alpha1.AccessKindEveryone, Role: v1alpha1.AccessRoleUse}}
	w.goDev, w.version = w.template(ctx, "go-dev", func(t *v1alpha1.Template) { t.Spec.Access = everyone }, parametrised)
	w.secret, _ = w.template(ctx, "secret", func(t *v1alpha1.Template) {
		t.Spec.Access = []v1alpha1.AccessEntry{{Kind: v1alpha1.AccessKindUser, Name: v1alpha1.ObjectName(w.grace), Role: v1alpha1.AccessRoleUse}}
	}, func(*v1alpha1.TemplateContent) {})
	w.broken = given.Template(w.organization, "broken", func(t *v1alpha1.Template) { t.Spec.Access = everyone })
	create(ctx, w.broken)
	return w
}

// parametrised is a content with a parameter of each kind that matters.
func parametrised(c *v1alpha1.TemplateContent) {
	port, minimum, maximum := int32(13337), v1alpha1.ValueOf(1), v1alpha1.ValueOf(8)
	c.Parameters = []v1alpha1.Parameter{
		given.Parameter("cpu", v1alpha1.TypeInteger, 2, func(p *v1alpha1.Parameter) {
			p.Minimum, p.Maximum, p.Mutable = &minimum, &maximum, true
		}),
		given.Parameter("region", v1alpha1.TypeString, "zurich", func(p *v1alpha1.Parameter) { p.Pattern = "^[a-z]+$" }),
		given.Parameter("reset", v1alpha1.TypeBoolean, false, func(p *v1alpha1.Parameter) { p.Ephemeral, p.Mutable = true, true }),
	}
	c.Apps = []v1alpha1.App{{Name: "code", Port: &port, HealthCheck: &v1alpha1.AppHealthCheck{Path: "/healthz"}}}
	c.Scripts = []v1alpha1.Script{{Name: "clone", RunAt: v1alpha1.ScriptRunAtStart, BlocksLogin: true, Run: "true"}}
}

// template makes a template with one good version, the active one.
func (w *world) template(ctx context.Context, name string, change func(*v1alpha1.Template), content func(*v1alpha1.TemplateContent)) (*v1alpha1.Template, *v1alpha1.TemplateVersion) {
	GinkgoHelper()
	t := given.Template(w.organization, name, change, func(t *v1alpha1.Template) { content(t.Spec.Content) })
	create(ctx, t)
	v := w.addVersion(ctx, t, name+"-1", content, v1alpha1.JobSucceeded)
	t.Status.ObservedGeneration = t.Generation
	t.Status.ActiveVersion = &v1alpha1.UIDReference{Name: v1alpha1.ObjectName(v.Name), UID: v.UID}
	Expect(env.Client.Status().Update(ctx, t)).To(Succeed())
	seen(ctx, t)
	return t, v
}

func (w *world) addVersion(ctx context.Context, t *v1alpha1.Template, name string, content func(*v1alpha1.TemplateContent), phase v1alpha1.JobPhase) *v1alpha1.TemplateVersion {
	GinkgoHelper()
	v := given.TemplateVersion(w.organization, name, t.Name, func(v *v1alpha1.TemplateVersion) { content(&v.Spec.Content) })
	create(ctx, v)
	now := metav1.Now()
	v.Status.ContentHash = strings.Repeat("a", 64)
	v.Status.Job = &v1alpha1.Job{Phase: phase, StartedAt: &now}
	if phase.Ended() {
		v.Status.Job.CompletedAt = &now
	}
	Expect(env.Client.Status().Update(ctx, v)).To(Succeed())
	seen(ctx, v)
	return v
}

// create stores an object and waits until the server's cache has it.
func create(ctx context.Context, o client.Object) {
	GinkgoHelper()
	Expect(env.Client.Create(ctx, o)).To(Succeed())
	seen(ctx, o)
}

// seen waits until the server's cache has an object as it is now.
func seen(ctx context.Context, o client.Object) {
	GinkgoHelper()
	cached, ok := o.DeepCopyObject().(client.Object)
	Expect(ok).To(BeTrue())
	Eventually(func(g Gomega) {
		g.Expect(objects.Client().Get(ctx, client.ObjectKeyFromObject(o), cached)).To(Succeed())
		g.Expect(cached.GetResourceVersion()).To(Equal(o.GetResourceVersion()))
	}).WithTimeout(10 * time.Second).Should(Succeed())
}

// path of the workspaces that a User makes.
func (w *world) places(user string) string {
	return "organizations/" + w.organization + "/members/" + user + "/workspaces"
}

// workspace makes a workspace of goDev by the API.
func (w *world) workspace(ctx context.Context, user, name string) codersdk.Workspace {
	GinkgoHelper()
	return as[codersdk.Workspace](ctx, 201, user, "POST", w.places(user), codersdk.CreateWorkspaceRequest{Name: name, TemplateID: ids.Of(w.goDev)})
}

// object is the workspace's object, live.
func (w *world) object(ctx context.Context, user, name string) *v1alpha1.Workspace {
	GinkgoHelper()
	o := &v1alpha1.Workspace{}
	Expect(env.Client.Get(ctx, client.ObjectKey{Namespace: w.organization, Name: user + "--" + strings.ToLower(name)}, o)).To(Succeed())
	return o
}

// end does what the manager does: it accepts a workspace's build of the number, and ends it.
func (w *world) end(ctx context.Context, o *v1alpha1.Workspace, number int64, phase v1alpha1.JobPhase) {
	GinkgoHelper()
	b := &v1alpha1.WorkspaceBuild{}
	key := client.ObjectKey{Namespace: o.Namespace, Name: given.Build(o, number, v1alpha1.TransitionStart).Name}
	Expect(env.Client.Get(ctx, key, b)).To(Succeed())
	Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(o), o)).To(Succeed())
	now := metav1.Now()
	o.Status.Build = &v1alpha1.AcceptedBuild{UIDReference: v1alpha1.UIDReference{Name: v1alpha1.ObjectName(b.Name), UID: b.UID}, Number: number}
	o.Status.Phase = v1alpha1.PhaseStopped
	o.Status.Agents = nil
	if b.Spec.Transition == v1alpha1.TransitionStart {
		o.Status.Phase = v1alpha1.PhaseRunning
		o.Status.Agents = []v1alpha1.AgentStatus{{Name: "main", Build: number, Ready: true, ConnectedAt: &now}}
	}
	Expect(env.Client.Status().Update(ctx, o)).To(Succeed())
	b.Status.Job = &v1alpha1.Job{Phase: phase, StartedAt: &now, CompletedAt: &now, Worker: "berth-manager-0"}
	b.Status.Resources = []v1alpha1.BuildResource{{Kind: "PersistentVolumeClaim", Name: "home", DailyCost: 1}}
	if b.Spec.Transition == v1alpha1.TransitionStart {
		b.Status.Resources = append(b.Status.Resources, v1alpha1.BuildResource{Kind: "Pod", Name: "pod", DailyCost: 5})
	}
	Expect(env.Client.Status().Update(ctx, b)).To(Succeed())
	seen(ctx, o)
	seen(ctx, b)
}

// items are the objects of a list.
func items(l client.ObjectList) []client.Object {
	GinkgoHelper()
	var all []client.Object
	Expect(meta.EachListItem(l, func(o runtime.Object) error {
		object, ok := o.(client.Object)
		Expect(ok).To(BeTrue())
		all = append(all, object)
		return nil
	})).To(Succeed())
	return all
}
