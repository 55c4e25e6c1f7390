// SPDX-License-Identifier: Apache-2.0

package access_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/access"
	"github.com/berth-dev/berth/controllers/phase"
	. "github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
)

const (
	manager  = "system:serviceaccount:berth-system:berth-manager"
	writable = "berth-manager-mountable"
)

var env *Cluster

func TestAccess(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(30 * time.Second)
	SetDefaultEventuallyPollingInterval(50 * time.Millisecond)
	RunSpecs(t, "Access")
}

// The cluster has the chart's rights and policies, and the manager those rights alone.
var _ = BeforeSuite(func(ctx SpecContext) {
	var err error
	env, err = Start()
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(env.Stop)
	create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "berth-system"}})
	for _, folder := range []string{"rbac", "policies"} {
		files, err := filepath.Glob(filepath.Join("..", "..", "config", folder, "*.yaml"))
		Expect(err).NotTo(HaveOccurred())
		Expect(files).NotTo(BeEmpty())
		for _, file := range files {
			Expect(env.CreateFrom(ctx, file)).To(Succeed())
		}
	}
	create(ctx, &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "berth-manager"},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "berth-manager"},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "berth-system", Name: "berth-manager"}}})
})

func create(ctx context.Context, objects ...client.Object) {
	GinkgoHelper()
	for _, o := range objects {
		Expect(env.Client.Create(ctx, o)).To(Succeed())
	}
}

func patch(ctx context.Context, o client.Object, json string) {
	GinkgoHelper()
	Expect(env.Client.Patch(ctx, o, client.RawPatch("application/merge-patch+json", []byte(json)))).To(Succeed())
}

// impersonate is a client that is somebody, who is in groups of the cluster's identities.
func impersonate(name string, groups ...string) client.WithWatch {
	GinkgoHelper()
	config := rest.CopyConfig(env.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: name, Groups: groups}
	c, err := client.NewWithWatch(config, client.Options{Scheme: env.Scheme})
	Expect(err).NotTo(HaveOccurred())
	return c
}

// desk is an organization whose manager may write rights, and the reconciler with the manager's own.
type desk struct {
	*Journal
	r      *access.Reconciler
	groups *access.GroupReconciler
	org    string
}

func sit(ctx context.Context) *desk {
	GinkgoHelper()
	org, err := env.Organization(ctx, "team-")
	Expect(err).NotTo(HaveOccurred())
	create(ctx, writableIn(org))
	// Who has a role over the deployment has it in every organization: those of other specs would be written into as well.
	DeferCleanup(func(ctx SpecContext) { unlabel(ctx, org) })
	j := NewJournal(impersonate(manager))
	return &desk{Journal: j, org: org, r: &access.Reconciler{Client: j, Writable: writable},
		groups: &access.GroupReconciler{Client: j, Writable: writable}}
}

// writableIn is what package organization makes in the namespaces of organizations.
func writableIn(namespace string) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: writable},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "berth-mountable"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "berth-system", Name: "berth-manager"}},
	}
}

// user makes a User of the organization who is a Kubernetes identity of the same name.
func (d *desk) user(ctx context.Context, name string, change ...func(*v1alpha1.User)) *v1alpha1.User {
	GinkgoHelper()
	u := given.User(name+"-"+d.org, append([]func(*v1alpha1.User){func(u *v1alpha1.User) {
		u.Spec.Subjects = []v1alpha1.Subject{{Kind: "User", Name: "oidc:" + u.Name}}
		u.Spec.Memberships = []v1alpha1.Membership{{Organization: v1alpha1.ObjectName(d.org)}}
	}}, change...)...)
	create(ctx, u)
	return u
}

// settle has the reconciler work for Users until nothing is left to write.
func (d *desk) settle(ctx context.Context, users ...*v1alpha1.User) {
	GinkgoHelper()
	for _, u := range users {
		d.settled(ctx, d.r, client.ObjectKeyFromObject(u))
	}
}

// settleGroups does so for Groups.
func (d *desk) settleGroups(ctx context.Context, groups ...*v1alpha1.Group) {
	GinkgoHelper()
	for _, g := range groups {
		d.settled(ctx, d.groups, client.ObjectKeyFromObject(g))
	}
}

func (d *desk) settled(ctx context.Context, r reconcile.Reconciler, key client.ObjectKey) {
	GinkgoHelper()
	Eventually(func(g Gomega) { // the kube-apiserver learns of a right that was just given after a moment
		before := len(d.Writes())
		_, err := r.Reconcile(ctx, ctrl.Request{NamespacedName: key})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(d.Writes()[before:]).To(BeEmpty())
	}).Should(Succeed())
}

// has is what there is in a namespace for a User: the names of roles bound, with what the User's own Role says.
func (d *desk) has(ctx context.Context, u *v1alpha1.User, namespace string) (roles []string, rules []rbacv1.PolicyRule) {
	GinkgoHelper()
	var bindings rbacv1.RoleBindingList
	Expect(env.Client.List(ctx, &bindings, client.InNamespace(namespace), client.MatchingLabels(phase.AccessLabels()))).To(Succeed())
	for _, b := range bindings.Items {
		if len(b.OwnerReferences) == 1 && b.OwnerReferences[0].UID == u.UID {
			Expect(b.Subjects).To(Equal([]rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: "oidc:" + u.Name}}))
			roles = append(roles, b.RoleRef.Name)
		}
	}
	var own rbacv1.RoleList
	Expect(env.Client.List(ctx, &own, client.InNamespace(namespace), client.MatchingLabels(phase.AccessLabels()))).To(Succeed())
	for _, r := range own.Items {
		if len(r.OwnerReferences) == 1 && r.OwnerReferences[0].UID == u.UID {
			rules = append(rules, r.Rules...)
		}
	}
	return roles, rules
}

// unlabel takes a namespace out of its organization.
func unlabel(ctx context.Context, namespace string) {
	GinkgoHelper()
	relabel(ctx, namespace, "none")
}

// relabel gives a namespace to an organization.
func relabel(ctx context.Context, namespace, organization string) {
	GinkgoHelper()
	Expect(Relabel(ctx, env.Client, namespace, v1alpha1.LabelOrganization, organization)).To(Succeed())
}
