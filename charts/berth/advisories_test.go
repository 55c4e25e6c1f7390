// SPDX-License-Identifier: Apache-2.0

package berth_test

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
)

// What is refused is refused by schemas and policies, which no pod can reach and which do not fail with us.
func TestAdvisory_V60_NoWebhooks(t *testing.T) {
	all := objects(t, render(t))
	for _, o := range all {
		if strings.HasSuffix(o.GetKind(), "WebhookConfiguration") {
			t.Errorf("%s %s", o.GetKind(), o.GetName())
		}
	}
	crds := of(all, "CustomResourceDefinition")
	if len(crds) != 10 {
		t.Fatalf("%d kinds, want 10", len(crds))
	}
	for _, o := range crds {
		if _, converts := o.Object["spec"].(map[string]any)["conversion"]; converts {
			t.Errorf("%s is converted by somebody", o.GetName())
		}
	}
}

// A client's secret stands in the Secret that values name. One that is written into values by mistake is refused, and gets
// nowhere even if the schema is skipped: arguments, ConfigMaps and annotations are read by more people than Secrets are.
func TestAdvisory_V7_V51_NoClientSecretOutsideASecret(t *testing.T) {
	const canary = "canary-of-a-client-secret"
	const one, oidc = "externalAuth.providers[0].", "login.oidc."
	set := slices.Concat(signIn, gitHosts)
	for _, mistake := range []string{one + "clientSecret", one + "clientSecret.value", one + "client_secret", one + "secret", one + "clientSecret.secret",
		"externalAuth.clientSecret", oidc + "clientSecret", oidc + "clientSecret.value", "login.github.clientSecret.value"} {
		args := []string{"template", "berth", chart, "--namespace", "berth-system", "--kube-version", kubeVersion}
		for _, s := range slices.DeleteFunc(append(slices.Clone(set), mistake+"="+canary), func(s string) bool { return strings.HasPrefix(s, mistake+".") }) {
			args = append(args, "--set", s)
		}
		if _, err := run(t.Context(), t, args...); err == nil {
			t.Errorf("%s is let through", mistake)
		}
		out, err := run(t.Context(), t, append(args, "--skip-schema-validation")...)
		if err == nil && strings.Contains(out, canary) {
			t.Errorf("%s gets into an object", mistake)
		}
	}

	// Secrets are mounted by name and copied nowhere: no object of the chart holds data, and no variable is read of a Secret.
	all := objects(t, render(t, set...))
	if found := slices.Concat(of(all, "Secret"), of(all, "ConfigMap")); len(found) > 0 {
		t.Errorf("the chart makes %s %s", found[0].GetKind(), found[0].GetName())
	}
	for _, o := range of(all, "Deployment") {
		template := as[appsv1.Deployment](t, o).Spec.Template
		for _, v := range template.Spec.Containers[0].Env {
			if v.ValueFrom != nil && v.ValueFrom.SecretKeyRef != nil {
				t.Errorf("%s: %s is a secret in the environment", o.GetName(), v.Name)
			}
		}
	}
}
