// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"context"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/testing/given"
)

// world is an organization with a template and people around it, as the manager would have left them.
type world struct {
	organization *v1alpha1.Organization
	template     *v1alpha1.Template
	version      *v1alpha1.TemplateVersion
	// earlier is a version of the template that was made before.
	earlier *v1alpha1.TemplateVersion
	// dryRun is one of the member's, and has ended well.
	dryRun *v1alpha1.DryRun
	// owner administers everything, member has workspaces, peer is a member as well, stranger is one of another
	// organization, auditor may read everything.
	owner, member, peer, stranger, auditor *person
	// each administers something: all templates, all people, and this organization.
	templates, people, admin *person
}

// person is a User with a way in by each door.
type person struct {
	*v1alpha1.User
	session, aggregated door
}

var number atomic.Int64

// unique makes a name that no other spec has.
func unique(prefix string) string { return prefix + strconv.FormatInt(number.Add(1), 10) }

// settled is the condition of an object that the manager is content with.
func settled() []metav1.Condition {
	return []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonReady, LastTransitionTime: metav1.Now()}}
}

func newOrganization(ctx context.Context) *v1alpha1.Organization {
	GinkgoHelper()
	name := unique("org")
	o := given.Organization(name)
	Expect(env.Client.Create(ctx, o)).To(Succeed())
	Expect(env.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: name, Labels: map[string]string{v1alpha1.LabelOrganization: name},
	}})).To(Succeed())
	return o
}

// newPerson makes a User who is a member of the organization, with a session and a Kubernetes identity.
func newPerson(ctx context.Context, organization string, change ...func(*v1alpha1.User)) *person {
	GinkgoHelper()
	name := unique("user")
	u := given.User(name, func(u *v1alpha1.User) {
		u.Spec.LoginType = v1alpha1.LoginTypePassword
		u.Spec.Subjects = []v1alpha1.Subject{{Kind: "User", Name: "oidc:" + name}}
		u.Spec.Memberships = []v1alpha1.Membership{{Organization: v1alpha1.ObjectName(organization)}}
	})
	for _, f := range change {
		f(u)
	}
	Expect(env.Client.Create(ctx, u)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) { Expect(client.IgnoreNotFound(env.Client.Delete(ctx, u))).To(Succeed()) })
	token, _, err := credentials.New(env.Client, namespace, time.Now).Issue(ctx, u, ids.Of(u), v1alpha1.LoginTypePassword, credentials.SessionLifetime)
	Expect(err).NotTo(HaveOccurred())
	config, err := env.AddUser("oidc:" + name)
	Expect(err).NotTo(HaveOccurred())
	p := &person{User: u, session: session(token), aggregated: aggregated(config)}
	for _, d := range []door{p.session, p.aggregated} {
		Eventually(func() int { return ask(ctx, d, "GET", "/api/v2/users/me", nil).Status }).Should(Equal(http.StatusOK))
	}
	return p
}

func newWorld(ctx context.Context) *world {
	GinkgoHelper()
	w := &world{organization: newOrganization(ctx)}
	w.owner = newPerson(ctx, w.organization.Name, func(u *v1alpha1.User) { u.Spec.Roles = []v1alpha1.SiteRole{v1alpha1.SiteRoleOwner} })
	w.member = newPerson(ctx, w.organization.Name)
	w.peer = newPerson(ctx, w.organization.Name)
	w.stranger = newPerson(ctx, newOrganization(ctx).Name)
	w.auditor = newPerson(ctx, w.organization.Name, role(v1alpha1.SiteRoleAuditor))
	w.template = given.Template(w.organization.Name, "go-dev", func(t *v1alpha1.Template) {
		t.Spec.Access = []v1alpha1.AccessEntry{{Kind: v1alpha1.AccessKindEveryone, Role: v1alpha1.AccessRoleUse}}
	})
	Expect(env.Client.Create(ctx, w.template)).To(Succeed())
	w.earlier = w.checked(ctx, given.TemplateVersion(w.organization.Name, "go-dev-0", "go-dev", func(v *v1alpha1.TemplateVersion) {
		v.Annotations = map[string]string{v1alpha1.AnnotationCreatedAt: "2026-01-01T00:00:00Z"}
	}))
	w.version = w.checked(ctx, given.TemplateVersion(w.organization.Name, "go-dev-1", "go-dev"))
	w.template.Status.ActiveVersion = &v1alpha1.UIDReference{Name: v1alpha1.ObjectName(w.version.Name), UID: w.version.UID}
	w.template.Status.Conditions, w.template.Status.ObservedGeneration = settled(), w.template.Generation
	Expect(env.Client.Status().Update(ctx, w.template)).To(Succeed())
	w.dryRun = &v1alpha1.DryRun{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.organization.Name, Name: "dry-run-1"},
		Spec: v1alpha1.DryRunSpec{
			VersionRef: v1alpha1.UIDReference{Name: v1alpha1.ObjectName(w.version.Name), UID: w.version.UID},
			Owner:      v1alpha1.WorkspaceOwner{User: v1alpha1.ObjectName(w.member.Name)},
		},
	}
	Expect(env.Client.Create(ctx, w.dryRun)).To(Succeed())
	w.dryRun.Status.Job = w.version.Status.Job
	Expect(env.Client.Status().Update(ctx, w.dryRun)).To(Succeed())
	return w
}

// token is the member's token of the name, made where there is none.
func (w *world) token(ctx context.Context, name string) credentials.Key {
	GinkgoHelper()
	proofs := credentials.New(env.Client, namespace, time.Now)
	keys, err := proofs.Keys(ctx, ids.Of(w.member.User))
	Expect(err).NotTo(HaveOccurred())
	for _, k := range keys {
		if k.Name == name {
			return k
		}
	}
	_, k, err := proofs.IssueToken(ctx, w.member.User, ids.Of(w.member.User), credentials.Token{Name: name, Scope: credentials.ScopeAll, Lifetime: time.Hour})
	Expect(err).NotTo(HaveOccurred())
	path := "/api/v2/users/" + w.member.Name + "/keys/" + k.ID
	Eventually(func() int { return ask(ctx, w.owner.session, "GET", path, nil).Status }).WithTimeout(10 * time.Second).Should(Equal(http.StatusOK))
	return k
}

// checked stores a version that the manager has found right.
func (w *world) checked(ctx context.Context, v *v1alpha1.TemplateVersion) *v1alpha1.TemplateVersion {
	GinkgoHelper()
	Expect(env.Client.Create(ctx, v)).To(Succeed())
	now := metav1.Now()
	v.Status.Job = &v1alpha1.Job{Phase: v1alpha1.JobSucceeded, StartedAt: &now, CompletedAt: &now}
	v.Status.Conditions, v.Status.ObservedGeneration = settled(), v.Generation
	Expect(env.Client.Status().Update(ctx, v)).To(Succeed())
	return v
}

// unbound is a new version that no template has. It is waited for until the server knows it.
func (w *world) unbound(ctx context.Context) *v1alpha1.TemplateVersion {
	GinkgoHelper()
	v := w.checked(ctx, given.TemplateVersion(w.organization.Name, unique("loose-"), "", func(v *v1alpha1.TemplateVersion) { v.Spec.TemplateRef = nil }))
	Eventually(func(g Gomega) {
		a := ask(ctx, w.owner.session, "GET", "/api/v2/templateversions/"+ids.Of(v).String(), nil)
		g.Expect(string(a.Body)).To(ContainSubstring(`"status":"succeeded"`))
	}).Should(Succeed())
	return v
}

// spare is the id of a new template that all members may use. It is waited for until the server shows it.
func (w *world) spare(ctx context.Context) string {
	GinkgoHelper()
	t := given.Template(w.organization.Name, unique("spare-"), func(t *v1alpha1.Template) { t.Spec.Access = w.template.Spec.Access })
	Expect(env.Client.Create(ctx, t)).To(Succeed())
	v := w.checked(ctx, given.TemplateVersion(w.organization.Name, t.Name+"-1", t.Name))
	t.Status.ActiveVersion = &v1alpha1.UIDReference{Name: v1alpha1.ObjectName(v.Name), UID: v.UID}
	Expect(env.Client.Status().Update(ctx, t)).To(Succeed())
	Eventually(func() int {
		return ask(ctx, w.owner.session, "GET", "/api/v2/templates/"+ids.Of(t).String(), nil).Status
	}).Should(Equal(http.StatusOK))
	return ids.Of(t).String()
}

// workspace is one of the member's, with a first build that has ended well. It is waited for until the server knows it.
func (w *world) workspace(ctx context.Context) *v1alpha1.Workspace {
	GinkgoHelper()
	ws := given.Workspace(w.organization.Name, unique("dev"), w.member.Name, w.template.Name)
	Expect(env.Client.Create(ctx, ws)).To(Succeed())
	b := given.Build(ws, 1, v1alpha1.TransitionStart, func(b *v1alpha1.WorkspaceBuild) {
		b.Spec.VersionRef = &v1alpha1.UIDReference{Name: v1alpha1.ObjectName(w.version.Name), UID: w.version.UID}
	})
	Expect(env.Client.Create(ctx, b)).To(Succeed())
	now := metav1.Now()
	before := b.DeepCopy()
	b.Status.Job = &v1alpha1.Job{Phase: v1alpha1.JobSucceeded, StartedAt: &now, CompletedAt: &now}
	Expect(env.Client.Status().Patch(ctx, b, client.MergeFrom(before))).To(Succeed())
	Eventually(func(g Gomega) {
		a := ask(ctx, w.owner.session, "GET", "/api/v2/workspacebuilds/"+ids.Build(ids.Of(ws), 1).String(), nil)
		g.Expect(a.Status).To(Equal(http.StatusOK), string(a.Body))
		g.Expect(string(a.Body)).To(ContainSubstring(`"status":"succeeded"`))
	}).Should(Succeed())
	return ws
}
