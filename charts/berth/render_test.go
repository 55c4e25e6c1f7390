// SPDX-License-Identifier: Apache-2.0

package berth_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/berth-dev/berth/internal/testing/cluster"
)

func TestLint(t *testing.T) {
	out, err := run(t.Context(), t, "lint", "--strict", chart)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out, "[WARNING]") || strings.Contains(out, "[ERROR]") {
		t.Error(out)
	}
}

// GitOps tools apply what differs from the last time: a chart that renders differently is redeployed for ever.
func TestRendersTheSameTwice(t *testing.T) {
	if first, second := render(t), render(t); first != second {
		t.Error(cmp.Diff(first, second))
	}
	forbidden := regexp.MustCompile(`\b(lookup|rand[A-Z]\w*|gen[A-Z]\w*|uuidv4|shuffle|now|date\w*|htpasswd|bcrypt|derivePassword|env|expandenv|getHostByName)\b`)
	comment := regexp.MustCompile(`(?s)\{\{-?\s*/\*.*?\*/\s*-?\}\}`)
	action := regexp.MustCompile(`(?s)\{\{.*?\}\}`)
	err := filepath.WalkDir("templates", func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, a := range action.FindAllString(comment.ReplaceAllString(string(text), ""), -1) {
			quoted := regexp.MustCompile(`"[^"]*"`).ReplaceAllString(a, `""`)
			if found := forbidden.FindString(quoted); found != "" {
				t.Errorf("%s: %s gives something else each time, or by the machine it runs on", path, a)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRightsAreTheLeast(t *testing.T) {
	all := objects(t, render(t))
	type role struct {
		Name, Namespace string
		Rules           []rbacv1.PolicyRule
	}
	var roles []role
	for _, o := range of(all, "ClusterRole") {
		roles = append(roles, role{o.GetName(), "", as[rbacv1.ClusterRole](t, o).Rules})
	}
	for _, o := range of(all, "Role") {
		roles = append(roles, role{o.GetName(), o.GetNamespace(), as[rbacv1.Role](t, o).Rules})
	}
	if len(roles) < 6 {
		t.Fatalf("only %d roles", len(roles))
	}
	for _, r := range roles {
		for _, rule := range r.Rules {
			for _, text := range slices.Concat(rule.APIGroups, rule.Resources, rule.Verbs, rule.NonResourceURLs) {
				if strings.Contains(text, "*") {
					t.Errorf("%s has a wildcard: %v", r.Name, rule)
				}
			}
			core := slices.Contains(rule.APIGroups, "")
			if r.Namespace == "" && core && r.Name != mountable && r.Name != variables && slices.ContainsFunc(rule.Resources, func(s string) bool { return strings.HasPrefix(s, "secrets") }) {
				t.Errorf("%s reaches Secrets of every namespace", r.Name)
			}
			if core && slices.ContainsFunc(rule.Resources, func(s string) bool {
				return s == "pods/exec" || s == "pods/attach" || s == "pods/ephemeralcontainers" || s == "serviceaccounts/token" || s == "nodes/proxy"
			}) && r.Name != ownNamespace {
				t.Errorf("%s gets into pods: %v", r.Name, rule)
			}
			if slices.Contains(rule.Verbs, "impersonate") && r.Name != mountable {
				t.Errorf("%s impersonates", r.Name)
			}
			if slices.Contains(rule.APIGroups, rbacv1.GroupName) && slices.ContainsFunc(rule.Verbs, func(s string) bool { return s == "escalate" || s == "bind" && len(rule.ResourceNames) == 0 }) {
				t.Errorf("%s can give itself any right: %v", r.Name, rule)
			}
			if slices.Contains(rule.Resources, "clusterrolebindings") {
				t.Errorf("%s makes bindings for every namespace: %v", r.Name, rule)
			}
		}
	}
}

// ownNamespace is the role that people have in a namespace of their own, and the manager never.
const ownNamespace = "berth-owner"

// mountable is the one role that reads Secrets wherever it is bound, and so is bound by namespace only.
const mountable = "berth-mountable"

// variables is the role that makes Secrets where it is bound, and reads none.
const variables = "berth-variables"

func TestNothingReadsSecretsClusterWide(t *testing.T) {
	all := objects(t, render(t))
	binds := map[string][]rbacv1.PolicyRule{}
	for _, o := range of(all, "ClusterRole") {
		role := as[rbacv1.ClusterRole](t, o)
		if role.Name == mountable {
			want := []rbacv1.PolicyRule{
				{APIGroups: []string{""}, Resources: []string{"secrets", "configmaps"}, Verbs: []string{"get"}},
				{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"create", "patch", "delete"}},
				{APIGroups: []string{""}, Resources: []string{"serviceaccounts"}, Verbs: []string{"impersonate"}},
				{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"roles", "rolebindings"}, Verbs: []string{"create", "patch", "delete"}},
			}
			if diff := cmp.Diff(want, role.Rules); diff != "" {
				t.Errorf("%s holds more than it should: %s", mountable, diff)
			}
		}
		if role.Name == variables {
			want := []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"create"}}}
			if diff := cmp.Diff(want, role.Rules); diff != "" {
				t.Errorf("%s holds more than it should: %s", variables, diff)
			}
		}
		for _, rule := range role.Rules {
			if slices.Contains(rule.APIGroups, rbacv1.GroupName) && !slices.Equal(rule.Resources, []string{"clusterroles"}) ||
				slices.Contains(rule.Verbs, "bind") {
				binds[role.Name] = append(binds[role.Name], rule)
			}
		}
	}
	for _, o := range slices.Concat(of(all, "ClusterRoleBinding"), of(all, "RoleBinding")) {
		if b := as[rbacv1.RoleBinding](t, o); b.RoleRef.Name == mountable || b.RoleRef.Name == variables {
			t.Errorf("%s %s binds %s: the manager does, where organizations are", o.GetKind(), o.GetName(), b.RoleRef.Name)
		}
	}
	// the manager alone binds, those roles alone: elsewhere than in organizations' namespaces by RoleBindings of two names
	want := map[string][]rbacv1.PolicyRule{"berth-manager": {
		{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"clusterroles"}, ResourceNames: []string{"berth-auditor", "berth-member",
			"berth-organization-admin", ownNamespace, "berth-template-admin", "berth-user-admin"}, Verbs: []string{"bind"}},
		{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"clusterroles"}, ResourceNames: []string{mountable}, Verbs: []string{"bind"}},
		{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"clusterroles"}, ResourceNames: []string{variables}, Verbs: []string{"bind"}},
		{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"rolebindings"}, ResourceNames: []string{"berth-apiserver-variables"},
			Verbs: []string{"create", "delete", "get", "patch"}},
		{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"rolebindings"}, ResourceNames: []string{"berth-manager-mountable"},
			Verbs: []string{"create", "delete", "get", "patch"}},
		{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"rolebindings", "roles"}, Verbs: []string{"get", "list", "watch"}},
	}, mountable: {
		{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"roles", "rolebindings"}, Verbs: []string{"create", "patch", "delete"}},
	}}
	if diff := cmp.Diff(want, binds); diff != "" {
		t.Error(diff)
	}
}

// Nobody is bound but our own two accounts and, for the right to ask, who is authenticated.
func TestBindingsNameOurAccountsOnly(t *testing.T) {
	all := objects(t, render(t))
	subjects := map[string][]string{}
	for _, o := range slices.Concat(of(all, "ClusterRoleBinding"), of(all, "RoleBinding")) {
		b := as[rbacv1.RoleBinding](t, o) // the two kinds have the same fields
		for _, s := range b.Subjects {
			key := s.Kind + " " + s.Namespace + "/" + s.Name
			subjects[key] = append(subjects[key], b.RoleRef.Kind+" "+b.RoleRef.Name)
		}
	}
	for _, bound := range subjects {
		slices.Sort(bound)
	}
	want := map[string][]string{
		"ServiceAccount berth-system/berth-manager": {"ClusterRole berth-manager", "Role berth-manager"},
		"ServiceAccount berth-system/berth-apiserver": {"ClusterRole berth-apiserver", "Role berth-apiserver",
			"Role extension-apiserver-authentication-reader"},
		"Group /system:authenticated": {"ClusterRole berth-aggregated-api"},
	}
	if diff := cmp.Diff(want, subjects); diff != "" {
		t.Error(diff)
	}
	off := render(t, "aggregation.grantAuthenticated=false")
	if strings.Contains(off, "system:authenticated") {
		t.Error("aggregation.grantAuthenticated: false grants all the same")
	}
	if !strings.Contains(off, "name: berth-aggregated-api") {
		t.Error("aggregation.grantAuthenticated: false takes away the ClusterRole that owns the APIService")
	}
	if strings.Contains(render(t, "aggregation.enabled=false"), "name: berth-aggregated-api") {
		t.Error("aggregation.enabled: false leaves the ClusterRole that owns the APIService")
	}
}

func TestCopiesAreThoseOfConfig(t *testing.T) {
	const keep = "helm.sh/resource-policy"
	all := objects(t, render(t))
	for name, kinds := range map[string][]string{
		"crd":      {"CustomResourceDefinition"},
		"policies": {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"},
		"rbac":     {"ClusterRole", "Role"},
	} {
		want, got := map[string]any{}, map[string]any{}
		for _, o := range folder(t, name) {
			want[o.GetKind()+" "+o.GetName()] = o.Object
		}
		for _, kind := range kinds {
			for _, o := range of(all, kind) {
				if o.GetLabels()["app.kubernetes.io/managed-by"] != "Helm" {
					t.Errorf("%s %s lacks the chart's labels", kind, o.GetName())
				}
				o.SetLabels(nil)
				if name == "crd" {
					annotations := o.GetAnnotations()
					if annotations[keep] != "keep" {
						t.Errorf("%s would go with the chart", o.GetName())
					}
					delete(annotations, keep)
					o.SetAnnotations(annotations)
				}
				got[kind+" "+o.GetName()] = o.Object
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("run make generate; config/%s differs from the chart:\n%s", name, diff)
		}
	}
	if strings.Contains(render(t, "crds.keep=false"), keep) {
		t.Error("crds.keep: false keeps them")
	}
	if n := len(of(objects(t, render(t, "crds.enabled=false")), "CustomResourceDefinition")); n != 0 {
		t.Errorf("crds.enabled: false leaves %d", n)
	}
	if strings.Contains(render(t, "policies.enabled=false"), "AdmissionPolicy") {
		t.Error("policies.enabled: false leaves some")
	}
}

// Who asked is written down where the cluster can, and believed there alone.
func TestRequesterIsWrittenAndBelievedWhereTheClusterCan(t *testing.T) {
	const can, annotation = "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy", "berth-requester"
	for name, c := range map[string]struct {
		serves bool
		set    []string
		want   bool
	}{
		"a cluster that serves the policy": {true, nil, true},
		"one that does not":                {false, nil, false},
		"turned off":                       {true, []string{"policies.requester=false"}, false},
		"without the policies":             {true, []string{"policies.enabled=false"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			args := []string{"template", "berth", chart, "--namespace", "berth-system", "--kube-version", kubeVersion}
			if c.serves {
				args = append(args, "--api-versions", can)
			}
			for _, s := range c.set {
				args = append(args, "--set", s)
			}
			out, err := run(t.Context(), t, args...)
			if err != nil {
				t.Fatal(err)
			}
			all := objects(t, out)
			var kinds []string
			for _, kind := range []string{"MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"} {
				for _, o := range of(all, kind) {
					kinds = append(kinds, kind+" "+o.GetName())
				}
			}
			var want []string
			if c.want {
				want = []string{"MutatingAdmissionPolicy " + annotation, "MutatingAdmissionPolicyBinding " + annotation}
			}
			if diff := cmp.Diff(want, kinds); diff != "" {
				t.Error(diff)
			}
			for _, o := range of(all, "Deployment") {
				got := as[appsv1.Deployment](t, o).Spec.Template.Spec.Containers[0].Args
				if flag := fmt.Sprintf("--requester-stamps=%t", c.want); !slices.Contains(got, flag) {
					t.Errorf("%s has no %s: %q", o.GetName(), flag, got)
				}
			}
			if c.want {
				wantSpec := folder(t, "stamps")[0].Object["spec"]
				if diff := cmp.Diff(wantSpec, of(all, "MutatingAdmissionPolicy")[0].Object["spec"]); diff != "" {
					t.Errorf("run make generate; config/stamps differs from the chart:\n%s", diff)
				}
			}
		})
	}
}

// A flag that a binary does not know keeps the pod from starting.
func TestEveryFlagExists(t *testing.T) {
	for _, o := range of(objects(t, render(t, slices.Concat(signIn, gitHosts)...)), "Deployment") {
		container := as[appsv1.Deployment](t, o).Spec.Template.Spec.Containers[0]
		program := strings.TrimPrefix(container.Command[0], "/usr/bin/")
		out, err := exec.CommandContext(t.Context(), "go", "run", "github.com/berth-dev/berth/cmd/"+program, "--help").CombinedOutput()
		if err != nil && !strings.Contains(string(out), "-namespace") {
			t.Fatalf("%s --help: %v\n%s", program, err, out)
		}
		for _, arg := range container.Args {
			name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
			if !regexp.MustCompile(`(?m)^\s+(-\w, )?--?` + regexp.QuoteMeta(name) + `\b`).Match(out) {
				t.Errorf("%s has no flag --%s:\n%s", program, name, out)
			}
		}
	}
}

// Everything that `kubectl apply -f config/samples` sends is what `kubectl apply -k` sends.
func TestSamplesAreListed(t *testing.T) {
	samples := filepath.Join(cluster.Root(), "config", "samples")
	text, err := os.ReadFile(filepath.Join(samples, "Kustomization"))
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		Resources []string `json:"resources"`
	}
	if err := yaml.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(samples, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range files {
		files[i] = filepath.Base(files[i])
	}
	if diff := cmp.Diff(files, list.Resources); diff != "" {
		t.Error(diff)
	}
}
