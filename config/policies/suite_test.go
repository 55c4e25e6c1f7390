// SPDX-License-Identifier: Apache-2.0

// Package policies_test proves the admission policies of this folder, and of the folder stamps, against a real
// kube-apiserver: for each, who is let through and who is refused, what the refusal says, and what is written down. What RBAC says before, and the manager after them, is tested
// elsewhere.
package policies_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
)

func TestPolicies(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(30 * time.Second)
	SetDefaultEventuallyPollingInterval(100 * time.Millisecond)
	RunSpecs(t, "Admission policies")
}

// The identities. Every one is authenticated by impersonation.
const (
	// editor may write everything of ours, for whomever, and namespaces, and has none of the verbs that make somebody more.
	editor = "dev:editor"
	// writer may write workspaces, and is given whose and of what in a spec.
	writer = "dev:writer"
	// author may write templates and versions, and act for nobody.
	author = "dev:author"
	// admin has the chart's ClusterRole berth-admin, and may write namespaces.
	admin = "dev:admin"
	// master is a cluster administrator.
	master = "dev:master"
	// manager and apiserver are our own processes.
	manager   = "system:serviceaccount:berth-system:berth-manager"
	apiserver = "system:serviceaccount:berth-system:berth-apiserver"
	// collector and janitor are Kubernetes' own.
	collector = "system:serviceaccount:kube-system:generic-garbage-collector"
	janitor   = "system:serviceaccount:kube-system:namespace-controller"
)

var (
	env     *cluster.Cluster
	clients = map[string]client.Client{}
)

var _ = BeforeSuite(func(ctx SpecContext) {
	var err error
	env, err = cluster.Start()
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(env.Stop)

	Expect(env.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "berth-system"}})).To(Succeed())
	ours := []string{"organizations", "users", "groups", "templates", "templateversions", "workspaces", "workspacebuilds"}
	namespaces := rbacv1.PolicyRule{APIGroups: []string{""}, Verbs: []string{"create", "update", "patch", "delete", "get"},
		Resources: []string{"namespaces", "namespaces/status", "namespaces/finalize"}}
	anybodys := []rbacv1.PolicyRule{
		{APIGroups: []string{v1alpha1.GroupVersion.Group}, Resources: []string{"owners"}, Verbs: []string{"own"}},
		{APIGroups: []string{v1alpha1.GroupVersion.Group}, Resources: []string{"templates"}, Verbs: []string{"use"}},
	}
	grant(ctx, "editor", editor, append(anybodys, namespaces, rbacv1.PolicyRule{
		APIGroups: []string{v1alpha1.GroupVersion.Group},
		Resources: append(ours, "users/status"),
		Verbs:     []string{"get", "list", "watch", "create", "update", "patch", "delete"},
	})...)
	grant(ctx, "writer", writer, rbacv1.PolicyRule{APIGroups: []string{v1alpha1.GroupVersion.Group},
		Resources: []string{"workspaces"}, Verbs: []string{"get", "create", "update", "patch", "delete"}})
	grant(ctx, "author", author, rbacv1.PolicyRule{APIGroups: []string{v1alpha1.GroupVersion.Group},
		Resources: []string{"templates", "templateversions"}, Verbs: []string{"get", "create", "update", "patch"}})
	grant(ctx, "namespaces", admin, namespaces)
	for file, name := range map[string]string{"admin.yaml": admin, "manager.yaml": manager, "apiserver.yaml": apiserver} {
		Expect(env.CreateFrom(ctx, filepath.Join("..", "rbac", file))).To(Succeed())
		bind(ctx, "berth-"+strings.TrimSuffix(file, ".yaml"), name)
	}
	for _, name := range []string{editor, writer, author, admin, manager, apiserver, collector, janitor} {
		clients[name] = impersonate(name)
	}
	clients[master] = impersonate(master, "system:masters")

	for _, folder := range []string{".", stamps} {
		files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
		Expect(err).NotTo(HaveOccurred())
		Expect(files).NotTo(BeEmpty())
		for _, file := range files {
			Expect(env.CreateFrom(ctx, file)).To(Succeed())
		}
	}
	settled(ctx)
	stamped(ctx)
})

// settled waits until the kube-apiserver knows every right and every policy.
func settled(ctx context.Context) {
	GinkgoHelper()
	for name, verb := range map[string]string{editor: "create", admin: "escalate", apiserver: "escalate"} {
		Eventually(func(g Gomega) {
			review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
				ResourceAttributes: &authorizationv1.ResourceAttributes{Group: "berth.dev", Resource: "users", Verb: verb}}}
			g.Expect(clients[name].Create(ctx, review)).To(Succeed())
			g.Expect(review.Status.Allowed).To(BeTrue(), "%s may %s users", name, verb)
		}).Should(Succeed())
	}
	wrong := []client.Object{
		given.Group("default", "probe", func(g *v1alpha1.Group) { g.Spec.Members = []v1alpha1.ObjectName{"x"} }),
		given.Group("default", "probe", func(g *v1alpha1.Group) { g.Spec.ID = foreign }),
		given.Organization("probe"),
		given.Template("default", "probe", func(t *v1alpha1.Template) {
			t.Spec.Access = []v1alpha1.AccessEntry{{Kind: v1alpha1.AccessKindEveryone, Role: v1alpha1.AccessRoleUse}}
		}),
		given.User("probe", func(u *v1alpha1.User) { u.Spec.Roles = []v1alpha1.SiteRole{v1alpha1.SiteRoleOwner} }),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "probe", Labels: map[string]string{v1alpha1.LabelOrganization: "x"}}},
	}
	for _, o := range wrong {
		Eventually(func() error {
			return clients[editor].Create(ctx, o.DeepCopyObject().(client.Object), client.DryRunAll)
		}).Should(refused("needs the verb"))
	}
}

// grant gives an identity a ClusterRole of its own.
func grant(ctx context.Context, role, name string, rules ...rbacv1.PolicyRule) {
	GinkgoHelper()
	Expect(env.Client.Create(ctx, &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: role}, Rules: rules})).To(Succeed())
	bind(ctx, role, name)
}

// bind binds a ClusterRole to an identity.
func bind(ctx context.Context, role, name string) {
	GinkgoHelper()
	Expect(env.Client.Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: name}},
	})).To(Succeed())
}

// impersonate is a client that is somebody.
func impersonate(name string, groups ...string) client.Client {
	GinkgoHelper()
	config := rest.CopyConfig(env.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: name, Groups: groups}
	c, err := client.New(config, client.Options{Scheme: env.Scheme})
	Expect(err).NotTo(HaveOccurred())
	return c
}

// home makes a namespace of its own that belongs to an organization, and gives its name.
func home(ctx context.Context) string {
	GinkgoHelper()
	name, err := env.Organization(ctx, "org-")
	Expect(err).NotTo(HaveOccurred())
	return name
}

// refused matches a refusal by a policy whose message holds every text.
func refused(texts ...string) types.GomegaMatcher {
	matchers := []types.GomegaMatcher{
		Satisfy(apierrors.IsForbidden),
		MatchError(ContainSubstring("ValidatingAdmissionPolicy")),
	}
	for _, text := range texts {
		matchers = append(matchers, MatchError(ContainSubstring(text)))
	}
	return And(matchers...)
}

// allowed matches what went through.
func allowed() types.GomegaMatcher { return Succeed() }
