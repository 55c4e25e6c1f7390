// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/organization"
	"github.com/berth-dev/berth/internal/render"
	. "github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
)

// whatTemplatesMayMount starts workspaces whose pods name a Secret and a ConfigMap, with no right of the manager's but
// those that the chart gives it and that it gives itself.
func whatTemplatesMayMount(ctx SpecContext) {
	labelled := map[string]string{"berth.dev/mountable": "true"}
	secret := func(name string, labels map[string]string) *corev1.Secret {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "vault", Name: name, Labels: labels}, StringData: map[string]string{"key": "canary"}}
	}
	source := func(name string, from v1alpha1.EnvSource) func(*v1alpha1.Template) {
		return func(t *v1alpha1.Template) {
			t.Spec.Access = []v1alpha1.AccessEntry{{Kind: v1alpha1.AccessKindEveryone, Role: v1alpha1.AccessRoleUse}}
			t.Spec.Content.Env = append(t.Spec.Content.Env, v1alpha1.EnvVar{Name: name, ValueFrom: &from})
		}
	}
	open := given.Template("vault", "opened", source("TOKEN", v1alpha1.EnvSource{SecretKeyRef: &v1alpha1.KeyReference{Name: "opened", Key: "key"}}),
		source("REGION", v1alpha1.EnvSource{ConfigMapKeyRef: &v1alpha1.KeyReference{Name: "opened", Key: "key"}}))
	closed := given.Template("vault", "closed", source("TOKEN", v1alpha1.EnvSource{SecretKeyRef: &v1alpha1.KeyReference{Name: "closed", Key: "key"}}))
	create(ctx, given.Organization("vault"), given.User("keeper", func(u *v1alpha1.User) {
		u.Spec.Memberships = []v1alpha1.Membership{{Organization: "vault"}}
	}))
	Eventually(func() error { return env.Client.Create(ctx, open) }).WithContext(ctx).WithTimeout(soon).Should(Succeed())
	create(ctx, closed, secret("opened", labelled), secret("closed", nil),
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "vault", Name: "opened", Labels: labelled}, Data: map[string]string{"key": "north"}})

	works, fails := given.Workspace("vault", "works", "keeper", "opened"), given.Workspace("vault", "fails", "keeper", "closed")
	create(ctx, works, fails)
	Eventually(func() string {
		kubelet(ctx, works)
		return reason(state(ctx, works)())
	}).WithContext(ctx).WithTimeout(soon).Should(Equal(v1alpha1.ReasonAgentReady))
	var pod corev1.Pod
	Expect(env.Client.Get(ctx, client.ObjectKey{Namespace: "vault", Name: works.Status.Pod.Name}, &pod)).To(Succeed())
	Expect(pod.Spec.Containers[0].Env).To(ContainElements(
		HaveField("ValueFrom.SecretKeyRef.Name", "opened"), HaveField("ValueFrom.ConfigMapKeyRef.Name", "opened")))

	By("a Secret that nobody opened")
	Eventually(func() string { return Message(state(ctx, fails)(), v1alpha1.ConditionReady) }).WithContext(ctx).WithTimeout(soon).Should(
		ContainSubstring("Secret closed is not open to templates"))
	Eventually(func() string { return string(state(ctx, fails)().Status.Phase) }).WithContext(ctx).WithTimeout(soon).Should(Equal(string(v1alpha1.PhaseFailed)))
	Expect(fails).To(BeStalled(v1alpha1.ReasonContainerConfig))
	Expect(fails.Status.Pod).To(BeNil())

	By("a Secret that is generated, and an extra object, with the rights of the organization's account")
	made := given.Template("vault", "made", func(t *v1alpha1.Template) {
		t.Spec.Access = []v1alpha1.AccessEntry{{Kind: v1alpha1.AccessKindEveryone, Role: v1alpha1.AccessRoleUse}}
		t.Spec.Content.Secrets = []v1alpha1.GeneratedSecret{{Name: "db", Generate: []string{"password"}}}
		t.Spec.Content.Env = []v1alpha1.EnvVar{{Name: "P", ValueFrom: &v1alpha1.EnvSource{SecretKeyRef: &v1alpha1.KeyReference{Name: "${secrets.db.name}", Key: "password"}}}}
		t.Spec.Content.ExtraObjects = []v1alpha1.ExtraObject{{ID: "settings", Object: runtime.RawExtension{
			Raw: []byte(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"${workspace.objectName}-settings"}}`)}}}
	})
	builds := given.Workspace("vault", "builds", "keeper", "made")
	create(ctx, made, builds)
	Eventually(func() string { return Message(state(ctx, builds)(), v1alpha1.ConditionReady) }).WithContext(ctx).WithTimeout(soon).Should(
		ContainSubstring("extra objects are applied as ServiceAccount berth-workspace"))
	create(ctx, &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: "vault", Name: "extra"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get", "create", "patch", "delete"}}}},
		&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "vault", Name: "extra"},
			RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "extra"},
			Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "vault", Name: v1alpha1.DefaultServiceAccount}}})
	settings := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "vault", Name: "builds-settings"}}
	Eventually(func() string { return state(ctx, settings)().ResourceVersion }).WithContext(ctx).WithTimeout(2 * soon).ShouldNot(BeEmpty())
	generated := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "vault", Name: render.SecretName(builds, "db")}}
	Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(generated), generated)).To(Succeed())
	Expect(generated.Data).To(HaveKey("password"))

	By("a binding that somebody took away")
	binding := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "vault", Name: organization.MountableBinding}}
	uid := state(ctx, binding)().UID
	Expect(env.Client.Delete(ctx, binding)).To(Succeed())
	Eventually(func() bool { is := state(ctx, binding)(); return is.ResourceVersion != "" && is.UID != uid }).
		WithContext(ctx).WithTimeout(soon).Should(BeTrue(), "it is put back")

	By("a namespace that the organization lets go of")
	further := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "vault-annex", Labels: map[string]string{v1alpha1.LabelOrganization: "vault"}}}
	create(ctx, further)
	binding = &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "vault-annex", Name: organization.MountableBinding}}
	Eventually(func() string { return state(ctx, binding)().ResourceVersion }).WithContext(ctx).WithTimeout(soon).ShouldNot(BeEmpty())
	patch(ctx, further, `{"metadata":{"labels":{"berth.dev/organization":null}}}`)
	Eventually(func() string { return state(ctx, binding)().ResourceVersion }).WithContext(ctx).WithTimeout(soon).Should(BeEmpty())
}

// whatTheManagerMayBind tries, with the manager's rights, what would give it more than it has.
func whatTheManagerMayBind(ctx SpecContext, manager client.Client) {
	who := []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "berth-system", Name: "berth-manager"}}
	role := func(name string) rbacv1.RoleRef {
		return rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name}
	}
	in := metav1.ObjectMeta{Namespace: "default", Name: organization.MountableBinding}
	create(ctx, &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "more"},
		Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"list"}}}})
	for what, o := range map[string]client.Object{
		"another role":    &rbacv1.RoleBinding{ObjectMeta: in, Subjects: who, RoleRef: role("more")},
		"another name":    &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "other"}, Subjects: who, RoleRef: role(organization.MountableRole)},
		"every namespace": &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: organization.MountableBinding}, Subjects: who, RoleRef: role(organization.MountableRole)},
		"a right of others": &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "berth:user:eve"},
			Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: "eve"}}, RoleRef: role("berth-organization-admin")},
		"more than it has": &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: "vault", Name: "berth:user:eve"},
			Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"list"}}}},
		"another's role": &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "vault", Name: "berth:user:eve"},
			Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: "eve"}}, RoleRef: role("cluster-admin")},
		"the role itself": &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: organization.MountableRole}},
	} {
		kind, err := manager.GroupVersionKindFor(o)
		Expect(err).NotTo(HaveOccurred())
		fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
		Expect(err).NotTo(HaveOccurred())
		u := &unstructured.Unstructured{Object: fields}
		u.SetGroupVersionKind(kind)
		Expect(manager.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner("berth-manager"), client.ForceOwnership, client.DryRunAll)).
			To(MatchError(ContainSubstring("forbidden")), what)
	}
	Expect(manager.Get(ctx, client.ObjectKey{Namespace: "default", Name: "any"}, &corev1.Secret{})).To(MatchError(ContainSubstring("forbidden")))
	Expect(manager.Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "any"}})).To(MatchError(ContainSubstring("forbidden")))
	for namespace, able := range map[string]bool{"vault": true, "default": false, "kube-system": false} {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: namespace, Verb: "impersonate", Resource: "serviceaccounts", Name: "berth-workspace"}}}
		Expect(manager.Create(ctx, review)).To(Succeed())
		Expect(review.Status.Allowed).To(Equal(able), "it acts as accounts where organizations are, and nowhere else: %s", namespace)
	}
	Expect(manager.List(ctx, &corev1.SecretList{}, client.InNamespace("vault"))).To(MatchError(ContainSubstring("forbidden")))
}
