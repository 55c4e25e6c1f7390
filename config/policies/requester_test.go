// SPDX-License-Identifier: Apache-2.0

package policies_test

import (
	"context"
	"encoding/json"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/testing/given"
)

// stamps is the folder of the policies that write.
var stamps = filepath.Join("..", "stamps")

// requester is the name that an object carries.
func requester(o client.Object) string { return o.GetAnnotations()[v1alpha1.AnnotationRequester] }

// stamped waits until the kube-apiserver writes down who asks.
func stamped(ctx context.Context) {
	GinkgoHelper()
	Eventually(func() (string, error) { // the kube-apiserver looks every five seconds for kinds that are new
		probe := given.Group("default", "probe")
		err := clients[editor].Create(ctx, probe, client.DryRunAll)
		return requester(probe), err
	}).Should(Equal(editor))
}

// signed is a patch of the annotation alone.
func signed(name any) client.Patch {
	GinkgoHelper()
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]any{v1alpha1.AnnotationRequester: name}}})
	Expect(err).NotTo(HaveOccurred())
	return client.RawPatch(types.MergePatchType, patch)
}

var _ = Describe("who asked for what an object's spec says", func() {
	kinds := map[string]struct {
		make   func(namespace, name string) client.Object
		change string
	}{
		"Organization": {func(_, name string) client.Object { return given.Organization(name) }, `{"description":"changed"}`},
		"User":         {func(_, name string) client.Object { return given.User(name) }, `{"displayName":"changed"}`},
		"Group":        {func(namespace, name string) client.Object { return given.Group(namespace, name) }, `{"displayName":"changed"}`},
		"Template":     {func(namespace, name string) client.Object { return given.Template(namespace, name) }, `{"description":"changed"}`},
		"Workspace": {func(namespace, name string) client.Object { return given.Workspace(namespace, name, "ada", "plain") },
			`{"state":"Stopped"}`},
	}
	for kind, k := range kinds {
		It("is written on a "+kind+" when it is made and when its spec changes, and then alone", func(ctx SpecContext) {
			namespace := home(ctx)
			o := k.make(namespace, "by-"+namespace)
			Expect(clients[master].Create(ctx, o)).To(Succeed())
			Expect(requester(o)).To(Equal(master))

			By("the manager's first write")
			Expect(clients[manager].Patch(ctx, o, mergeID(string(o.GetUID())))).To(Succeed())
			Expect(requester(o)).To(Equal(master))

			By("a label of another's")
			Expect(clients[admin].Patch(ctx, o, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"x":"y"}}}`)))).To(Succeed())
			Expect(requester(o)).To(Equal(master))

			By("another's change")
			Expect(clients[admin].Patch(ctx, o, spec(k.change))).To(Succeed())
			Expect(requester(o)).To(Equal(admin))
			before := o.GetResourceVersion()
			Expect(clients[master].Patch(ctx, o, spec(k.change))).To(Succeed())
			Expect(requester(o)).To(Equal(admin))
			Expect(o.GetResourceVersion()).To(Equal(before), "what changes nothing writes nothing")
		})

		It("can't be forged or taken off on a "+kind, func(ctx SpecContext) {
			namespace := home(ctx)
			o := k.make(namespace, "by-"+namespace)
			o.SetAnnotations(map[string]string{v1alpha1.AnnotationRequester: "somebody", "other": "stays"})
			Expect(clients[master].Create(ctx, o)).To(Succeed())
			Expect(o.GetAnnotations()).To(Equal(map[string]string{v1alpha1.AnnotationRequester: master, "other": "stays"}))
			for _, name := range []any{"somebody", admin, nil} {
				Expect(clients[admin].Patch(ctx, o, signed(name))).To(Succeed())
				Expect(requester(o)).To(Equal(master))
			}
			o.SetAnnotations(map[string]string{v1alpha1.AnnotationRequester: "somebody"})
			Expect(clients[admin].Update(ctx, o)).To(Succeed())
			Expect(requester(o)).To(Equal(master))

			By("a change together with another's name, or with the id that the manager would set")
			Expect(clients[admin].Patch(ctx, o, client.RawPatch(types.MergePatchType,
				[]byte(`{"metadata":{"annotations":{"berth.dev/requester":"somebody"}},"spec":`+k.change+`}`)))).To(Succeed())
			Expect(requester(o)).To(Equal(admin))
		})
	}

	It("is that of whoever sets an id together with a wish before the manager does", func(ctx SpecContext) {
		ws := given.Workspace(home(ctx), "api", "ada", "plain")
		Expect(clients[master].Create(ctx, ws)).To(Succeed())
		Expect(clients[editor].Patch(ctx, ws, spec(`{"id":"`+string(ws.UID)+`","state":"Stopped"}`))).To(Succeed())
		Expect(requester(ws)).To(Equal(editor))
	})

	It("comes along with what is restored", func(ctx SpecContext) {
		ws := given.Workspace(home(ctx), "api", "ada", "plain", func(w *v1alpha1.Workspace) { w.Spec.ID = foreign })
		ws.Annotations = map[string]string{v1alpha1.AnnotationRequester: "oidc:ada"}
		Expect(clients[editor].Create(ctx, ws.DeepCopy())).To(refused("verb restore"))
		Expect(clients[admin].Create(ctx, ws)).To(Succeed())
		Expect(requester(ws)).To(Equal("oidc:ada"))
	})

	It("does not make a manifest that is applied again and again write anything", func(ctx SpecContext) {
		namespace := home(ctx)
		manifest := func(annotations map[string]any) *unstructured.Unstructured {
			return &unstructured.Unstructured{Object: map[string]any{
				"apiVersion": v1alpha1.GroupVersion.String(), "kind": "Workspace",
				"metadata": map[string]any{"namespace": namespace, "name": "api", "annotations": annotations},
				"spec":     map[string]any{"owner": map[string]any{"user": "ada"}, "templateRef": map[string]any{"name": "plain"}},
			}}
		}
		apply := func(who string, u *unstructured.Unstructured) *v1alpha1.Workspace {
			GinkgoHelper()
			Expect(clients[who].Apply(ctx, client.ApplyConfigurationFromUnstructured(u.DeepCopy()), client.FieldOwner("tool"), client.ForceOwnership)).To(Succeed())
			ws := &v1alpha1.Workspace{}
			Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(u), ws)).To(Succeed())
			return ws
		}
		plain := manifest(map[string]any{}) // a patch can't add to what is left out as it is empty
		Expect(requester(apply(editor, plain))).To(Equal(editor))
		first := apply(editor, plain) // the kube-apiserver stores once more what an apply has made
		Expect(requester(first)).To(Equal(editor))
		Expect(apply(editor, plain).ResourceVersion).To(Equal(first.ResourceVersion))
		Expect(apply(admin, plain).ResourceVersion).To(Equal(first.ResourceVersion))

		By("also one that was exported with somebody's name in it")
		exported := manifest(map[string]any{v1alpha1.AnnotationRequester: "somebody"})
		held := apply(admin, exported)
		Expect(requester(held)).To(Equal(editor))
		Expect(apply(admin, exported).ResourceVersion).To(Equal(held.ResourceVersion))
	})

	It("is none with whom an object claims to be made through the API, unless its writer may act for them", func(ctx SpecContext) {
		namespace := home(ctx)
		made := func(name string) *v1alpha1.Template {
			return given.Template(namespace, "go-dev", func(t *v1alpha1.Template) {
				t.Annotations = map[string]string{v1alpha1.AnnotationCreatedBy: name}
			})
		}
		version := given.TemplateVersion(namespace, "go-dev-1", "go-dev")
		version.Annotations = map[string]string{v1alpha1.AnnotationCreatedBy: "ada"}
		Expect(clients[manager].Create(ctx, version, client.DryRunAll)).To(allowed(), "it names who asked for the template's content")
		Expect(clients[apiserver].Create(ctx, made("ada"), client.DryRunAll)).To(allowed())
		Expect(clients[admin].Create(ctx, made("ada"), client.DryRunAll)).To(allowed())
		Expect(clients[author].Create(ctx, made("ada"))).To(refused("berth.dev/created-by", "verb own"))
		t := made("")
		Expect(clients[author].Create(ctx, t)).To(allowed())
		claims := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"berth.dev/created-by":"ada"}}}`))
		Expect(clients[author].Patch(ctx, t, claims)).To(refused("verb own"))
		Expect(env.Client.Patch(ctx, t, claims)).To(Succeed())
		Expect(clients[author].Patch(ctx, t, spec(`{"description":"changed"}`))).To(allowed(), "what stands there stays")
	})

	It("is nobody else's to claim where the cluster does not write it", Serial, func(ctx SpecContext) {
		binding := &admissionregistrationv1.MutatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: "berth-requester"}}
		Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(binding), binding)).To(Succeed())
		Expect(env.Client.Delete(ctx, binding.DeepCopy())).To(Succeed())
		DeferCleanup(func(ctx SpecContext) {
			binding.ResourceVersion = ""
			Expect(env.Client.Create(ctx, binding)).To(Succeed())
			stamped(ctx)
		})
		namespace := home(ctx)
		Eventually(func() string {
			probe := given.Group(namespace, "probe")
			Expect(clients[editor].Create(ctx, probe, client.DryRunAll)).To(Succeed())
			return requester(probe)
		}).Should(BeEmpty())

		g := given.Group(namespace, "dev")
		g.Annotations = map[string]string{v1alpha1.AnnotationRequester: "somebody"}
		Expect(clients[editor].Create(ctx, g.DeepCopy())).To(refused("berth.dev/requester", "leave the line out"))
		g.Annotations[v1alpha1.AnnotationRequester] = editor
		Expect(clients[editor].Create(ctx, g)).To(allowed())
		Expect(clients[admin].Patch(ctx, g, spec(`{"displayName":"changed"}`))).To(allowed())
		Expect(clients[admin].Patch(ctx, g, signed("somebody"))).To(refused("berth.dev/requester"))
		Expect(clients[admin].Patch(ctx, g, signed(nil))).To(allowed())
	})
})
