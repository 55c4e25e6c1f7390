// SPDX-License-Identifier: Apache-2.0

package workspace_test

import (
	"context"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/testing/given"
)

// brings tells of the Secrets and ConfigMaps that a workspace has: which keys, and whose they are.
func (w *world) brings(ctx context.Context, ws *v1alpha1.Workspace) []string {
	GinkgoHelper()
	var told []string
	own := []client.ListOption{client.InNamespace(ws.Namespace), client.MatchingLabels{v1alpha1.LabelID: id(ws)}}
	var secrets corev1.SecretList
	Expect(env.Client.List(ctx, &secrets, own...)).To(Succeed())
	for _, s := range secrets.Items {
		told = append(told, fmt.Sprintf("  a Secret of %d letters", len(s.Data["password"])))
	}
	var maps corev1.ConfigMapList
	Expect(env.Client.List(ctx, &maps, own...)).To(Succeed())
	for _, m := range maps.Items {
		told = append(told, fmt.Sprintf("  %s owned %v: %v", m.Name, len(m.OwnerReferences) == 1 && m.OwnerReferences[0].UID == ws.UID, m.Data))
	}
	return told
}

// accompanied is a world whose template makes a Secret and an extra object, by an account that may; all writes, the
// account's as well, share the fate.
func accompanied(ctx context.Context, u *unlucky) *world {
	GinkgoHelper()
	w := found(ctx, u)
	w.template = w.newTemplate(ctx, "rich", func(t *v1alpha1.Template) {
		t.Spec.Content = given.Content(func(c *v1alpha1.TemplateContent) {
			c.Secrets = []v1alpha1.GeneratedSecret{{Name: "db", Generate: []string{"password"}}}
			c.ExtraObjects = []v1alpha1.ExtraObject{{ID: "settings", Object: runtime.RawExtension{Raw: []byte(
				`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"${workspace.objectName}-settings"},"data":{"of":"${workspace.name}"}}`)}}}
		})
	})
	create(ctx, &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: w.org, Name: "extra"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get", "create", "patch", "delete"}}}})
	create(ctx, &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: w.org, Name: "extra"},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "extra"},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: w.org, Name: v1alpha1.DefaultServiceAccount}}})
	account := func(namespace, name string) (client.WithWatch, error) {
		config := rest.CopyConfig(env.Config)
		config.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:" + namespace + ":" + name}
		return client.NewWithWatch(config, client.Options{Scheme: env.Scheme, Mapper: env.Client.RESTMapper()})
	}
	w.acts.As = func(namespace, name string) (client.Client, error) {
		c, err := account(namespace, name)
		if err != nil {
			return nil, err
		}
		return u.around(c), nil
	}
	c, err := account(w.org, v1alpha1.DefaultServiceAccount)
	Expect(err).NotTo(HaveOccurred())
	Eventually(func() error { // the kube-apiserver hears of rights a moment later
		return c.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.org, Name: "any"}}, client.DryRunAll)
	}).WithContext(ctx).Should(Succeed())
	return w
}

var _ = Describe("A request that fails once, of a workspace with a Secret and an extra object", func() {
	It("changes nothing of how it ends, whichever request it is", func(ctx SpecContext) {
		calm := luckless(-1, mishaps[0])
		want := accompanied(ctx, calm).life(ctx, calm)
		Expect(want).To(ContainSubstring("\n  a Secret of 32 letters\n  api-settings owned true: map[of:api]\n"))
		for _, m := range mishaps[2:] { // 409 and 429 are refused before they are carried out, as 500 is
			u := luckless(1, m)
			got := accompanied(ctx, u).life(ctx, u)
			Expect(got).To(Equal(want), "%s met %v", m.name, u.met)
		}
	})
})
