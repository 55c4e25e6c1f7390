// SPDX-License-Identifier: Apache-2.0

package workspacebuild_test

import (
	"context"
	"errors"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/berth-dev/berth/api/v1alpha1"
	. "github.com/berth-dev/berth/internal/testing/cluster"
)

func podOf(text string) *runtime.RawExtension { return &runtime.RawExtension{Raw: []byte(text)} }

// starving has a pass end where the pod would be made, as when the process dies there; well ends that.
func (b *bench) starving(ctx context.Context, build *v1alpha1.WorkspaceBuild) {
	GinkgoHelper()
	b.Reconciler.Client = interceptor.NewClient(b.Journal, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if _, ok := o.(*corev1.Pod); ok {
				return errors.New("the process died")
			}
			return c.Create(ctx, o, opts...)
		},
	})
	_, err := b.Reconcile(ctx, requestOf(build))
	Expect(err).To(MatchError(ContainSubstring("the process died")))
}

func (b *bench) well() { b.Reconciler.Client = b.Journal }

// extra is a content with extra objects, by id.
func extra(objects map[string]string, change ...func(*v1alpha1.ExtraObject)) func(*v1alpha1.TemplateContent) {
	return func(c *v1alpha1.TemplateContent) {
		for id, text := range objects {
			x := v1alpha1.ExtraObject{ID: id, Object: *podOf(text)}
			for _, f := range change {
				f(&x)
			}
			c.ExtraObjects = append(c.ExtraObjects, x)
		}
	}
}

const settings = `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"${workspace.objectName}-settings","labels":{"a":"b"}},"data":{"owner":"${owner.name}"}}`

// lets gives the workspaces' account rights to ConfigMaps, as whoever runs the organization would.
func (b *bench) lets(ctx context.Context, verbs ...string) {
	GinkgoHelper()
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: b.org, Name: "extra"},
		Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: verbs}}}
	create(ctx, role, &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: b.org, Name: "extra"},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "extra"},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: b.org, Name: "berth-workspace"}}})
}

func (b *bench) configMap(ctx context.Context, name string) *corev1.ConfigMap {
	GinkgoHelper()
	c := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: b.org, Name: name}}
	if !read(ctx, c) {
		return nil
	}
	return c
}

var _ = Describe("extra objects", func() {
	It("V41: need the rights of the organization's account, and the message says which", func(ctx SpecContext) {
		b := set(ctx, extra(map[string]string{"settings": settings}))
		build := b.starts(ctx)
		Expect(build).To(HaveCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonObjectRefused))
		Expect(Message(build, v1alpha1.ConditionReady)).To(And(
			ContainSubstring("extra object ConfigMap api-settings"), ContainSubstring("system:serviceaccount:"+b.org+":berth-workspace"),
			ContainSubstring("with get, create, patch and delete for configmaps")))
		Expect(b.pods(ctx)).To(BeEmpty())
		Expect(b.configMap(ctx, "api-settings")).To(BeNil(), "the manager's own rights would have made it")

		By("somebody who gives them")
		b.lets(ctx, "get", "create", "patch", "delete")
		Eventually(func(g Gomega) { // the authorizer reads roles from a cache of its own
			_, err := b.Reconcile(ctx, requestOf(build))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(b.configMap(ctx, "api-settings")).NotTo(BeNil())
		}).WithContext(ctx).Should(Succeed())
		b.settle(ctx, build)
		made := b.configMap(ctx, "api-settings")
		Expect(made.Data).To(HaveKeyWithValue("owner", b.user))
		Expect(made.Labels).To(And(HaveKeyWithValue("a", "b"), HaveKeyWithValue(v1alpha1.LabelManagedBy, v1alpha1.ManagedBy), HaveKeyWithValue(v1alpha1.LabelID, string(b.workspace.UID))))
		Expect(made.OwnerReferences).To(ConsistOf(HaveField("UID", b.workspace.UID)), "it goes with the workspace")
		Expect(build.Status.Resources).To(ContainElement(And(HaveField("Kind", "ConfigMap"), HaveField("Name", "settings"), HaveField("ObjectName", BeEquivalentTo("api-settings")))))
		ready(ctx, b.pod(ctx))
		b.settle(ctx, build)
		Expect(build).To(BeReady())
		Expect(b.configMap(ctx, "api-settings").ResourceVersion).To(Equal(made.ResourceVersion))
	})

	It("change with the version, and go with the start that has them no more unless they are kept", func(ctx SpecContext) {
		keep := func(x *v1alpha1.ExtraObject) { x.Keep = true }
		kept := `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"${workspace.objectName}-kept"}}`
		b := set(ctx, extra(map[string]string{"settings": settings}), extra(map[string]string{"kept": kept}, keep))
		b.lets(ctx, "get", "create", "patch", "delete")
		build := b.accepts(ctx, b.build(ctx, 1, v1alpha1.TransitionStart))
		Eventually(func(g Gomega) {
			_, err := b.Reconcile(ctx, requestOf(build))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(b.pods(ctx)).To(HaveLen(1))
		}).WithContext(ctx).Should(Succeed())
		b.settle(ctx, build)
		first := b.configMap(ctx, "api-settings")
		Expect(b.configMap(ctx, "api-kept").OwnerReferences).To(BeEmpty())

		changed := `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"${workspace.objectName}-settings"},"data":{"owner":"x"}}`
		b.moves(ctx, 2, extra(map[string]string{"settings": changed}), extra(map[string]string{"kept": kept}, keep))
		second := b.configMap(ctx, "api-settings")
		Expect(second.UID).To(Equal(first.UID))
		Expect(second.Data).To(Equal(map[string]string{"owner": "x"}))
		Expect(second.Labels).NotTo(HaveKey("a"), "what the version has no more is taken off")

		b.moves(ctx, 3)
		Expect(b.configMap(ctx, "api-settings")).To(BeNil())
		Expect(b.configMap(ctx, "api-kept")).NotTo(BeNil())
	})

	It("V43: never take over an object that is not the workspace's", func(ctx SpecContext) {
		b := set(ctx, extra(map[string]string{"settings": settings}))
		b.lets(ctx, "get", "create", "patch", "delete")
		create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: b.org, Name: "api-settings"}, Data: map[string]string{"owner": "theirs"}})
		build := b.accepts(ctx, b.build(ctx, 1, v1alpha1.TransitionStart))
		Eventually(func(g Gomega) {
			_, err := b.Reconcile(ctx, requestOf(build))
			g.Expect(err).NotTo(HaveOccurred())
			read(ctx, build)
			g.Expect(Message(build, v1alpha1.ConditionReady)).To(ContainSubstring("stands in the way: it is not this workspace's"))
		}).WithContext(ctx).Should(Succeed())
		Expect(b.configMap(ctx, "api-settings").Data).To(Equal(map[string]string{"owner": "theirs"}))
		Expect(b.pods(ctx)).To(BeEmpty())
	})
})
