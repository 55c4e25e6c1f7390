// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/render"
)

const withSecret = "secrets: [{name: db, generate: [password, admin]}]\n"

func TestSecretsOfTheContent(t *testing.T) {
	w := rendered(t, django, nil)
	if len(w.Secrets) != 1 || len(w.References) != 0 {
		t.Fatalf("secrets %+v, references %+v", w.Secrets, w.References)
	}
	made := w.Secrets[0]
	if made.Secret != "db" || !strings.HasPrefix(made.Name, "sample-db-") || !cmp.Equal(made.Keys, []string{"password"}) {
		t.Errorf("secret %+v", made)
	}
	got := w.Pod.Spec.Containers[1].Env[0].ValueFrom.SecretKeyRef
	if got.Name != made.Name || got.Key != "password" {
		t.Errorf("the sidecar reads %+v, want key password of %s", got, made.Name)
	}

	w = rendered(t, withSecret+podSpec(`
volumes: [{name: s, secret: {secretName: "${secrets.db.name}"}}, {name: p, projected: {sources: [{secret: {name: "${ secrets.db.name }"}}]}}]
initContainers: [{name: i, image: x, envFrom: [{secretRef: {name: "${secrets.db.name}"}}], env: [{name: X, valueFrom: {secretKeyRef: {name: "${secrets.db.name}", key: admin}}}]}]`), nil)
	name, spec := w.Secrets[0].Name, w.Pod.Spec
	author := spec.InitContainers[len(spec.InitContainers)-1]
	for where, got := range map[string]string{
		"volume": spec.Volumes[0].Secret.SecretName, "projection": spec.Volumes[1].Projected.Sources[0].Secret.Name,
		"envFrom": author.EnvFrom[0].SecretRef.Name, "env": author.Env[0].ValueFrom.SecretKeyRef.Name,
	} {
		if got != name {
			t.Errorf("%s names %q, want %q", where, got, name)
		}
	}
	if len(w.References) > 0 {
		t.Errorf("what is the workspace's own needs nobody's leave: %+v", w.References)
	}
}

// The name never changes while the workspace is the same, and no two workspaces share one.
func TestSecretNames(t *testing.T) {
	of := func(name, id string) *v1alpha1.Workspace {
		w := &v1alpha1.Workspace{}
		w.Name, w.Spec.ID = name, v1alpha1.ID(id)
		return w
	}
	if got := render.SecretName(of("api", "a"), "db"); got != render.SecretName(of("api", "a"), "db") || !strings.HasPrefix(got, "api-db-") {
		t.Errorf("name %q", got)
	}
	seen := map[string]bool{}
	for _, name := range []string{
		render.SecretName(of("api", "a"), "db"), render.SecretName(of("api", "b"), "db"), render.SecretName(of("api-db", "a"), "x"),
		render.SecretName(of("api", "a"), "dbx"), render.ClaimName(of("api", "a"), "db"),
	} {
		if seen[name] {
			t.Errorf("%s twice", name)
		}
		seen[name] = true
	}
}

// A variable in a Secret is for a secretKeyRef alone.
func TestVariablesInSecrets(t *testing.T) {
	w := rendered(t, image(`env: [{name: L, valueFrom: {secretKeyRef: {name: "${variables.licence.name}", key: "${variables.licence.key}"}}}]`), nil)
	if got := w.Pod.Spec.Containers[0].Env; got[len(got)-1].ValueFrom.SecretKeyRef.Name != "licence" || got[len(got)-1].ValueFrom.SecretKeyRef.Key != "key" {
		t.Errorf("env %+v", got)
	}
	want := []render.Reference{{Kind: "Secret", Name: "licence", Path: "spec.content.podTemplate.spec.containers[0].env[0].valueFrom.secretKeyRef.name"}}
	w = rendered(t, pod(`env: [{name: L, valueFrom: {secretKeyRef: {name: "${variables.licence.name}", key: "${variables.licence.key}"}}}]`), nil)
	if diff := cmp.Diff(want, w.References); diff != "" {
		t.Errorf("it is the team's own Secret, and must be open to templates (-want +got):\n%s", diff)
	}
}

func TestSecretsWhereNoneIsNamed(t *testing.T) {
	const container = "spec.content.podTemplate.spec.containers[0]"
	const alone = `holds an expression, and must not: the template's author alone decides which objects a pod reads; the one that may stand here, alone, is `
	for name, test := range map[string]struct {
		content string
		want    render.Problem
	}{
		"in a value": {image(withSecret + `env: [{name: X, value: "${secrets.db.name}"}]`), render.Problem{Path: "spec.content.env[0].value",
			Message: `a Secret of the content cannot be named here, in "${secrets.db.name}"; ${secrets.NAME.name} stands alone where Kubernetes wants a Secret's name: in secretKeyRef, secretRef or a secret volume`,
			Reason:  v1alpha1.ReasonExpressionInvalid}},
		"misspelt": {withSecret + pod(`env: [{name: X, valueFrom: {secretKeyRef: {name: "${secrets.dbb.name}", key: password}}}]`), render.Problem{
			Path: container + ".env[0].valueFrom.secretKeyRef.name", Message: `no secret "dbb" in "${secrets.dbb.name}"; did you mean "db"?`, Reason: v1alpha1.ReasonExpressionInvalid}},
		"part of a name": {withSecret + pod(`env: [{name: X, valueFrom: {secretKeyRef: {name: "${secrets.db.name}-x", key: password}}}]`), render.Problem{
			Path: container + ".env[0].valueFrom.secretKeyRef.name", Message: alone + "${secrets.NAME.name} or ${variables.NAME.name}", Reason: v1alpha1.ReasonNotAllowed}},
		"a key by choice": {withSecret + pod(`env: [{name: X, valueFrom: {secretKeyRef: {name: "${secrets.db.name}", key: "${parameters.repo}"}}}]`), render.Problem{
			Path: container + ".env[0].valueFrom.secretKeyRef.key", Message: alone + "${variables.NAME.key}", Reason: v1alpha1.ReasonNotAllowed}},
		"a variable in the open": {pod(`env: [{name: X, valueFrom: {secretKeyRef: {name: "${variables.region.name}", key: x}}}]`), render.Problem{
			Path: container + ".env[0].valueFrom.secretKeyRef.name", Message: `no variable "region" with valueFrom in "${variables.region.name}"`, Reason: v1alpha1.ReasonExpressionInvalid}},
		"a ConfigMap": {image(withSecret + `env: [{name: X, valueFrom: {configMapKeyRef: {name: "${secrets.db.name}", key: x}}}]`), render.Problem{
			Path: "spec.content.env[0].valueFrom.configMapKeyRef", Message: `holds an expression, and must not: the template's author alone decides which objects a pod reads`, Reason: v1alpha1.ReasonNotAllowed}},
		"a pull secret": {withSecret + podSpec(`imagePullSecrets: [{name: "${secrets.db.name}"}]`), render.Problem{
			Path: "spec.content.podTemplate.spec.imagePullSecrets[0].name", Message: `holds an expression, and must not: the template's author alone decides which objects a pod reads`, Reason: v1alpha1.ReasonNotAllowed}},
		"a variable of a variable": {"image: x\nvariables: [{name: a, type: string, valueFrom: {secretKeyRef: {name: \"${secrets.db.name}\", key: k}}}]\n" + withSecret, render.Problem{
			Path: "spec.content.variables[0].valueFrom.secretKeyRef.name", Message: "holds an expression, and must not: a variable is the same for all workspaces", Reason: v1alpha1.ReasonNotAllowed}},
		"called as a volume is": {"image: x\nvolumeClaims: [{name: db, size: 1Gi}]\n" + withSecret, render.Problem{
			Path: "spec.content.secrets[0].name", Message: `"db" stands there twice`, Reason: v1alpha1.ReasonInvalid}},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := render.Compile(content(t, test.content))
			if diff := cmp.Diff([]render.Problem{test.want}, problems); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
	_, err := tryRender(t, withSecret+pod(`env: [{name: X, valueFrom: {secretKeyRef: {name: "${secrets.db.name}", key: passwort}}}]`), nil)
	if err == nil || !strings.Contains(err.Error(), `secret "db" generates no "passwort"; did you mean "password"?`) {
		t.Errorf("got %v", err)
	}
}

// Whatever a workload says of its Secrets, it holds no value: those are made where the Secret is.
func TestAdvisory_V42_SecretsReachOnlyWhoNamesThem(t *testing.T) {
	w := rendered(t, django, nil)
	for _, c := range everyContainer(&w.Pod.Spec) {
		for _, v := range c.Env {
			if reads := v.ValueFrom != nil && v.ValueFrom.SecretKeyRef != nil; reads != (c.Name == "db" && v.Name == "POSTGRES_PASSWORD") {
				t.Errorf("container %s, variable %s reads a Secret: %v", c.Name, v.Name, reads)
			}
		}
	}
	for _, v := range w.Pod.Spec.Volumes {
		if v.Secret != nil {
			t.Errorf("volume %s is a Secret", v.Name)
		}
	}
	if len(w.Secrets) != 1 {
		t.Error("no secret was made")
	}
}
