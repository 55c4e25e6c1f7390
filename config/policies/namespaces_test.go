// SPDX-License-Identifier: Apache-2.0

package policies_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/testing/given"
)

// enforce is the Pod Security label that lets pods in or not.
const enforce = "pod-security.kubernetes.io/enforce"

// labels is a merge patch of labels; null removes one.
func labels(json string) client.Patch {
	return client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":`+json+`}}`))
}

var _ = Describe("a namespace's labels", func() {
	var ours, plain *corev1.Namespace

	BeforeEach(func(ctx SpecContext) {
		ours = &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: home(ctx)}}
		Expect(env.Client.Patch(ctx, ours, labels(`{"`+enforce+`": "restricted"}`))).To(Succeed())
		plain = &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "plain-"}}
		Expect(env.Client.Create(ctx, plain)).To(Succeed())
	})

	It("V40 of organization and owner are not everybody's", func(ctx SpecContext) {
		for _, patch := range []string{
			`{"berth.dev/organization": "` + ours.Name + `"}`, `{"berth.dev/owner": "ada"}`,
		} {
			Expect(clients[editor].Patch(ctx, plain, labels(patch))).To(refused("metadata.labels", "escalate"), patch)
			Expect(clients[editor].Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
				GenerateName: "new-", Labels: map[string]string{v1alpha1.LabelOrganization: ours.Name}}})).To(refused("metadata.labels"))
		}
		for _, patch := range []string{
			`{"berth.dev/organization": null}`, `{"berth.dev/organization": "other"}`, `{"berth.dev/owner": "ada"}`,
		} {
			Expect(clients[editor].Patch(ctx, ours, labels(patch))).To(refused("metadata.labels", "organizations.berth.dev"), patch)
		}
		By("letting other labels through")
		Expect(clients[editor].Patch(ctx, ours, labels(`{"team": "a"}`))).To(allowed())
		Expect(clients[editor].Patch(ctx, plain, labels(`{"team": "a"}`))).To(allowed())
	})

	It("V40 are guarded on the subresources as well", func(ctx SpecContext) {
		Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(plain), plain)).To(Succeed())
		for _, sub := range []string{"status", "finalize"} {
			changed := plain.DeepCopy()
			changed.Labels[v1alpha1.LabelOrganization] = ours.Name
			Expect(clients[editor].SubResource(sub).Update(ctx, changed)).To(refused("metadata.labels"), sub)
		}
	})

	It("V40 of Pod Security are guarded where workspaces run, and nowhere else", func(ctx SpecContext) {
		for _, patch := range []string{
			`{"` + enforce + `": "privileged"}`, `{"` + enforce + `": null}`, `{"` + enforce + `-version": "v1.0"}`,
		} {
			Expect(clients[editor].Patch(ctx, ours, labels(patch))).To(refused(enforce, ours.Name), patch)
		}
		Expect(clients[editor].Patch(ctx, plain, labels(`{"`+enforce+`": "privileged"}`))).To(allowed())
	})

	It("are the administrators' and the manager's", func(ctx SpecContext) {
		for _, who := range []string{admin, master, manager} {
			Expect(clients[who].Patch(ctx, plain, labels(`{"berth.dev/organization": "`+ours.Name+`"}`))).To(allowed(), who)
			Expect(clients[who].Patch(ctx, plain, labels(`{"berth.dev/owner": "ada", "`+enforce+`": "baseline"}`))).To(allowed(), who)
			Expect(clients[who].Patch(ctx, plain, labels(
				`{"berth.dev/organization": null, "berth.dev/owner": null, "`+enforce+`": null}`))).To(allowed(), who)
		}
	})

	It("may be given to an organization by who may escalate it alone", func(ctx SpecContext) {
		who := "dev:steward-" + ours.Name
		clients[who] = impersonate(who)
		grant(ctx, who, who,
			rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"patch"}},
			rbacv1.PolicyRule{APIGroups: []string{"berth.dev"}, Resources: []string{"organizations"}, Verbs: []string{"escalate"},
				ResourceNames: []string{ours.Name}})
		Eventually(func() error {
			return clients[who].Patch(ctx, plain, labels(`{"berth.dev/organization": "`+ours.Name+`"}`))
		}).Should(allowed())
		By("not taking one from another organization, or giving one to it")
		other := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: home(ctx)}}
		Expect(clients[who].Patch(ctx, other, labels(`{"berth.dev/organization": "`+ours.Name+`"}`))).To(refused("metadata.labels"))
		Expect(clients[who].Patch(ctx, plain, labels(`{"berth.dev/organization": "`+other.Name+`"}`))).To(refused("metadata.labels"))
		Expect(clients[who].Patch(ctx, ours, labels(`{"berth.dev/organization": null}`))).To(allowed())
	})

	It("do not keep a namespace from going", func(ctx SpecContext) {
		Expect(clients[editor].Delete(ctx, ours)).To(allowed())
		Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(ours), ours)).To(Succeed())
		ours.Spec.Finalizers = nil
		Expect(clients[janitor].SubResource("finalize").Update(ctx, ours)).To(allowed())
	})
})

var _ = Describe("an Organization", func() {
	It("V40 takes over a namespace, so making one needs more than the right to", func(ctx SpecContext) {
		Expect(clients[editor].Create(ctx, given.Organization("kube-public"))).To(
			refused("metadata.name", "organizations.berth.dev", "berth-admin"))
		for _, who := range []string{admin, master} {
			object := given.Organization("made-by-" + who[len("dev:"):])
			Expect(clients[who].Create(ctx, object)).To(allowed(), who)
			Expect(clients[editor].Delete(ctx, object)).To(allowed())
		}
		// Which asks its own rules first, and takes no name of a namespace that stands.
		Expect(clients[apiserver].Create(ctx, given.Organization("made-by-api"), client.DryRunAll)).To(allowed())
	})

	It("V40 keeps its Pod Security level and service account from editors", func(ctx SpecContext) {
		object := given.Organization(home(ctx))
		for field, value := range map[string]string{"podSecurity": "privileged", "serviceAccountName": "deployer"} {
			patch := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"`+field+`":"`+value+`"}}`))
			Expect(clients[editor].Patch(ctx, object, patch)).To(refused("spec." + field))
			Expect(clients[admin].Patch(ctx, object, patch)).To(allowed())
		}
		Expect(clients[editor].Patch(ctx, object, client.RawPatch(types.MergePatchType,
			[]byte(`{"spec":{"displayName":"A team"}}`)))).To(allowed())
	})
})
