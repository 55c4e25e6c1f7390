// SPDX-License-Identifier: Apache-2.0

package workspaces_test

import (
	"context"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/testing/given"
)

var _ = Describe("The catalogue", func() {
	names := func(ctx context.Context, user, path string) []string {
		GinkgoHelper()
		found := []string{}
		for _, t := range as[[]codersdk.Template](ctx, 200, user, "GET", path, nil) {
			found = append(found, t.Name)
		}
		return found
	}

	It("shows people the templates they may use, and none without a good version", func(ctx SpecContext) {
		w := newWorld(ctx)
		path := "organizations/" + w.organization + "/templates"
		Expect(names(ctx, w.ada, path)).To(Equal([]string{"go-dev"}))
		Expect(names(ctx, w.grace, path)).To(Equal([]string{"go-dev", "secret"}))
		Expect(names(ctx, w.owner, path)).To(Equal([]string{"go-dev", "secret"}))
		Expect(names(ctx, w.ada, path+"?deprecated=false")).To(Equal([]string{"go-dev"}))
		Expect(names(ctx, w.ada, path+"?deprecated=true")).To(BeEmpty())
		refused(ctx, 400, w.ada, "GET", path+"?deprecated=perhaps", nil, "deprecated")
		refused(ctx, 404, w.eve, "GET", path, nil)
		refused(ctx, 404, w.ada, "GET", path+"/broken", nil)
		refused(ctx, 404, w.owner, "GET", "templates/"+ids.Of(w.broken).String(), nil)
	})

	It("finds one by id and by its organization and name, whatever the capitals", func(ctx SpecContext) {
		w := newWorld(ctx)
		org := &v1alpha1.Organization{}
		Expect(env.Client.Get(ctx, keyOf("", w.organization), org)).To(Succeed())
		byID := as[codersdk.Template](ctx, 200, w.ada, "GET", "templates/"+ids.Of(w.goDev).String(), nil)
		Expect(byID.ActiveVersionID).To(Equal(ids.Of(w.version)))
		Expect(byID.OrganizationID).To(Equal(ids.Of(org)))
		for _, o := range []string{w.organization, ids.Of(org).String()} {
			Expect(as[codersdk.Template](ctx, 200, w.ada, "GET", "organizations/"+o+"/templates/GO-dev", nil)).To(Equal(byID))
		}
		refused(ctx, 400, w.ada, "GET", "templates/no-uuid", nil)
	})

	It("lists a template's versions page by page, oldest first", func(ctx SpecContext) {
		w := newWorld(ctx)
		for i := range 3 {
			w.addVersion(ctx, w.goDev, fmt.Sprintf("go-dev-%d", i+2), parametrised, v1alpha1.JobFailed)
		}
		path := "templates/" + ids.Of(w.goDev).String() + "/versions"
		all := as[[]codersdk.TemplateVersion](ctx, 200, w.ada, "GET", path, nil)
		Expect(all).To(HaveLen(4))
		var paged []codersdk.TemplateVersion
		after := ""
		for len(paged) < 4 {
			page := as[[]codersdk.TemplateVersion](ctx, 200, w.ada, "GET", path+"?limit=1"+after, nil)
			Expect(page).To(HaveLen(1))
			paged = append(paged, page[0])
			after = "&after_id=" + page[0].ID.String()
		}
		Expect(paged).To(Equal(all))
		Expect(as[codersdk.TemplateVersion](ctx, 200, w.ada, "GET", "templateversions/"+all[0].ID.String(), nil)).To(Equal(all[0]))
	})

	It("shows a version's parameters", func(ctx SpecContext) {
		w := newWorld(ctx)
		parameters := as[[]codersdk.TemplateVersionParameter](ctx, 200, w.ada, "GET", "templateversions/"+ids.Of(w.version).String()+"/rich-parameters", nil)
		Expect(parameters).To(HaveLen(3))
		Expect(parameters[0]).To(Equal(codersdk.TemplateVersionParameter{
			Name: "cpu", Type: "number", Mutable: true, DefaultValue: "2", ValidationMin: new(int64(1)), ValidationMax: new(int64(8)),
			Options: []codersdk.TemplateVersionParameterOption{},
		}))
		Expect(parameters[2].Type).To(Equal(codersdk.ParameterTypeBool))
		Expect(parameters[2].Ephemeral).To(BeTrue())
	})

	It("hides a younger template of a taken name or id", func(ctx SpecContext) {
		w := newWorld(ctx)
		for name, reason := range map[string]string{"copied-name": v1alpha1.ReasonNameTaken, "copied-id": v1alpha1.ReasonIDTaken} {
			younger := given.Template(w.organization, name, func(t *v1alpha1.Template) {
				t.Spec.Access = w.goDev.Spec.Access
				if reason == v1alpha1.ReasonNameTaken {
					t.Spec.Name = "Go-Dev"
				} else {
					t.Spec.ID = v1alpha1.ID(ids.Of(w.goDev).String())
				}
			})
			create(ctx, younger)
			younger.Status.ActiveVersion = w.goDev.Status.ActiveVersion
			younger.Status.Conditions = []metav1.Condition{{
				Type: v1alpha1.ConditionStalled, Status: metav1.ConditionTrue, Reason: reason, LastTransitionTime: metav1.Now(),
			}}
			Expect(env.Client.Status().Update(ctx, younger)).To(Succeed())
			seen(ctx, younger)
		}
		Expect(names(ctx, w.ada, "organizations/"+w.organization+"/templates")).To(Equal([]string{"go-dev"}))
		Expect(as[codersdk.Template](ctx, 200, w.ada, "GET", "templates/"+ids.Of(w.goDev).String(), nil).Name).To(Equal("go-dev"))
	})
})
