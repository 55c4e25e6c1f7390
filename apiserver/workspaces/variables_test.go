// SPDX-License-Identifier: Apache-2.0

package workspaces_test

import (
	"encoding/json"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/internal/render"
)

var _ = Describe("Variables", func() {
	const declared = "image: ${variables.image}\nvariables:\n- {name: image, type: string}\n- {name: size, type: integer, default: 3}\n" +
		"- {name: token, type: string, sensitive: true, description: for the registry}\n" +
		"env: [{name: TOKEN, valueFrom: {secretKeyRef: {name: '${variables.token.name}', key: '${variables.token.key}'}}}]\n"
	given := func(pairs ...string) func(*codersdk.CreateTemplateVersionRequest) {
		return func(in *codersdk.CreateTemplateVersionRequest) {
			for i := 0; i < len(pairs); i += 2 {
				in.UserVariableValues = append(in.UserVariableValues, codersdk.VariableValue{Name: pairs[i], Value: pairs[i+1]})
			}
		}
	}

	It("without a value fail the job with a code that clients know", func(ctx SpecContext) {
		w := newWorld(ctx)
		failed := w.check(ctx, w.push(ctx, w.admin, tarred("template.yaml", declared), given("image", "a")).ID)
		Expect(failed.Job.ErrorCode).To(Equal(codersdk.RequiredTemplateVariables))
		Expect(failed.Job.Error).To(ContainSubstring("token"))
		Expect(as[[]codersdk.TemplateVersionVariable](ctx, 200, w.admin, "GET", "templateversions/"+failed.ID.String()+"/variables", nil)).To(Equal([]codersdk.TemplateVersionVariable{
			{Name: "image", Type: "string", Value: "a", Required: true},
			{Name: "size", Type: "number", Value: "3", DefaultValue: "3"},
			{Name: "token", Description: "for the registry", Type: "string", Required: true, Sensitive: true},
		}))
	})

	It("V 51: that are sensitive stand in a Secret, and nowhere else", func(ctx SpecContext) {
		const canary = "canary-e01b"
		w := newWorld(ctx)
		v := w.push(ctx, w.admin, tarred("template.yaml", declared), given("image", "a", "token", canary, "unknown", canary))
		object := w.stored(ctx, v.ID)
		ref := object.Spec.Content.Variables[2].ValueFrom.SecretKeyRef
		secret := &corev1.Secret{}
		Expect(env.Client.Get(ctx, client.ObjectKey{Namespace: w.organization, Name: string(ref.Name)}, secret)).To(Succeed())
		Expect(string(secret.Data[ref.Key])).To(Equal(canary))
		Expect(secret.Labels).To(HaveKeyWithValue(render.LabelMountable, "true"))
		Expect(secret.OwnerReferences).To(ConsistOf(HaveField("UID", object.UID)), "it goes with its version")

		Expect(w.check(ctx, v.ID).Job.Status).To(Equal(codersdk.ProvisionerJobSucceeded))
		text, err := json.Marshal(w.stored(ctx, v.ID))
		Expect(err).NotTo(HaveOccurred())
		Expect(string(text)).NotTo(ContainSubstring(canary))
		path := "templateversions/" + v.ID.String()
		for _, rest := range []string{"", "/variables", "/logs", "/resources", "/rich-parameters", "/external-auth"} {
			for _, user := range []string{w.admin, w.owner} {
				a := ask(ctx, user, "GET", path+rest, nil)
				Expect(a.status).To(Equal(200), rest)
				Expect(string(a.body)).NotTo(ContainSubstring(canary), rest)
			}
		}
		shown := as[[]codersdk.TemplateVersionVariable](ctx, 200, w.admin, "GET", path+"/variables", nil)
		Expect(shown[2].Value).To(Equal("*redacted*"))
		logs := ask(ctx, w.admin, "GET", path+"/logs", nil)
		Expect(string(logs.body)).To(ContainSubstring(`there is no variable`), "a name that is not declared is told")
	})

	It("are refused where they are of another type, without a word of the value", func(ctx SpecContext) {
		w := newWorld(ctx)
		file := upload(ctx, w.admin, tarred("template.yaml", declared))
		r := refused(ctx, 400, w.admin, "POST", w.versions(), pushed(file, given("size", "canary-big")), "user_variable_values")
		text, err := json.Marshal(r)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(text)).NotTo(ContainSubstring("canary"))
		refused(ctx, 400, w.admin, "POST", w.versions(), pushed(file, given("image", "a", "image", "b")), "user_variable_values")
	})
})
